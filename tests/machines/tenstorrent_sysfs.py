# SPDX-License-Identifier: Apache-2.0
"""How tt-kmd 2.10 and the kernel show a host with Tenstorrent cards.

Names, formats and availability of attributes are those of tt-kmd's wormhole.c, blackhole.c, telemetry.c,
chardev.c and enumerate.c; PCI ids and subsystem ids are those of pci.ids 2026.07.01 where it has them.
Temperatures, clocks, firmware versions, ASIC ids, serial numbers, hwmon and IOMMU group numbers, root
port addresses and link widths are samples, unless a comment names their source.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from sysfs_tree import Tree, cpu_list, cpu_mask

TENSTORRENT = 0x1E52
MAJOR = 236  # allocated dynamically by the driver; a number seen in the wild
CARD_TYPES = {  # board part number (UPI) -> tt_card_type, as telemetry.c has it
    0x14: "n300",
    0x18: "n150",
    0x35: "galaxy-wormhole",
    0x36: "p100",
    0x40: "p150a",
    0x41: "p150b",
    0x42: "p150c",
    0x43: "p100a",
    0x44: "p300b",
    0x45: "p300a",
    0x46: "p300c",
    0x47: "galaxy-blackhole",
}
COUNTERS = [
    f"{name}{noc}"
    for name in (
        "mst_rd_data_word_received",
        "mst_nonposted_wr_data_word_sent",
        "mst_posted_wr_data_word_sent",
        "slv_nonposted_wr_data_word_received",
        "slv_posted_wr_data_word_received",
        "slv_rd_data_word_sent",
    )
    for noc in (0, 1)
]
AER = {
    "aer_dev_correctable": "RxErr BadTLP BadDLLP Rollover Timeout NonFatalErr CorrIntErr HeaderOF TOTAL_ERR_COR",
    "aer_dev_fatal": "Undefined TOTAL_ERR_FATAL",
    "aer_dev_nonfatal": "Undefined TOTAL_ERR_NONFATAL",
}


@dataclass(frozen=True)
class Family:
    name: str
    device: int
    revision: int
    speed: str


WORMHOLE = Family("wormhole", 0x401E, 0x01, "16.0 GT/s PCIe")
BLACKHOLE = Family("blackhole", 0xB140, 0x00, "32.0 GT/s PCIe")
GRAYSKULL = Family("grayskull", 0xFACA, 0x00, "16.0 GT/s PCIe")


@dataclass(frozen=True)
class Platform:
    """PCI ids of what stands above the cards."""

    host_bridge: tuple[int, int, int]  # vendor, device, class
    root_port: tuple[int, int]
    speed: str


ICE_LAKE = Platform((0x8086, 0x09A2, 0x088000), (0x8086, 0x347A), "16.0 GT/s PCIe")
SAPPHIRE_RAPIDS = Platform((0x8086, 0x09A2, 0x088000), (0x8086, 0x352A), "32.0 GT/s PCIe")
MILAN = Platform((0x1022, 0x1480, 0x060000), (0x1022, 0x1483), "16.0 GT/s PCIe")
GENOA = Platform((0x1022, 0x14A4, 0x060000), (0x1022, 0x14AB), "32.0 GT/s PCIe")
SWITCH = (0x1000, 0xC030)  # PEX890xx PCIe Gen 5 Switch


@dataclass(frozen=True)
class Card:
    """One PCI function of Tenstorrent, whatever its driver."""

    address: str
    path: tuple[str, ...]  # the bridges above it, from the root port down
    node: int  # numa_node
    serial: str = ""  # empty where nothing tells it
    ordinal: int | None = None
    family: Family = WORMHOLE
    driver: str | None = "tenstorrent"
    subsystem: int | None = None  # else the part number in the serial
    width: int = 16
    local_node: int | None = None  # whose CPUs local_cpulist holds, where numa_node is -1
    telemetry: bool = True  # False: just booted, the driver has not found the telemetry table yet
    heartbeat: bool = True  # False: firmware without tags 32 and 60
    fallen: bool = False  # no longer answers on the bus
    open_files: int = 0
    iommu_group: int | None = None
    note: str = ""

    @property
    def upi(self) -> int:
        return self.subsystem if self.subsystem is not None else int(self.serial, 16) >> 36 & 0xFFFF

    @property
    def card_type(self) -> str:
        return CARD_TYPES.get(int(self.serial, 16) >> 36 & 0xFFFF, "unknown")

    @property
    def chips(self) -> int | None:
        """Chips that come with this endpoint; None where the card type is not known."""
        if not self.telemetry or self.card_type == "unknown":
            return None
        return 2 if self.card_type == "n300" else 1

    @property
    def health(self) -> str:
        """What the tree alone tells; whether a heartbeat advances it cannot tell."""
        return "unhealthy" if self.fallen else "healthy" if self.telemetry else "unknown"

    @property
    def asic_id(self) -> str:
        """Opaque. On n150 and n300 made like tenstorrent-4x-n300's, else a hash: nothing may be read from it."""
        if self.card_type in ("n150", "n300"):
            return "00000002" + self.serial[7] + self.serial[9:]
        return hashlib.sha256(f"{self.serial} {self.address}".encode()).hexdigest()[:16].upper()


@dataclass(frozen=True)
class Host:
    name: str
    description: str
    platform: Platform
    cards: tuple[Card, ...]
    node_count: int = 2
    nodes_per_package: int = 1
    cores_per_node: int = 16  # two threads each
    far: int = 21  # distance between packages
    near: int = 12  # between nodes of one package
    iommu: str | None = "identity"  # iommu_group/type; None: no IOMMU
    hugepages: bool = True  # four 1 GiB pages for each card and the mount, as tt-system-tools makes them
    board_name: str = "SAMPLE-BOARD"
    tray_nibbles: str = ""  # Galaxy: high digit of the bus number of tray 1, 2, 3, 4
    descriptor: str = ""  # file in cluster-descriptors/ that describes the same cards
    full: bool = True  # False: only what tenstorrent-4x-n300 holds
    notes: tuple[str, ...] = ()

    @property
    def cpu_count(self) -> int:
        return self.node_count * self.cores_per_node * 2

    def cpus(self, node: int) -> list[int]:
        """First threads of all cores come first, then the second ones, as on x86."""
        first = range(node * self.cores_per_node, (node + 1) * self.cores_per_node)
        return [*first, *(cpu + self.cpu_count // 2 for cpu in first)]

    def cpus_near(self, card: Card) -> list[int]:
        node = card.local_node if card.local_node is not None else card.node
        return self.cpus(node) if node >= 0 else list(range(self.cpu_count))

    def nodes_of(self, numa_node: int, local_cpulist: str) -> list[int]:
        if numa_node >= 0:
            return [numa_node]
        local = set()
        for run in local_cpulist.split(","):
            first, _, last = run.partition("-")
            local |= set(range(int(first), int(last or first) + 1))
        return [node for node in range(self.node_count) if local & set(self.cpus(node))]

    def bound(self) -> list[Card]:
        """In the order of their ordinals."""
        return sorted((card for card in self.cards if card.driver == "tenstorrent"), key=lambda card: card.ordinal)

    @cached_property
    def groups(self) -> dict[str, int]:
        """IOMMU group of every function, one each."""
        if self.iommu is None:
            return {}
        if not self.full:
            return {card.address: card.iommu_group for card in self.cards}
        return {address: 10 + number for number, address in enumerate(sorted(self.functions))}

    @cached_property
    def functions(self) -> dict[str, str]:
        """Every listed function -> its folder."""
        found = {}
        for card in self.cards:
            bus = f"sys/devices/pci{card.path[0][:7]}"
            if self.full:
                found[f"{card.path[0][:7]}:00.0"] = f"{bus}/{card.path[0][:7]}:00.0"
                for depth in range(len(card.path)):
                    found[card.path[depth]] = "/".join((bus, *card.path[: depth + 1]))
            found[card.address] = "/".join((bus, *card.path, card.address))
        return found


# --- how the kernel shows a host ----------------------------------------------------------------


def build(host: Host) -> Tree:
    tree = Tree()
    add_processors(tree, host)
    for folder in ("sys/bus/pci/devices", "sys/bus/pci/slots", "sys/bus/pci/drivers/tenstorrent"):
        tree.dir(folder)
    add_modules(tree, host)
    if host.full:
        add_bridges(tree, host)
    for card in host.cards:
        add_function(tree, host, card)
    for card in host.bound():
        add_class_entry(tree, host, card)
    for number, card in enumerate(card for card in host.bound() if card.telemetry):
        add_hwmon(tree, host, card, 4 + number)
    add_rest(tree, host)
    return tree


def add_processors(tree: Tree, host: Host) -> None:
    top = "sys/devices/system/node"
    everybody = range(host.cpu_count)
    nodes = cpu_list(range(host.node_count))
    tree.files(top, {"online": nodes})
    if host.full:
        tree.files(top, {name: nodes for name in ("possible", "has_cpu", "has_memory", "has_normal_memory")})
        cpu = "sys/devices/system/cpu"
        tree.files(cpu, {name: cpu_list(everybody) for name in ("online", "possible", "present")})
        tree.files(cpu, {"offline": "", "kernel_max": 8191})
    pages = pages_per_node(host)
    for node in range(host.node_count):
        mine = host.cpus(node)
        package = node // host.nodes_per_package
        distances = [
            10 if other == node else host.near if other // host.nodes_per_package == package else host.far
            for other in range(host.node_count)
        ]
        folder = f"{top}/node{node}"
        tree.files(folder, {"cpulist": cpu_list(mine), "distance": " ".join(map(str, distances))})
        add_hugepages(tree, host, folder, pages[node])
        if not host.full:
            continue
        memory = 256 * 1024 * 1024
        tree.files(folder, {"cpumap": cpu_mask(mine, host.cpu_count)})
        tree.file(
            f"{folder}/meminfo",
            f"Node {node} MemTotal:       {memory} kB\nNode {node} MemFree:        {memory // 2} kB\n",
        )
        in_package = [c for n in range(host.node_count) if n // host.nodes_per_package == package for c in host.cpus(n)]
        for one in mine:
            core = one % (host.cpu_count // 2)
            threads = [core, core + host.cpu_count // 2]
            tree.link(f"{folder}/cpu{one}", f"sys/devices/system/cpu/cpu{one}")
            tree.link(f"sys/devices/system/cpu/cpu{one}/node{node}", folder)
            tree.files(
                f"sys/devices/system/cpu/cpu{one}/topology",
                {
                    "physical_package_id": package,
                    "die_id": 0,
                    "core_id": core % (host.cores_per_node * host.nodes_per_package),
                    "core_cpus": cpu_mask(threads, host.cpu_count),
                    "core_cpus_list": cpu_list(threads),
                    "thread_siblings_list": cpu_list(threads),
                    "package_cpus": cpu_mask(in_package, host.cpu_count),
                    "package_cpus_list": cpu_list(in_package),
                    "core_siblings_list": cpu_list(in_package),
                },
            )
    add_hugepages(tree, host, "sys/kernel/mm", sum(pages))


def pages_per_node(host: Host) -> list[int]:
    pages = [0] * host.node_count
    for card in host.bound() if host.hugepages else ():
        pages[max(card.node, 0)] += 4
    return pages


def add_hugepages(tree: Tree, host: Host, folder: str, pages: int) -> None:
    big = f"{folder}/hugepages/hugepages-1048576kB"
    tree.files(big, {"nr_hugepages": pages, "free_hugepages": pages})
    if host.full:
        tree.files(big, {"surplus_hugepages": 0})
        tree.files(
            f"{folder}/hugepages/hugepages-2048kB", {f"{name}_hugepages": 0 for name in ("nr", "free", "surplus")}
        )


def add_modules(tree: Tree, host: Host) -> None:
    tree.files("sys/module/tenstorrent", {"version": "2.10.0"})
    if not host.full:
        return
    modules = {"tenstorrent": "tenstorrent", "pcieport": None}  # pcieport is built in
    if any(card.driver == "vfio-pci" for card in host.cards):
        modules["vfio-pci"] = "vfio_pci"
    for driver, module in modules.items():
        folder = tree.dir(f"sys/bus/pci/drivers/{driver}")
        tree.write_only(folder, "bind", "unbind", "new_id", "remove_id", "uevent")
        if module:
            tree.link(f"{folder}/module", tree.dir(f"sys/module/{module}"))
            tree.link(f"sys/module/{module}/drivers/pci:{driver}", folder)


def config_space(
    vendor: int, device: int, code: int, revision: int, command: int, subsystem=(0, 0), buses=None
) -> bytes:
    """4096 bytes: the standard header, no capabilities. `buses`: primary, secondary, subordinate of a bridge."""
    space = bytearray(4096)
    space[0:4] = vendor.to_bytes(2, "little") + device.to_bytes(2, "little")
    space[4:8] = command.to_bytes(2, "little") + b"\x10\x00"
    space[8:12] = bytes([revision]) + code.to_bytes(3, "little")
    space[12] = 0x10
    if buses:
        space[14] = 0x01
        space[0x18:0x1B] = bytes(buses)
    else:
        space[0x2C:0x30] = subsystem[0].to_bytes(2, "little") + subsystem[1].to_bytes(2, "little")
    return bytes(space)


def add_common(
    tree: Tree, host: Host, address: str, card: Card, ids: tuple[int, ...], code: int, revision: int, driver
) -> str:
    """What every PCI function has. `card` says where it is: itself or one below it. Gives the folder."""
    vendor, device, subvendor, subdevice = ids
    folder = host.functions[address]
    alias = f"pci:v{vendor:08X}d{device:08X}sv{subvendor:08X}sd{subdevice:08X}"
    alias += f"bc{code >> 16:02X}sc{code >> 8 & 0xFF:02X}i{code & 0xFF:02X}"
    near = host.cpus_near(card)
    tree.files(
        folder,
        {
            "vendor": f"{vendor:#06x}",
            "device": f"{device:#06x}",
            "subsystem_vendor": f"{subvendor:#06x}",
            "subsystem_device": f"{subdevice:#06x}",
            "class": f"{code:#08x}",
            "revision": f"{revision:#04x}",
            "numa_node": card.node,
            "local_cpulist": cpu_list(near),
            "modalias": alias,
        },
    )
    uevent = f"PCI_CLASS={code:04X}\nPCI_ID={vendor:04X}:{device:04X}\nPCI_SUBSYS_ID={subvendor:04X}:{subdevice:04X}\n"
    uevent += f"PCI_SLOT_NAME={address}\nMODALIAS={alias}\n"
    tree.file(f"{folder}/uevent", (f"DRIVER={driver}\n" if driver else "") + uevent)
    if host.full:
        override = "vfio-pci" if driver == "vfio-pci" else "(null)"
        tree.files(
            folder, {"local_cpus": cpu_mask(near, host.cpu_count), "driver_override": override, "power_state": "D0"}
        )
    if driver:
        tree.link(f"{folder}/driver", f"sys/bus/pci/drivers/{driver}")
        tree.link(f"sys/bus/pci/drivers/{driver}/{address}", folder)
    tree.link(f"{folder}/subsystem", "sys/bus/pci")
    tree.link(f"sys/bus/pci/devices/{address}", folder)
    if address in host.groups:
        group = f"sys/kernel/iommu_groups/{host.groups[address]}"
        tree.files(group, {"type": host.iommu})
        tree.link(f"{group}/devices/{address}", folder)
        tree.link(f"{folder}/iommu_group", group)
    return folder


def add_bridges(tree: Tree, host: Host) -> None:
    below: dict[str, list[Card]] = {}
    for card in host.cards:
        for above in (f"{card.path[0][:7]}:00.0", *card.path):
            below.setdefault(above, []).append(card)
    for address, cards in below.items():
        card = cards[0]
        if address.endswith(":00.0") and address not in card.path:  # what stands at device 0 of a root bus
            vendor, device, code = host.platform.host_bridge
            folder = add_common(tree, host, address, card, (vendor, device, vendor, 0), code, 0, None)
            tree.file(f"{folder}/config", config_space(vendor, device, code, 0, 0x0006, (vendor, 0)))
            tree.files(folder, {"enable": 0})
            tree.file(f"sys/devices/pci{address[:7]}/uevent")
            continue
        depth = card.path.index(address)
        vendor, device = SWITCH if depth else host.platform.root_port
        children = {(*c.path, c.address)[depth + 1] for c in cards}
        buses = [int(child[5:7], 16) for c in cards for child in (*c.path, c.address)[depth + 1 :]]
        folder = add_common(tree, host, address, card, (vendor, device, vendor, 0), 0x060400, 0, "pcieport")
        numbers = (int(address[5:7], 16), min(buses), max(buses))
        tree.file(f"{folder}/config", config_space(vendor, device, 0x060400, 0, 0x0407, buses=numbers))
        speed = card.family.speed if children == {card.address} else host.platform.speed
        speed = min(speed, host.platform.speed)  # both are "NN.0 GT/s PCIe" with two digits
        width = card.width if children == {card.address} else 16
        tree.files(
            folder,
            {
                "enable": 2,
                "current_link_speed": speed,
                "current_link_width": width,
                "max_link_speed": host.platform.speed,
                "max_link_width": 16,
                "secondary_bus_number": numbers[1],
                "subordinate_bus_number": numbers[2],
            },
        )


def add_function(tree: Tree, host: Host, card: Card) -> None:
    code = 0x120000
    ids = (TENSTORRENT, card.family.device, TENSTORRENT, card.upi)
    folder = add_common(tree, host, card.address, card, ids, code, card.family.revision, card.driver)
    enabled = card.driver == "tenstorrent"
    header = config_space(*ids[:2], code, card.family.revision, 0x0406 if enabled else 0, ids[2:])
    tree.file(f"{folder}/config", b"\xff" * len(header) if card.fallen else header)
    # pci-sysfs.c reads the link status from the device: all ones give speed code 15 and 63 lanes.
    tree.files(
        folder,
        {
            "enable": int(enabled),
            "reset_method": "bus",
            "current_link_speed": "Unknown" if card.fallen else min(card.family.speed, host.platform.speed),
            "current_link_width": 63 if card.fallen else card.width,
            "max_link_speed": card.family.speed,
            "max_link_width": card.width,
        },
    )
    for name, rows in AER.items():
        tree.file(f"{folder}/{name}", "".join(f"{row} 0\n" for row in rows.split()))


# --- how tt-kmd shows a card --------------------------------------------------------------------


def add_class_entry(tree: Tree, host: Host, card: Card) -> None:
    number = card.ordinal
    entry = f"{host.functions[card.address]}/tenstorrent/tenstorrent!{number}"
    tree.files(entry, {"dev": f"{MAJOR}:{number}"})
    tree.file(f"{entry}/uevent", f"MAJOR={MAJOR}\nMINOR={number}\nDEVNAME=tenstorrent/{number}\n")
    tree.link(f"{entry}/device", host.functions[card.address])
    tree.link(f"{entry}/subsystem", tree.dir("sys/class/tenstorrent"))
    tree.link(f"sys/class/tenstorrent/tenstorrent!{number}", entry)
    tree.link(f"sys/dev/char/{MAJOR}:{number}", entry)
    tree.files(f"{entry}/pcie_perf_counters", {name: 1000 * place for place, name in enumerate(COUNTERS)})
    power = {"control": "auto", "runtime_status": "unsupported", "runtime_enabled": "disabled"}
    tree.files(f"{entry}/power", power)
    tree.file(f"dev/tenstorrent/{number}", mode=0o666 if host.full else 0o644)
    tree.file(f"proc/driver/tenstorrent/{number}/pids", "".join(f"{4121 + n}\n" for n in range(card.open_files)))
    if not card.telemetry:
        return
    tree.text_link(f"dev/tenstorrent/by-id/{card.family.name}-{card.asic_id}", f"../{number}")
    values = {"tt_serial": card.serial, "tt_card_type": card.card_type, "tt_asic_id": card.asic_id}
    if card.family is WORMHOLE:
        values |= {"tt_aiclk": 500, "tt_axiclk": 900, "tt_arcclk": 540}
        values |= {"tt_m3app_fw_ver": "5.12.0.0", "tt_m3bl_fw_ver": "129.2.0.0", "tt_arc_fw_ver": "2.37.0.0"}
        values |= {"tt_eth_fw_ver": "7.2.0", "tt_ttflash_ver": "3.5.0.0"}
    else:
        values |= {"tt_aiclk": 800, "tt_axiclk": 960, "tt_arcclk": 800, "tt_m3app_fw_ver": "0.22.0.0"}
    values["tt_fw_bundle_ver"] = "19.2.0.0" if card.heartbeat else "18.5.0.0"
    if card.heartbeat:
        values["tt_heartbeat"] = 123450 + number
    if card.heartbeat and card.family is BLACKHOLE:
        values["tt_therm_trip_count"] = 0
    tree.files(entry, values)


def add_hwmon(tree: Tree, host: Host, card: Card, number: int) -> None:
    step = card.ordinal if host.full else 0
    wormhole = card.family is WORMHOLE
    folder = f"{host.functions[card.address]}/hwmon/hwmon{number}"
    tree.link(f"{folder}/device", host.functions[card.address])
    tree.link(f"{folder}/subsystem", tree.dir("sys/class/hwmon"))
    tree.link(f"sys/class/hwmon/hwmon{number}", folder)
    tree.file(f"{folder}/uevent")
    tree.files(folder, {"name": card.family.name})
    sensors = {  # label on Wormhole, label on Blackhole, value, maximum on each
        "temp1": ("asic1_temp", "asic_temp", 47875 + 250 * step, 75000, 90000),
        "in0": ("vcore1", "vcore", 720, 950, 900),
        "curr1": ("current1", "current", 16000, 160000, 200000),
        "power1": ("power1", "power", 12000000 + 1000000 * (step % 8), 85000000, 300000000),
    }
    for sensor, (old_label, label, value, old_maximum, maximum) in sensors.items():
        tree.files(
            folder,
            {
                f"{sensor}_label": old_label if wormhole else label,
                f"{sensor}_input": value,
                f"{sensor}_max": old_maximum if wormhole else maximum,
            },
        )
    if not wormhole:
        tree.files(folder, {"fan1_label": "fan_rpm", "fan1_input": 1860 if card.card_type == "p150a" else 0})


def add_rest(tree: Tree, host: Host) -> None:
    """/proc/mounts, /dev, IOMMU and DMI."""
    big = "hugetlbfs /dev/hugepages-1G hugetlbfs rw,nosuid,nodev,relatime,mode=777,pagesize=1024M 0 0\n"
    if not host.full:
        tree.dir("dev/hugepages-1G")
        tree.file("proc/mounts", big)
        tree.files("sys/class/dmi/id", {"board_name": host.board_name})
        return
    tree.file(
        "proc/mounts",
        "sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0\n"
        "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"
        "udev /dev devtmpfs rw,nosuid,relatime,size=264241152k,nr_inodes=66060288,mode=755,inode64 0 0\n"
        "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n"
        "tmpfs /dev/shm tmpfs rw,nosuid,nodev,inode64 0 0\n"
        "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n" + (big if host.hugepages else ""),
    )
    for folder in (
        "dev/shm",
        "dev/hugepages",
        "sys/kernel/iommu_groups",
        *(["dev/hugepages-1G"] if host.hugepages else []),
    ):
        tree.dir(folder)
    for card in host.cards:
        if card.driver == "vfio-pci":
            tree.file(f"dev/vfio/{host.groups[card.address]}", mode=0o600)
            tree.file("dev/vfio/vfio", mode=0o666)
    tree.files("sys/devices/virtual/dmi/id", {"board_name": host.board_name})
    tree.dir("sys/class/dmi")
    tree.link("sys/class/dmi/id", "sys/devices/virtual/dmi/id")
