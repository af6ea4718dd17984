# SPDX-License-Identifier: Apache-2.0
"""The Tenstorrent test machines (HOSTS). README.md says what is a sample in them."""

from tenstorrent_sysfs import (
    BLACKHOLE,
    GENOA,
    GRAYSKULL,
    ICE_LAKE,
    MILAN,
    SAPPHIRE_RAPIDS,
    WORMHOLE,
    Card,
    Family,
    Host,
)


def below_port(bus: str, root_bus: str, port: str = "02.0") -> tuple[str, tuple[str, ...]]:
    """Address and path of a card on a bus of its own below a root port."""
    return f"0000:{bus}:00.0", (f"0000:{root_bus}:{port}",)


def galaxy(family: Family, serial: str, trays: str) -> tuple[Card, ...]:
    """Bus numbers and ordinals as enumerate.c has them: tray by the high digit, place by the low one.

    Trays 0 and 4 are on node 0, 8 and c on node 1; one root port for each chip.
    """
    return tuple(
        Card(
            f"0000:{nibble}{place + 1}:00.0",
            (f"0000:{nibble}0:{1 + 2 * (place // 4):02x}.{place % 4 + 1}",),
            0 if nibble in "04" else 1,
            serial,
            8 * tray + place,
            family,
            width=8,
            note=f"tray {tray + 1}, place {place + 1}",
        )
        for tray, nibble in enumerate(trays)
        for place in range(8)
    )


def p300(root_bus: int, node: int, serial: str, ordinals: tuple[int, int]) -> tuple[Card, ...]:
    """A board with a switch: upstream port, two downstream ports, a chip below each."""
    port, up = f"0000:{root_bus:02x}:01.1", f"0000:{root_bus + 1:02x}:00.0"
    return tuple(
        Card(
            f"0000:{root_bus + 3 + chip:02x}:00.0",
            (port, up, f"0000:{root_bus + 2:02x}:{chip:02x}.0"),
            node,
            serial,
            ordinals[chip],
            BLACKHOLE,
            width=8,
            note="one of two chips of its board",
        )
        for chip in (0, 1)
    )


# Serials, addresses and ordinals of this one are those of the archive that it has to reproduce.
T3000 = Host(
    "tenstorrent-4x-n300",
    "T3000: dual-socket X12DPG-QT6 with four n300",
    ICE_LAKE,
    (
        Card(*below_port("31", "30"), 0, "010001461190302B", 0, iommu_group=12),
        Card(*below_port("4b", "4a"), 0, "0100014611903099", 1, iommu_group=27),
        Card(*below_port("b1", "b0"), 1, "01000146119030AA", 2, iommu_group=58),
        Card(*below_port("ca", "c9"), 1, "01000146119030A7", 3, iommu_group=71),
    ),
    cores_per_node=28,
    far=20,
    board_name="X12DPG-QT6",
    descriptor="t3k_cluster_desc.yaml",
    full=False,
    notes=("the tree lists the cards only, not the root ports; /sys/devices/system/cpu is not there",),
)

MIXED = Host(
    "tt-mixed-2numa",
    "two sockets; an n150 and an n300 on each, two p150a behind one switch on the second",
    SAPPHIRE_RAPIDS,
    (
        Card(*below_port("17", "16"), 0, "01000186119040A1", 0),
        Card(*below_port("31", "30"), 0, "0100014611905011", 1, open_files=2, note="two open files"),
        Card(*below_port("97", "96"), 1, "01000186119040A2", 2),
        Card(*below_port("b1", "b0"), 1, "0100014611905012", 3),
        Card("0000:cc:00.0", ("0000:c9:02.0", "0000:ca:00.0", "0000:cb:00.0"), 1, "0000040231924011", 4, BLACKHOLE),
        Card("0000:cd:00.0", ("0000:c9:02.0", "0000:ca:00.0", "0000:cb:01.0"), 1, "0000040231924012", 5, BLACKHOLE),
    ),
)

P300 = Host(
    "tt-p300-2numa",
    "two sockets, a p300c on each; both chips of a board behind the board's switch; translating IOMMU",
    GENOA,
    p300(0x40, 0, "0000046131924007", (0, 1)) + p300(0xC0, 1, "0000046131924012", (3, 2)),
    far=32,
    iommu="DMA-FQ",
    notes=(
        "1 GiB pages are there and mounted, though no card needs them: the IOMMU translates",
        "on the second board ordinals run against the addresses, as after a reset with hot-plug",
    ),
)

# Root bus -> node. A sample; on real boards with NPS4 too the nodes do not follow the buses.
EIGHT_NODES = {0x00: 3, 0x20: 2, 0x40: 1, 0x60: 0, 0x80: 7, 0xA0: 6, 0xC0: 5, 0xE0: 4}
EIGHT = Host(
    "tt-8numa",
    "two sockets of four NUMA nodes each (NPS4), an n150 on each of the eight nodes",
    MILAN,
    tuple(
        Card(*below_port(f"{bus + 1:02x}", f"{bus:02x}", "01.1"), node, f"010001861190500{ordinal}", ordinal)
        for ordinal, (bus, node) in enumerate(EIGHT_NODES.items())
    ),
    node_count=8,
    nodes_per_package=4,
    cores_per_node=8,
    far=32,
    iommu="DMA",
    hugepages=False,
    notes=("translating IOMMU, no 1 GiB pages and no mount for them",),
)

ONE = Host(
    "tt-1numa",
    "one socket, one NUMA node, four n150 below one host bridge; numa_node is -1; no IOMMU",
    MILAN,
    tuple(
        Card(*below_port(f"0{ordinal + 1}", "00", port), -1, f"010001861190600{ordinal}", ordinal)
        for ordinal, port in enumerate(("01.1", "01.2", "03.1", "03.2"))
    ),
    node_count=1,
    iommu=None,
    notes=("numa_node is -1 and local_cpulist holds every CPU: all are on node 0, the only one",),
)

GALAXY_WORMHOLE = Host(
    "tt-galaxy-wh",
    "Wormhole Galaxy: 32 chips in four trays, one serial",
    GENOA,
    galaxy(WORMHOLE, "0100035100000000", "c804"),
    cores_per_node=32,
    far=32,
    tray_nibbles="c804",
)

GALAXY_BLACKHOLE = Host(
    "tt-galaxy-bh",
    "Blackhole Galaxy: 32 chips in four trays, one serial",
    GENOA,
    galaxy(BLACKHOLE, "0000047330000000", "04c8"),
    cores_per_node=32,
    far=32,
    tray_nibbles="04c8",
    descriptor="blackhole_galaxy.yaml",
)

ODDITIES = Host(
    "tt-oddities",
    "two sockets; every card in another unusual state",
    SAPPHIRE_RAPIDS,
    (
        Card(
            *below_port("17", "16"), 0, "0100014611907011", 5, note="healthy; its ordinal does not follow the addresses"
        ),
        Card(
            *below_port("31", "30"),
            0,
            "",
            0,
            subsystem=0x18,
            telemetry=False,
            note="just booted: device node and class entry, but no tt_* file, no hwmon and no by-id link yet",
        ),
        Card(
            *below_port("4b", "4a"),
            0,
            "0000040231924021",
            1,
            BLACKHOLE,
            heartbeat=False,
            note="older firmware: no tt_heartbeat and no tt_therm_trip_count",
        ),
        Card(
            *below_port("65", "64"), 0, family=WORMHOLE, driver=None, subsystem=0x14, note="Wormhole without a driver"
        ),
        Card(*below_port("98", "97"), 1, driver="vfio-pci", subsystem=0x18, note="bound to vfio-pci"),
        Card(
            *below_port("b1", "b0"),
            1,
            family=GRAYSKULL,
            driver=None,
            subsystem=0x07,
            note="Grayskull: the driver has not supported it since 2.2.0",
        ),
        Card(
            *below_port("ca", "c9"),
            1,
            "0100018611907021",
            2,
            fallen=True,
            note="no longer answers on the bus: config reads all ones; the tt_* files keep their last good values",
        ),
        Card(
            *below_port("d9", "d8"),
            1,
            "0000048231924031",
            3,
            BLACKHOLE,
            note="card type unknown to the driver (part number 0x48)",
        ),
        Card(
            *below_port("e3", "e2"),
            -1,
            "0100018611907022",
            6,
            local_node=1,
            note="numa_node is -1, local_cpulist holds exactly the CPUs of node 1",
        ),
    ),
    hugepages=False,
    notes=("ordinal 4 is free: its card was taken out", "no 1 GiB pages though the IOMMU does not translate"),
)

# Board ids, addresses and ordinals are those of the cluster descriptor, whose board ids say p150b;
# the board name is the one whose bus numbers tt-metal lists as c1, 01, 41, 42.
QUIETBOX = Host(
    "tt-quietbox-4xp150",
    "one socket, one NUMA node, four p150b cabled in a ring",
    GENOA,
    (
        Card(
            *below_port("01", "00", "01.1"), 0, f"{4476187513191:016X}", 1, BLACKHOLE, note="chip 0 of the descriptor"
        ),
        Card(
            *below_port("41", "40", "01.1"), 0, f"{4476187513145:016X}", 2, BLACKHOLE, note="chip 1 of the descriptor"
        ),
        Card(
            *below_port("42", "40", "03.1"), 0, f"{4476187513102:016X}", 3, BLACKHOLE, note="chip 2 of the descriptor"
        ),
        Card(
            *below_port("c1", "c0", "01.1"), 0, f"{4476187513177:016X}", 0, BLACKHOLE, note="chip 3 of the descriptor"
        ),
    ),
    node_count=1,
    board_name="SIENAD8-2L2T",
    descriptor="blackhole_4xP150.yaml",
)

HOSTS = [T3000, MIXED, P300, EIGHT, ONE, GALAXY_WORMHOLE, GALAXY_BLACKHOLE, ODDITIES, QUIETBOX]
