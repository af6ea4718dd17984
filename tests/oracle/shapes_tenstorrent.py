# SPDX-License-Identifier: Apache-2.0
"""Machines with Tenstorrent cards. Links: tt-umd's cluster descriptors of real hosts, and meshes as tt-metal describes them."""
from machine import Machine
from shapes import Ask, Shape, generated, grid, shipped

MGD = "github.com/tenstorrent/tt-metal, tt_metal/fabric/mesh_graph_descriptors"
UMD = "github.com/tenstorrent/tt-umd 3ed9cb6d, tests/cluster_descriptor_examples"
T3000 = ["0000:31:00.0", "0000:4b:00.0", "0000:b1:00.0", "0000:ca:00.0"]
QUIETBOX = ["0000:01:00.0", "0000:41:00.0", "0000:42:00.0", "0000:c1:00.0"]
GALAXY_BH = [f"0000:{tray:x}{chip}:00.0" for tray in (0x0, 0x4, 0x8, 0xC) for chip in range(1, 9)]
# Tray by tray in its own order 1 to 4; each is two rows of four chips, the trays stand below each other: 8 rows of 4.
GALAXY_WH = [f"0000:{tray:x}{chip}:00.0" for tray in (0xC, 0x8, 0x0, 0x4) for chip in range(1, 9)]
CHANNELS = 4  # between two neighbours, as the mesh descriptor says


def plain_galaxy(wrap):
    """32 chips, 8 rows of 4, with nothing but their links: one NUMA node, a root bus each, no boards."""

    def build():
        machine = Machine()
        machine.numa_nodes({0: [10]})
        cards = []
        for chip in range(32):
            cards += machine.card([f"pci{chip:04x}:00", f"{chip:04x}:00:01.0", f"{chip:04x}:01:00.0"], 0)
        for a, b, width in grid(8, 4, CHANNELS, wrap):
            machine.link(cards[a], cards[b], width, "ethernet")
        return machine, cards

    return build


def near(size, links):
    """Score of `size` chips of one NUMA node with so many links among them."""
    return size * (size - 1) // 2 * 20 + links * 100 * CHANNELS


def tray(number):
    return list(range(8 * number, 8 * number + 8))


ON_TRAY = 30 + 60  # one host bridge, one board
MESH_TRAY = 28 * ON_TRAY + 10 * 100 * CHANNELS
TORUS_TRAY = 28 * ON_TRAY + 12 * 100 * CHANNELS


SHAPES = [
    Shape("T3000: 4 x n300", f"tests/machines/tenstorrent-4x-n300; {UMD}/t3k_cluster_desc.yaml",
          shipped("tenstorrent-4x-n300", "tenstorrent.com/n300", T3000, "t3k_cluster_desc.yaml"), [
              Ask(2, 420, "the pair with four cables makes a 2 x 2 mesh of chips", [0, 1]),
              Ask(2, 420, "the other pair", [2, 3], must=[2]),
              Ask(2, 210, "two cables across the sockets beat none", [0, 3], available=[0, 2, 3], must=[0]),
              Ask(2, 420, "the strong pair that is whole", [2, 3], available=[0, 2, 3]),
              Ask(3, 640, "a strong pair and a neighbour", [0, 1, 2]),
              Ask(4, 2 * 420 + 2 * 210 + 2 * 10, "all", [0, 1, 2, 3]),
          ]),
    Shape("QuietBox: 4 x p150", f"tests/machines/tt-quietbox-4xp150; {UMD}/blackhole_4xP150.yaml",
          shipped("tt-quietbox-4xp150", "tenstorrent.com/p150b", QUIETBOX, "blackhole_4xP150.yaml"), [
              Ask(2, 430, "neighbours in the ring 0-2-1-3, and on one host bridge", [1, 2]),
              Ask(2, 420, "not 0 and 1, which are opposite", [0, 3], available=[0, 1, 3]),
              Ask(2, 420, "of the two neighbours of 0 the one that leaves 1 and 2 together", [0, 3], must=[0]),
              Ask(2, 20, "opposites have no cable", [0, 1], available=[0, 1]),
              Ask(3, 420 + 430 + 20, "three in a row, two of them on one host bridge", [0, 1, 2]),
          ]),
    Shape("Galaxy 8 x 4, mesh", f"{MGD}/single_galaxy_mesh_graph_descriptor.textproto (10bf9b87)", generated(plain_galaxy(False)), [
        Ask(2, near(2, 1), "neighbours", [0, 1]),
        Ask(4, near(4, 4), "a square", [0, 1, 4, 5]),
        Ask(6, near(6, 7), "2 x 3", [0, 1, 2, 4, 5, 6]),
        Ask(8, near(8, 10), "2 x 4: 10 links, as many as 8 chips of a grid can have", tray(0)),
        Ask(9, near(9, 12), "3 x 3: 12 links"),
        Ask(12, near(12, 17), "3 x 4: 17 links", list(range(12))),
        Ask(16, near(16, 24), "4 x 4: 24 links", list(range(16))),
        Ask(24, near(24, 38), "6 x 4: 38 links", list(range(24))),
        Ask(4, near(4, 4), "the square that is left", [2, 3, 6, 7], available=[0, 2, 3, 5, 6, 7, 9, 12]),
    ]),
    Shape("Galaxy 8 x 4, torus", f"{MGD}/single_galaxy_torus_xy_graph_descriptor.textproto (175cdf50)",
          generated(plain_galaxy(True)), [
        Ask(2, near(2, 1), "neighbours", [0, 1]),
        Ask(4, near(4, 4), "a ring of four, or a square", [0, 1, 2, 3]),
        Ask(8, near(8, 12), "two rings of four: 12 links", tray(0)),
        Ask(12, near(12, 20), "three rings: 20 links", list(range(12))),
        Ask(16, near(16, 28), "four rings: 28 links", list(range(16))),
        Ask(24, near(24, 44), "six rings: 44 links", list(range(24))),
    ]),
    Shape("Galaxy Wormhole, mesh, in trays", "tests/machines/tt-galaxy-wh; the links above, the trays below each other (assumed)",
          shipped("tt-galaxy-wh", "tenstorrent.com/galaxy-chip", GALAXY_WH, links=grid(8, 4, CHANNELS)), [
              Ask(4, 6 * ON_TRAY + 1600, "a square in a corner of the mesh, on one tray", [24, 25, 28, 29]),
              Ask(8, MESH_TRAY, "a tray at an end of the mesh", tray(3)),
              Ask(8, MESH_TRAY, "the tray of chip 31", tray(3), must=[31]),
              Ask(8, MESH_TRAY, "the tray that is whole", tray(0),
                  available=[*range(8), *range(9, 16), *range(16, 23), *range(25, 32)]),
              Ask(16, 2 * MESH_TRAY + 64 * 20 + 1600, "two trays of one NUMA node, which are neighbours", tray(2) + tray(3)),
              Ask(24, 3 * MESH_TRAY + 64 * 20 + 128 * 10 + 3200, "three trays in a row", tray(1) + tray(2) + tray(3)),
          ]),
    Shape("Galaxy Wormhole, torus, in trays", "as above",
          shipped("tt-galaxy-wh", "tenstorrent.com/galaxy-chip", GALAXY_WH, links=grid(8, 4, CHANNELS, True)), [
              Ask(8, TORUS_TRAY, "a tray: two rings of four", tray(2)),
              Ask(16, 2 * TORUS_TRAY + 64 * 20 + 1600, "two trays of one NUMA node", tray(2) + tray(3)),
          ]),
    Shape("Galaxy Blackhole", f"tests/machines/tt-galaxy-bh; {UMD}/blackhole_galaxy.yaml, two cables a link",
          shipped("tt-galaxy-bh", "tenstorrent.com/galaxy-chip", GALAXY_BH, "blackhole_galaxy.yaml"), [
              Ask(4, 6 * ON_TRAY + 4 * 200, "a square on one tray", [0, 1, 4, 5]),
              Ask(8, 28 * ON_TRAY + 10 * 200, "a tray: 10 links of two cables", tray(0)),
              Ask(8, 28 * ON_TRAY + 10 * 200, "the tray of chip 20", tray(2), must=[20]),
              Ask(16, 2 * (28 * ON_TRAY + 2000) + 64 * 20 + 8 * 200, "two trays of one NUMA node", tray(0) + tray(1)),
          ]),
]
