# SPDX-License-Identifier: Apache-2.0
"""Machines with AMD GPUs, from KFD's topology files. KFD does not show PCI bridges: a root bus for each GPU is assumed."""
import re
import tempfile
from functools import cache
from pathlib import Path

from machine import Machine
from shapes import MACHINES, Ask, Shape, generated
from sysfs_tree import unpack

ROCM = "github.com/ROCm/k8s-device-plugin ed764684"
XGMI = 11  # link types of KFD
PCIE = 2


@cache
def kfd(archive):
    """[(PCI address, CPU node, {other GPU's number: link type})] of a captured /sys/class/kfd, in the order of its nodes."""
    with tempfile.TemporaryDirectory() as folder:
        nodes = unpack(MACHINES / f"{archive}.tar.zst", Path(folder) / "root") / "sys/class/kfd/kfd/topology/nodes"

        def properties(path):
            return {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", (path / "properties").read_text(), re.M)}

        everything = {int(node.name): properties(node) for node in nodes.iterdir()}
        numbers = {node: i for i, node in enumerate(sorted(n for n, of in everything.items() if of["simd_count"] > 0))}
        gpus = []
        for node in numbers:
            links = [properties(link) for kind in ("io_links", "p2p_links") for link in (nodes / str(node) / kind).glob("*")]
            cpu = min((link for link in links if link["node_to"] not in numbers), key=lambda link: link["weight"])["node_to"]
            location, domain = everything[node]["location_id"], everything[node]["domain"]
            address = f"{domain:04x}:{location >> 8:02x}:{location >> 3 & 31:02x}.{location & 7}"
            to = {numbers[link["node_to"]]: link["type"] for link in links if link["node_to"] in numbers}
            gpus.append((address, cpu, to))
        return gpus


def two_sockets():
    machine = Machine()
    machine.numa_nodes({0: [10, 32], 1: [32, 10]})
    return machine


def path_to(address):
    bus = int(address[5:7], 16)
    return [f"pci0000:{bus - 2:02x}", f"0000:{bus - 2:02x}:01.1", f"0000:{bus - 1:02x}:00.0", address]


def mi210():
    machine = two_sockets()
    gpus = kfd("kfd-mi210-xgmi-pcie")
    cards = [name for address, node, _ in gpus for name in machine.card(path_to(address), node)]
    for a, (_, _, to) in enumerate(gpus):
        for b, kind in to.items():
            if a < b and kind == XGMI:
                machine.link(cards[a], cards[b], 1, "xgmi")
    return machine, cards


CPX_BUSES = [0x05, 0x27, 0x47, 0x65, 0x85, 0xA7, 0xC7, 0xE5]
CPX_PIECES = [8, 8, 8, 8, 8, 8, 8, 7]  # the capture has 63


def mi300_cpx(links=False):
    """Every GPU in eight pieces. Piece p of GPU g is number 8 g + p."""

    def build():
        machine = two_sockets()
        machine.unit = {"unit": "partition"}
        cards = []
        for gpu, (bus, pieces) in enumerate(zip(CPX_BUSES, CPX_PIECES)):
            cards += machine.card(path_to(f"0000:{bus:02x}:00.0"), gpu // 4, pieces=pieces)
        if links:
            machine.weights = {"same_card": 200}  # a piece's neighbour on the same card is nearer than any link
            for a in range(len(cards)):
                for b in range(8 * (a // 8 + 1), len(cards)):
                    machine.link(cards[a], cards[b], 1, "xgmi")
        return machine, cards

    return build


HIVE_2 = [6, 7, 5, 4]  # in PCI order: buses 83, a3, c3, e3
PARTITIONS = {"unit": "partition"}

SHAPES = [
    Shape("8 x MI210, two XGMI hives", f"tests/machines/kfd-mi210-xgmi-pcie ({ROCM}, testdata/topo-mi210-xgmi-pcie)",
          generated(mi210), [
              Ask(2, 120, "one hive; the first two by PCI address", [2, 3]),
              Ask(3, 360, "one hive", [1, 2, 3]),
              Ask(4, 720, "a whole hive", [0, 1, 2, 3]),
              Ask(4, 720, "the hive that is whole", HIVE_2, available=[0, 1, 2, 4, 5, 6, 7]),
              Ask(5, 760, "a hive and one more", [0, 1, 2, 3, 6]),
              Ask(6, 720 + 120 + 80, "a hive and a linked pair", [0, 1, 2, 3, 6, 7]),
              Ask(3, 360, "the only hive with three left", HIVE_2[:3], available=[2, 3, 4, 5, 6, 7]),
          ]),
    Shape("8 x MI300X in CPX mode", f"{ROCM}, testdata/topo-mi300-cpx: 63 pieces of 8 GPUs, all in one hive",
          generated(mi300_cpx()), [
        Ask(3, 240, "the GPU with seven pieces", [56, 57, 58]),
        Ask(8, 28 * 80, "a whole GPU of the NUMA node with 31 pieces", list(range(32, 40))),
        Ask(8, 28 * 80, "a GPU that is whole", list(range(32, 40)),
            available=[*range(6), *range(8, 15), *range(32, 48)]),
        Ask(2, 80, "a GPU that is in use already", [8, 9], available=[*range(8), *range(8, 12)]),
        Ask(16, 2 * 28 * 80 + 64 * 20, "two GPUs of the NUMA node with 31 pieces", list(range(32, 48))),
        Ask(30, 3 * 28 * 80 + 15 * 80 + (3 * 64 + 24 * 6) * 20, "the NUMA node with 31 pieces, but one", list(range(32, 62))),
        Ask(32, 4 * 28 * 80 + 6 * 64 * 20, "the NUMA node that has 32", list(range(32))),
    ], PARTITIONS),
    Shape("8 x MI300X in CPX mode, XGMI listed", "as above; all pieces of different GPUs linked, same_card = 200",
          generated(mi300_cpx(True)), [
        Ask(3, 600, "one GPU: its pieces are nearer than any link", [56, 57, 58]),
        Ask(8, 28 * 200, "a whole GPU of the NUMA node with 31 pieces", list(range(32, 40))),
        Ask(16, 2 * 28 * 200 + 64 * 120, "two GPUs of the NUMA node with 31 pieces", list(range(32, 48))),
        Ask(32, 4 * 28 * 200 + 6 * 64 * 120, "a NUMA node", list(range(32))),
    ], PARTITIONS),
]
