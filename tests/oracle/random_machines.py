#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random hosts with generic cards, and random questions about them. The same seed makes the same host.

    random_machines.py SEED FOLDER [--cards N] [--links KIND]   writes one, to look at it
"""
import argparse
import random
from itertools import combinations
from pathlib import Path

from judge import Question
from machine import Machine

LINKS = ["none", "sparse", "dense", "ring", "mesh", "torus", "hives"]
WIDTHS = [1, 1, 1, 2, 4, 0.5, 3]


def split(rng, total, most):
    """`total` as a sum of one to `most` random positive numbers."""
    parts = rng.randint(1, min(most, total))
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total])]


class Builder:
    """Hangs cards on a machine: NUMA nodes, root buses, root ports and switches as they come."""

    def __init__(self, rng, unit, sick):
        self.rng = rng
        self.sick = sick  # share of cards that are not well
        self.machine = Machine()
        self.domain = 0
        self.bus = 0
        self.unit = unit  # "card", "partition" or "group"
        self.units = 0  # made so far

    def next_bus(self):
        self.bus += 1
        if self.bus > 0xF0:
            self.domain, self.bus = self.domain + 1, 1
        return self.bus

    def function(self, bus, device, number=0):
        return f"{self.domain:04x}:{bus:02x}:{device:02x}.{number}"

    def make_nodes(self):
        rng = self.rng
        if rng.random() < 0.05:
            return [None]  # a kernel without NUMA
        packages = [rng.randint(1, 3) for _ in range(rng.choice([1, 2, 2, 2, 4]))]
        step = rng.choice([1, 1, 1, 8])
        ids = [i * step for i in range(sum(packages))]
        package_of = [i for i, count in enumerate(packages) for _ in range(count)]
        near, far = rng.randint(11, 19), rng.choice([20, 21, 32, 40])
        self.machine.numa_nodes({ids[a]: [10 if a == b else near if package_of[a] == package_of[b] else far
                                          for b in range(len(ids))] for a in range(len(ids))})
        return ids

    def card(self, path, node, local_node):
        rng = self.rng
        if rng.random() < 0.1:
            node, local_node = None, rng.choice(["all", "all", None])  # the kernel does not know where this one is
        pieces, group = 1, None
        if self.unit == "partition" and rng.random() < 0.6:
            pieces = rng.randint(2, 4)
        if self.unit == "group":
            group = f"g{self.units // rng.choice([1, 2, 3])}"
        board = f"b{self.units // 3}" if self.boards and rng.random() < 0.7 else None
        self.machine.card(path, node, local_node, group=group, board=board, well=rng.random() >= self.sick, pieces=pieces)
        self.units += pieces

    def below(self, path, count, node, local_node, depth):
        """`count` cards below the bridge at the end of path."""
        rng = self.rng
        bus = self.next_bus()
        if count == 1 and rng.random() < 0.7:
            self.card([*path, self.function(bus, 0)], node, local_node)
        elif depth < 3 and (count == 1 or rng.random() < 0.8):
            upstream = [*path, self.function(bus, 0)]
            ports = self.next_bus()
            for port, part in enumerate(split(rng, count, 4)):
                self.below([*upstream, self.function(ports, port)], part, node, local_node, depth + 1)
        else:
            for i in range(count):  # several devices, or functions of one, on a bus
                number = (i // 4, i % 4) if self.multifunction else (i, 0)
                self.card([*path, self.function(bus, *number)], node, local_node)

    def root_bus(self, count, node):
        rng = self.rng
        if rng.random() < 0.2:
            self.domain += 1
            self.bus = 0
        bus = self.next_bus()
        root = f"pci{self.domain:04x}:{bus:02x}"
        known, local_node = node, "all"
        if node is None or rng.random() < 0.1:
            known, local_node = None, rng.choice(["all", None, "all" if node is None else node])
        for device, part in enumerate(split(rng, count, 4)):
            if part == 1 and rng.random() < 0.1:
                self.card([root, self.function(bus, 16 + device)], known, local_node)  # integrated
            else:
                self.below([root, self.function(bus, device)], part, known, local_node, 0)

    def build(self, cards):
        rng = self.rng
        self.boards = rng.random() < 0.25
        self.multifunction = rng.random() < 0.1
        nodes = self.make_nodes()
        self.machine.unit = {"unit": self.unit, **({"group_by": ["group"]} if self.unit == "group" else {})}
        for part in split(rng, cards, rng.choice([1, 2, 4, 8])):
            self.root_bus(part, rng.choice(nodes))
        return self.machine


def add_links(rng, machine, kind):
    cards = machine.cards
    near = []
    if kind in ("sparse", "dense"):
        share = rng.uniform(0.05, 0.25) if kind == "sparse" else rng.uniform(0.4, 0.9)
        near = [pair for pair in combinations(range(len(cards)), 2) if rng.random() < share]
    elif kind == "ring":
        near = [(i, (i + 1) % len(cards)) for i in range(len(cards))] if len(cards) > 2 else []
    elif kind in ("mesh", "torus"):
        columns = max(width for width in range(1, len(cards) + 1) if len(cards) % width == 0 and width * width <= len(cards))
        for i in range(len(cards)):
            row, column = divmod(i, columns)
            right = row * columns + (column + 1) % columns
            down = (i + columns) % len(cards)
            near += [(i, right)] if kind == "torus" or column + 1 < columns else []
            near += [(i, down)] if kind == "torus" or i + columns < len(cards) else []
    elif kind == "hives":
        size = rng.choice([2, 3, 4, 8])
        near = [(a, b) for a, b in combinations(range(len(cards)), 2) if a // size == b // size]
    order = list(range(len(cards)))
    if rng.random() < 0.5:
        rng.shuffle(order)  # links that do not follow the tree
    widths = [rng.choice(WIDTHS)] if rng.random() < 0.5 else WIDTHS
    for a, b in sorted({tuple(sorted(pair)) for pair in near if pair[0] != pair[1]}):
        machine.link(cards[order[a]], cards[order[b]], rng.choice(widths))


def random_weights(rng):
    """Any weights that [affinity] allows, in quarters: what is nearer is not worth less."""
    keys = ["other_socket", "same_socket", "same_numa", "same_host_bridge", "same_root_port", "switch_floor",
            "same_switch", "same_card"]
    values = sorted(rng.randint(0, 400) / 4 for _ in keys)
    return {**dict(zip(keys, values)), "switch_step": rng.randint(0, 40) / 4, "board": rng.randint(0, 400) / 4,
            "link": rng.choice([0, 5, 12.5, 100, 250])}


def random_machine(seed, cards, links=None, unit=None, sick=0.06):
    """A host with that many cards; links: one of LINKS, unit: what [[resource]] offers; None: as it comes."""
    rng = random.Random(seed)
    unit = unit or rng.choices(["card", "partition", "group"], [6, 2, 2])[0]
    machine = Builder(rng, unit, sick).build(cards)
    add_links(rng, machine, links or rng.choices(LINKS, [6, 2, 1, 1, 1, 1, 1])[0])
    if rng.random() < 0.4:
        machine.weights = random_weights(rng)
    return machine


def random_question(rng, units):
    """A question that has an answer; None when there is no healthy device to ask for."""
    healthy = units.names(units.healthy)
    if not healthy:
        return None
    available, must = None, []
    if rng.random() < 0.6:
        available = rng.sample(healthy, rng.randint(1, len(healthy)))
    if rng.random() < 0.4:
        must = rng.sample(available or healthy, rng.randint(1, min(3, len(available or healthy))))
    if available and rng.random() < 0.2:
        left = [one for one in available if one not in must]  # the kubelet may leave these out of what is available
        available = left or available
    most = len({*(available or healthy), *must})
    return Question(rng.randint(max(1, len(must)), most), available and tuple(available), tuple(must))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seed")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cards", type=int, default=12)
    parser.add_argument("--links", choices=LINKS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    print(" ".join(random_machine(options.seed, options.cards, options.links).write(options.folder)))


if __name__ == "__main__":
    main()
