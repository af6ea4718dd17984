#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the Tenstorrent test machines: host trees as tt-kmd 2.10 shows them, and expected/*.json.

    make_tenstorrent.py            writes every archive and facts file beside this script
    make_tenstorrent.py NAME...    only these
    make_tenstorrent.py --check    rebuilds all of them aside and compares; exit 1 on any difference

The machines are the list at the end of tenstorrent_hosts.py. README.md says which values are samples.
tenstorrent-4x-n300.tar.zst was not made by this script; --check proves that the script rebuilds it.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from itertools import combinations
from pathlib import Path

from sysfs_tree import scan, unpack
from tenstorrent_hosts import HOSTS
from tenstorrent_sysfs import CARD_TYPES, Host, build

HERE = Path(__file__).resolve().parent
LARGEST_ARCHIVE = 60 * 1024


# --- facts about a tree -------------------------------------------------------------------------


def function_paths(entries) -> dict[str, list[str]]:
    """PCI address -> its link path [root bus, bridges..., itself], as sys/bus/pci/devices says."""
    return {
        path.rpartition("/")[2]: entry.data.decode().split("/devices/")[1].split("/")
        for path, entry in sorted(entries.items())
        if path.startswith("sys/bus/pci/devices/")
    }


def relation(a: list[str], b: list[str], nodes: dict[str, list[int]]) -> dict:
    """How two functions lie to each other, in the words of README.md."""
    pair = {"a": a[-1], "b": b[-1]}
    if a[-1][:-2] == b[-1][:-2]:
        return pair | {"relation": "same_device"}
    if a[-1] in b or b[-1] in a:
        return pair | {"relation": "ancestor"}
    common = 0
    while a[common] == b[common]:
        common += 1
    if common:
        word = {1: "same_host_bridge", 2: "same_root_port"}.get(common, "same_switch")
        below = [len(a) - 1 - common, len(b) - 1 - common]
        return pair | {"relation": word, "common": a[common - 1], "bridges_below_common": below}
    ours, theirs = nodes[a[-1]], nodes[b[-1]]
    if len(ours) == len(theirs) == 1:
        return pair | {"relation": "same_numa" if ours == theirs else "cross_numa"}
    return pair | {"relation": "numa_unknown"}


def facts(host: Host, tree) -> dict:
    """The content of expected/<name>.json."""
    paths = function_paths(tree.entries)
    devices = {address: f"sys/devices/{'/'.join(path)}" for address, path in paths.items()}

    def text(address: str, name: str) -> str:
        return tree.entries[f"{devices[address]}/{name}"].data.decode().strip()

    nodes = {
        address: host.nodes_of(int(text(address, "numa_node")), text(address, "local_cpulist")) for address in paths
    }
    ours = [address for address in paths if text(address, "vendor") == "0x1e52"]
    counts: dict[str, int] = {}
    for a, b in combinations(paths.values(), 2):
        word = relation(a, b, nodes)["relation"]
        counts[word] = counts.get(word, 0) + 1
    bound = sorted(host.bound(), key=lambda card: card.address)
    boards: dict[str, list[str]] = {}
    for card in bound:
        if card.telemetry:
            boards.setdefault(card.serial, []).append(card.address)
    result = {
        "name": host.name,
        "kind": "sysfs-generated",
        "description": host.description,
        "numa_nodes": host.node_count,
        "numa_ids": list(range(host.node_count)),
        "memory_only_nodes": [],
        "cpus": host.cpu_count,
        "packages": host.node_count // host.nodes_per_package,
        "iommu_group_type": host.iommu,
        "hugepages_1g_mounted": host.hugepages,
        "cards": [
            {
                "address": card.address,
                "card_type": card.card_type if card.telemetry else None,
                "serial": card.serial if card.telemetry else None,
                "asic_id": card.asic_id if card.telemetry else None,
                "ordinal": card.ordinal,
                "numa_nodes": nodes[card.address],
                "device_nodes": [f"/dev/tenstorrent/{card.ordinal}"],
                "chips": card.chips,
                "open_files": card.open_files,
                "health": card.health,
                "note": card.note,
            }
            for card in bound
        ],
        "not_cards": [
            {"address": card.address, "why": card.note}
            for card in sorted(host.cards, key=lambda card: card.address)
            if card.driver != "tenstorrent"
        ],
        "boards": boards,
    }
    if host.tray_nibbles:
        result["trays"] = [
            {
                "tray": number + 1,
                "bus_nibble": nibble,
                "addresses": [card.address for card in bound if card.address[5] == nibble],
            }
            for number, nibble in enumerate(host.tray_nibbles)
        ]
    if host.descriptor:
        result["cluster_descriptor"] = host.descriptor
    result |= {
        "pci_devices": len(paths),
        "pci_bridges": sum(text(address, "class") == "0x060400" for address in paths),
        "pci_root_buses": sorted({path[0] for path in paths.values()}),
        "pci_domains": sorted({address[:-8] for address in paths}),
        "max_link_path_depth": max(len(path) - 1 for path in paths.values()),
        "devices_in_link_paths_but_not_listed": sorted({f for path in paths.values() for f in path[1:]} - set(paths)),
        "all_pair_counts": counts,
        "endpoints": [
            {
                "bdf": address,
                **{key: text(address, key) for key in ("class", "vendor", "device", "numa_node")},
                "nodes": nodes[address],
                "link": [text(address, "current_link_speed"), text(address, "current_link_width")],
            }
            for address in ours
        ],
        "endpoint_pairs": [relation(paths[a], paths[b], nodes) for a, b in combinations(ours, 2)],
        "notes": list(host.notes),
    }
    return result


def as_json(value: dict) -> str:
    """Two levels deep on lines of their own, so that a changed card is one changed line."""
    lines = []
    for key, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], dict):
            rows = ",\n".join("  " + json.dumps(row) for row in item)
            lines.append(f' "{key}": [\n{rows}\n ]')
        else:
            lines.append(f' "{key}": {json.dumps(item)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


# --- checks -------------------------------------------------------------------------------------


def differences(committed, rebuilt) -> list[str]:
    found = [f"{path}: only committed" for path in sorted(committed.keys() - rebuilt.keys())]
    found += [f"{path}: only rebuilt" for path in sorted(rebuilt.keys() - committed.keys())]
    found += [
        f"{path}: {committed[path]} is now {rebuilt[path]}"
        for path in sorted(committed.keys() & rebuilt.keys())
        if committed[path] != rebuilt[path]
    ]
    return found


def bad_links(root: Path) -> list[str]:
    """Links that lead nowhere, out of the root or by an absolute path."""
    found = []
    for path, entry in scan(root).items():
        if entry.kind != "l":
            continue
        target = Path(os.path.normpath(root / Path(path).parent / entry.data.decode()))
        if entry.data.startswith(b"/") or not target.is_relative_to(root):
            found.append(f"{path}: leaves the root")
        elif not (root / path).exists():
            found.append(f"{path}: leads nowhere")
    return found


def read(path: Path) -> str:
    return path.read_text().strip()


def against_facts(root: Path, expected: dict) -> list[str]:
    """Reads the tree as a plug-in would and compares with the facts file."""
    found = []

    def same(what: str, have, want) -> None:
        if have != want:
            found.append(f"{what}: {have!r}, expected {want!r}")

    by_id = {}
    if (root / "dev/tenstorrent/by-id").is_dir():
        for link in (root / "dev/tenstorrent/by-id").iterdir():
            by_id[link.name] = link.resolve().name
    for card in expected["cards"]:
        address = card["address"]
        pci = root / "sys/bus/pci/devices" / address
        (entry,) = (pci / "tenstorrent").iterdir()
        same(f"{address} driver", os.path.basename(os.readlink(pci / "driver")), "tenstorrent")
        same(f"{address} ordinal", entry.name, f"tenstorrent!{card['ordinal']}")
        same(f"{address} class entry", (root / "sys/class/tenstorrent" / entry.name).resolve(), entry.resolve())
        same(f"{address} char entry", (root / "sys/dev/char" / read(entry / "dev")).resolve(), entry.resolve())
        same(f"{address} device", (entry / "device").resolve(), pci.resolve())
        for node in card["device_nodes"]:
            same(f"{address} {node}", (root / node[1:]).is_file(), True)
        pids = read(root / f"proc/driver/tenstorrent/{card['ordinal']}/pids")
        same(f"{address} open files", len(pids.split()), card["open_files"])
        serial = read(entry / "tt_serial") if (entry / "tt_serial").exists() else None
        same(f"{address} tt_serial", serial, card["serial"])
        if serial is None:
            same(f"{address} hwmon", (pci / "hwmon").exists(), False)
            continue
        upi = int(serial, 16) >> 36 & 0xFFFF
        same(f"{address} tt_card_type", read(entry / "tt_card_type"), CARD_TYPES.get(upi, "unknown"))
        same(f"{address} card_type", card["card_type"], CARD_TYPES.get(upi, "unknown"))
        same(f"{address} subsystem_device", int(read(pci / "subsystem_device"), 16), upi)
        (hwmon,) = (pci / "hwmon").iterdir()
        same(f"{address} tt_asic_id", read(entry / "tt_asic_id"), card["asic_id"])
        same(f"{address} by-id", by_id.pop(f"{read(hwmon / 'name')}-{card['asic_id']}", None), str(card["ordinal"]))
        family = read(hwmon / "name")
        same(f"{address} fan", (hwmon / "fan1_label").exists(), family == "blackhole")
        same(f"{address} tt_arc_fw_ver", (entry / "tt_arc_fw_ver").exists(), family == "wormhole")
    same("by-id links left over", by_id, {})
    numbers = {p.name for p in (root / "dev/tenstorrent").iterdir() if p.name.isdigit()}
    same("device nodes", numbers, {str(card["ordinal"]) for card in expected["cards"]})
    ours = {p.name for p in (root / "sys/bus/pci/devices").iterdir() if read(p / "vendor") == "0x1e52"}
    same("functions", ours, {c["address"] for c in expected["cards"] + expected["not_cards"]})
    for row in expected["not_cards"]:
        same(
            f"{row['address']} class entry",
            (root / "sys/bus/pci/devices" / row["address"] / "tenstorrent").exists(),
            False,
        )
    return found


def against_descriptor(descriptor: Path, expected: dict) -> list[str]:
    """Ordinals, addresses and board ids of the cards against a tt-umd cluster descriptor."""
    sections = dict(re.findall(r"^(\w+):\n((?:[ \n].*\n?)*)", descriptor.read_text(), re.M))
    cards = {card["ordinal"]: card for card in expected["cards"]}
    addresses = dict(re.findall(r"^  (\d+): (\S+)$", sections.get("chip_pci_bdfs", ""), re.M))
    board_of = {}
    for board in re.split(r"^  -\n", sections["boards"], flags=re.M)[1:]:
        number = re.search(r"board_id: (\d+)", board).group(1)
        board_of |= {chip: f"{int(number):016X}" for chip in re.findall(r"^        - (\d+)$", board, re.M)}
    found = []
    local = re.findall(r"- (\d+): (\d+)", sections["chips_with_mmio"])
    if len(local) != len(cards):
        found.append(f"{descriptor.name}: {len(local)} chips on PCIe, {len(cards)} cards")
    for chip, ordinal in local:
        card = cards.get(int(ordinal))
        if not card or card["serial"] != board_of[chip] or card["address"] != addresses.get(chip, card["address"]):
            found.append(
                f"{descriptor.name}: chip {chip}: {ordinal} {addresses.get(chip)} {board_of[chip]} is not {card}"
            )
    return found


def check(host: Host, aside: Path) -> list[str]:
    archive = HERE / f"{host.name}.tar.zst"
    facts_file = HERE / "expected" / f"{host.name}.json"
    tree = build(host)
    rebuilt_archive = aside / archive.name
    tree.pack(rebuilt_archive)
    committed = unpack(archive, aside / "committed" / host.name)
    rebuilt = unpack(rebuilt_archive, aside / "rebuilt" / host.name)
    expected = facts(host, tree)
    found = differences(scan(committed), scan(rebuilt)) + bad_links(committed) + against_facts(committed, expected)
    if committed.name != host.name:
        found.append(f"top folder is {committed.name}")
    if archive.stat().st_size > LARGEST_ARCHIVE:
        found.append(f"{archive.stat().st_size} bytes are too many")
    if facts_file.read_text() != as_json(expected):
        found.append(f"{facts_file.name} differs from what would be written")
    if host.descriptor:
        found += against_descriptor(HERE / "cluster-descriptors" / host.descriptor, expected)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is committed, write nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these machines")
    arguments = parser.parse_args()
    known = {host.name: host for host in HOSTS}
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        parser.error(f"no such machine: {', '.join(unknown)}; there are: {', '.join(known)}")
    hosts = [known[name] for name in arguments.names] or HOSTS
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for host in hosts:
            if arguments.check:
                found = check(host, Path(folder))
                failures += len(found)
                print("\n".join([f"{host.name}: {'ok' if not found else 'differs'}", *(f"  {line}" for line in found)]))
                continue
            tree = build(host)
            archive = HERE / f"{host.name}.tar.zst"
            if host.full:
                tree.pack(archive)
            (HERE / "expected" / f"{host.name}.json").write_text(as_json(facts(host, tree)))
            print(f"{archive.name}: {len(tree.entries)} entries, {archive.stat().st_size} bytes")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
