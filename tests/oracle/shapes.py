# SPDX-License-Identifier: Apache-2.0
"""What a known machine is: how to make it, what to ask, what the right answer is, and where all this was published."""
import os
from dataclasses import dataclass, field
from pathlib import Path

from judge import Question
from machine import RESOURCE, Machine, toml
from program import Host

MACHINES = Path(__file__).resolve().parent.parent / "machines"


@dataclass
class Ask:
    """A question and its right answer, by the cards' numbers in the shape's own order."""

    size: int
    score: float  # the highest there is
    why: str
    chosen: list = None  # the only right answer; None: any set with that score
    available: list = None
    must: list = field(default_factory=list)

    def question(self, cards):
        names = None if self.available is None else tuple(cards[i] for i in self.available)
        return Question(self.size, names, tuple(cards[i] for i in self.must))


@dataclass
class Shape:
    name: str
    source: str
    make: object  # folder -> (Host, ids of the units in the order of their numbers)
    asks: list
    unit: dict = field(default_factory=lambda: {"unit": "card"})


def generated(build):
    """A made-up root. build: gives a Machine and its units, in the order of their numbers."""

    def make(folder):
        machine, cards = build()
        return Host(machine.write(folder), RESOURCE), cards

    return make


def captured(archive, pci_class, addresses, links=()):
    """A machine of tests/machines whose cards are the PCI functions of a class. links: (number, number, width)."""

    def make(folder):
        (folder / "profile.toml").write_text(
            f'schema = 1\nname = "known"\n[entries]\npci = {{ class = {pci_class:#08x} }}\nid = "{{pci.address}}"\n')
        machine = Machine()
        for a, b, width in links:
            machine.link(addresses[a], addresses[b], width)
        (folder / "cleave.toml").write_text(machine.config().replace('profiles = ["oracle"]', 'profiles = ["known"]'))
        root = MACHINES / f"{archive}.tar.zst"
        return Host(["--root", root, "--profile", folder / "profile.toml", "--config", folder / "cleave.toml"], RESOURCE), addresses

    return make


def shipped(archive, resource, addresses, descriptor=None, links=()):
    """A machine of tests/machines with a shipped profile. descriptor: a file of machines/cluster-descriptors; links: made up,
    (number, number, width)."""

    def make(folder):
        lines = ["# cleave.toml"]
        if descriptor:
            path = os.path.relpath(MACHINES / "cluster-descriptors" / descriptor, folder)
            lines += ["[[links]]", 'source = "tt-cluster-descriptor"', f"path = {toml(path)}"]
        if links:
            pairs = [toml({"from": addresses[a], "to": addresses[b], "width": width}) for a, b, width in links]
            lines += ["[[links]]", 'source = "toml"', 'kind = "ethernet"', f"between = [{', '.join(pairs)}]"]
        lines += ["[[resource]]", f"name = {toml(resource)}", 'unit = "card"']
        (folder / "cleave.toml").write_text("\n".join(lines) + "\n")
        root = MACHINES / f"{archive}.tar.zst"
        return Host(["--root", root, "--config", folder / "cleave.toml"], resource), addresses

    return make


def all_pairs(numbers, width):
    numbers = list(numbers)
    return [(a, b, width) for i, a in enumerate(numbers) for b in numbers[i + 1:]]


def grid(rows, columns, width, wrap=False):
    """Links of a mesh, or of a torus; card r * columns + c is at (r, c)."""
    links = []
    for r in range(rows):
        for c in range(columns):
            if wrap or c + 1 < columns:
                links.append((r * columns + c, r * columns + (c + 1) % columns, width))
            if wrap or r + 1 < rows:
                links.append((r * columns + c, (r + 1) % rows * columns + c, width))
    return links
