# SPDX-License-Identifier: Apache-2.0
"""Machines with NVIDIA GPUs: NVLink tables as published, PCIe trees from captured machines or as the tables say."""
from machine import Machine
from shapes import Ask, Shape, all_pairs, captured, generated

GO = "github.com/NVIDIA/go-gpuallocator 876e7b76, gpuallocator/common_test.go"

# (GPU, GPU): number of NVLinks.
PASCAL_LINKS = {(a, b): 1 for quad in (range(4), range(4, 8)) for a in quad for b in quad if a < b}
PASCAL_LINKS |= {(a, a + 4): 1 for a in range(4)}
VOLTA_LINKS = {(0, 1): 1, (0, 2): 1, (0, 3): 2, (0, 4): 2, (1, 2): 2, (1, 3): 1, (1, 5): 2, (2, 3): 2, (2, 6): 1, (3, 7): 1,
               (4, 5): 1, (4, 6): 1, (4, 7): 2, (5, 6): 2, (5, 7): 1, (6, 7): 2}
RTX8000_LINKS = {(0, 3): 2, (1, 2): 2}
# Which GPUs hang on one switch; a line for each socket.
PASCAL_SWITCHES = [[(0, 2), (1, 3)], [(4, 6), (5, 7)]]
VOLTA_SWITCHES = [[(0, 1), (2, 3)], [(4, 5), (6, 7)]]
DGX1_BUSES = [0x06, 0x07, 0x0A, 0x0B, 0x85, 0x86, 0x89, 0x8A]  # github.com/NVIDIA/nccl/issues/671


def linked(machine, cards, links):
    for (a, b), width in links.items():
        machine.link(cards[a], cards[b], width, "nvlink")
    return machine, cards


def dgx1(switches, links):
    """Two sockets, a host bridge each, two switches below it, two GPUs below each."""

    def build():
        machine = Machine()
        machine.numa_nodes({0: [10, 21], 1: [21, 10]})
        paths = {}
        for socket, pairs in enumerate(switches):
            for number, pair in enumerate(pairs):
                root, bus = f"pci0000:{socket * 0x80:02x}", socket * 0x80 + 2 + number
                switch = [root, f"0000:{socket * 0x80:02x}:{2 + number:02x}.0", f"0000:{bus:02x}:00.0"]
                for gpu in pair:
                    port = f"0000:{bus + 2:02x}:{gpu:02x}.0"
                    paths[gpu] = socket, [*switch, port, f"0000:{DGX1_BUSES[gpu]:02x}:00.0"]
        cards = [name for gpu in range(8) for name in machine.card(paths[gpu][1], paths[gpu][0])]
        return linked(machine, cards, links)

    return build


def rtx8000():
    machine = Machine()
    machine.numa_nodes({0: [10, 21], 1: [21, 10]})
    cards = []
    for gpu in range(4):
        bus = 0x20 + 0x40 * gpu
        cards += machine.card([f"pci0000:{bus:02x}", f"0000:{bus:02x}:00.0", f"0000:{bus + 1:02x}:00.0"], gpu // 2)
    return linked(machine, cards, RTX8000_LINKS)


def dgx_a100():
    """Two GPUs below two levels of switches on every other NUMA node of two sockets."""
    machine = Machine()
    machine.numa_nodes({a: [10 if a == b else 12 if a // 4 == b // 4 else 32 for b in range(8)] for a in range(8)})
    cards = []
    for pair, (node, root, buses) in enumerate([(3, 0x00, (0x07, 0x0F)), (1, 0x40, (0x47, 0x4E)), (7, 0x80, (0x87, 0x90)),
                                                (5, 0xB0, (0xB7, 0xBD))]):
        top = [f"pci0000:{root:02x}", f"0000:{root:02x}:01.1", f"0000:{root + 1:02x}:00.0"]
        for number, bus in enumerate(buses):
            below = [f"0000:{root + 2:02x}:{number:02x}.0", f"0000:{bus - 2:02x}:00.0", f"0000:{bus - 1:02x}:00.0"]
            cards += machine.card([*top, *below, f"0000:{bus:02x}:00.0"], node)
    return linked(machine, cards, {(a, b): 12 for a, b, _ in all_pairs(range(8), 12)})


def p4d():
    machine = Machine()
    machine.numa_nodes({0: [10, 21], 1: [21, 10]})
    cards = []
    for number, bus in enumerate([0x10, 0x20, 0x90, 0xA0]):
        switch = [f"pci0000:{bus - 1:02x}", f"0000:{bus - 1:02x}:00.0", f"0000:{bus - 2:02x}:00.0"]
        for device in (0x1C, 0x1D):
            port = f"0000:{bus - 3:02x}:{device:02x}.0"
            cards += machine.card([*switch, port, f"0000:{bus:02x}:{device:02x}.0"], number // 2)
    return linked(machine, cards, {(a, b): 12 for a, b, _ in all_pairs(range(8), 12)})


def p5():
    machine = Machine()
    machine.numa_nodes({0: [10, 32], 1: [32, 10]})
    cards = []
    for gpu, bus in enumerate([0x4F, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0, 0xC0]):
        switch = [f"pci0000:{bus - 3:02x}", f"0000:{bus - 3:02x}:00.0", f"0000:{bus - 2:02x}:00.0"]
        cards += machine.card([*switch, f"0000:{bus - 1:02x}:00.0", f"0000:{bus:02x}:00.0"], gpu // 4)
    return linked(machine, cards, {(a, b): 18 for a, b, _ in all_pairs(range(8), 18)})


DGX2_GPUS = [f"0000:{bus}:00.0" for bus in "34 36 39 3b 57 59 5c 5e b7 b9 bc be e0 e2 e5 e7".split()]
LASSEN_GPUS = ["0004:04:00.0", "0004:05:00.0", "0035:03:00.0", "0035:04:00.0"]
P9_GPUS = ["0004:05:00.0", "0004:06:00.0", "0006:00:00.0", "0007:00:00.0", "0035:04:00.0", "0035:05:00.0"]
P8_GPUS = ["0002:01:00.0", "0003:01:00.0", "000a:01:00.0", "000b:01:00.0"]

SHAPES = [
    Shape("DGX-1, Pascal", GO, generated(dgx1(PASCAL_SWITCHES, PASCAL_LINKS)), [
        Ask(2, 150, "an NVLink and one switch", [0, 2]),
        Ask(2, 150, "as above, in what is left", [1, 3], available=[1, 3, 4, 5, 6, 7]),
        Ask(2, 150, "the neighbour of GPU 4 on its switch", [4, 6], must=[4]),
        Ask(2, 110, "across the sockets, but linked", [0, 4], available=[4, 5, 6, 7], must=[0]),
        Ask(3, 410, "three of a quad: 3 NVLinks, one pair on a switch", [0, 1, 2]),
        Ask(4, 820, "a quad is fully linked", [0, 1, 2, 3]),
        Ask(4, 820, "the other quad", [4, 5, 6, 7], available=[0, 1, 3, 4, 5, 6, 7]),
        Ask(6, 820 + 150 + 8 * 10 + 200, "a quad and a switch of the other: 6 + 1 + 2 NVLinks", [0, 1, 2, 3, 4, 6]),
        Ask(8, 2 * 820 + 16 * 10 + 400, "all", [0, 1, 2, 3, 4, 5, 6, 7]),
    ]),
    Shape("DGX-1, Volta", GO, generated(dgx1(VOLTA_SWITCHES, VOLTA_LINKS)), [
        Ask(2, 250, "two NVLinks and one switch: more than any two NVLinks across switches", [2, 3]),
        Ask(2, 250, "its twin on the other socket", [6, 7], available=[0, 1, 4, 5, 6, 7]),
        Ask(2, 230, "two NVLinks on one socket", [0, 3], available=[0, 1, 3]),
        Ask(2, 210, "two NVLinks across the sockets beat one on a switch", [0, 4], available=[0, 1, 4]),
        Ask(2, 230, "the best partner of GPU 4", [4, 7], must=[4]),
        Ask(3, 610, "a triangle with 2 + 2 + 1 NVLinks and a switch", [0, 2, 3]),
        Ask(4, 1120, "a quad: 9 NVLinks", [0, 1, 2, 3]),
        Ask(4, 1120, "the quad of GPU 4", [4, 5, 6, 7], must=[4]),
    ]),
    Shape("4 x RTX 8000", GO, generated(rtx8000), [
        Ask(2, 210, "the NVLink bridge, though it crosses the sockets", [0, 3]),
        Ask(2, 210, "the other bridge", [1, 2], available=[1, 2, 3]),
        Ask(2, 20, "no bridge is whole: one socket", [0, 1], available=[0, 1]),
        Ask(3, 210 + 20 + 10, "a bridge and one more", [0, 1, 2]),
    ]),
    Shape("DGX-2 (DGX-2H)", "tests/machines/dgx2h; 6 NVLinks between any two: github.com/NVIDIA/nccl-tests/issues/78",
          captured("dgx2h", 0x030200, DGX2_GPUS, all_pairs(range(16), 6)), [
              Ask(2, 650, "links are all alike: one switch", [0, 1]),
              Ask(2, 650, "the whole switch of the socket with less free", [12, 13], available=[0, 2, 4, 5, 12, 13]),
              Ask(3, 1800 + 50 + 90, "three below one tree of switches", [0, 1, 2]),
              Ask(4, 3600 + 100 + 180, "one tree of switches", [0, 1, 2, 3]),
              Ask(6, 9000 + 280 + 50 + 160, "a tree, and a switch of the same socket", [0, 1, 2, 3, 4, 5]),
              Ask(8, 16800 + 2 * 280 + 16 * 20, "one socket", list(range(8))),
              Ask(8, 16800 + 2 * 280 + 16 * 20, "the socket of GPU 15", list(range(8, 16)), must=[15]),
          ]),
    Shape("DGX A100", "github.com/NVIDIA/nccl/issues/1505: nvidia-smi topo -m and NCCL's file", generated(dgx_a100), [
        Ask(2, 1245, "links are all alike: one tree of switches", [0, 1]),
        Ask(2, 1245, "the only pair that is whole", [4, 5], available=[1, 2, 4, 5, 7]),
        Ask(2, 1215, "one socket, when no pair is whole", [1, 2], available=[1, 2, 4, 7]),
        Ask(3, 3600 + 45 + 30, "a pair, and one of the same socket", [0, 1, 2]),
        Ask(4, 7200 + 90 + 60, "one socket", [0, 1, 2, 3]),
        Ask(4, 7200 + 90 + 60, "the socket of GPU 6", [4, 5, 6, 7], must=[6]),
    ]),
    Shape("AWS p4d.24xlarge", "tests/machines/nccl-xml-set-a (aws-ofi-nccl, topology/p4d-24xl-topo.xml); NVLinks as in DGX A100",
          generated(p4d), [
              Ask(2, 1250, "one switch", [0, 1]),
              Ask(4, 7200 + 100 + 80, "the two switches of one socket", [0, 1, 2, 3]),
              Ask(4, 7200 + 100 + 80, "the socket that is whole", [4, 5, 6, 7], available=[0, 1, 2, 4, 5, 6, 7]),
              Ask(6, 18000 + 180 + 50 + 80, "a socket, and one switch of the other", [0, 1, 2, 3, 4, 5]),
          ]),
    Shape("AWS p5.48xlarge", "github.com/aws/aws-ofi-nccl 79565c0e, topology/p5.48xl-topo.xml: a switch for each GPU; "
          "NUMA nodes and 18 NVLinks: github.com/HazyResearch/ThunderKittens/issues/167", generated(p5), [
              Ask(2, 1820, "one NUMA node", [0, 1]),
              Ask(4, 10800 + 120, "one NUMA node", [0, 1, 2, 3]),
              Ask(4, 10800 + 120, "the NUMA node that is whole", [4, 5, 6, 7], available=[0, 2, 3, 4, 5, 6, 7]),
              Ask(5, 18000 + 120 + 40, "a NUMA node and one more", [0, 1, 2, 3, 4]),
          ]),
    Shape("POWER9, 4 x V100 (Lassen)", "tests/machines/lassen-p9; 3 NVLinks between the two GPUs of a socket: IBM REDP-5494",
          captured("lassen-p9", 0x030200, LASSEN_GPUS, [(0, 1, 3), (2, 3, 3)]), [
              Ask(2, 350, "the pair of a socket", [0, 1]),
              Ask(2, 350, "the pair that is whole", [2, 3], available=[1, 2, 3]),
              Ask(2, 10, "no pair is whole", [1, 2], available=[1, 2]),
              Ask(3, 370, "a pair and one more", [0, 1, 2]),
          ]),
    Shape("POWER9, 6 x V100", "tests/machines/p9-gpu-numa; 2 NVLinks between any two GPUs of a socket: IBM REDP-5494",
          captured("p9-gpu-numa", 0x030000, P9_GPUS, all_pairs(range(3), 2) + all_pairs(range(3, 6), 2)), [
              Ask(2, 220, "one socket", [0, 1]),
              Ask(2, 220, "two that are left of one socket, not one each", [3, 4], available=[0, 3, 4]),
              Ask(3, 660, "the three of a socket", [0, 1, 2]),
              Ask(3, 660, "the three that are whole", [3, 4, 5], available=[0, 2, 3, 4, 5]),
              Ask(4, 660 + 30, "three and one more", [0, 1, 2, 3]),
          ]),
    Shape("POWER8, 4 x P100", "tests/machines/power8-nvlink; 2 NVLinks between the two GPUs of a socket: IBM REDP-5405",
          captured("power8-nvlink", 0x030200, P8_GPUS, [(0, 1, 2), (2, 3, 2)]), [
              Ask(2, 220, "the pair of a socket", [0, 1]),
              Ask(2, 220, "the pair of GPU 3", [2, 3], must=[3]),
              Ask(3, 240, "a pair and one more", [0, 1, 2]),
          ]),
]
