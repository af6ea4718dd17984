#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shares and partitions: what `cleave prefer` answers, against every set of k of the devices that are available.

    shares.py [--rounds N]   N questions for each machine, preference and same_card (default 2)
    shares.py --self-test    answers at random, which must be noticed

Reads only what `plan`, `topology` and `prefer` print, and judges by what docs/choosing.md promises.
"""
import argparse
import functools
import itertools
import random
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

from program import ROOT, ask, scratch

MACHINES = ROOT / "tests" / "machines"
NAME = "example.com/x"
CASES = [
    ("vendors/biren-runc-svi", "partition", ""),
    ("vendors/intel-flex4-sriov", "partition", ""),
    ("vendors/amd-mi300x-cpx32", "partition", ""),
    ("tenstorrent-4x-n300", "share", 'shares = { "0000:31:00.0" = 2, default = 3 }'),
    ("tt-8numa", "share", "shares = 3"),
    ("tt-p300-2numa", "share", "shares = 4"),
]
PREFER = ["closest", "packed", "spread", "balanced"]
SAME_CARD = ["allow", "forbid", "require"]


def where(folder, machine, unit, more):
    config = Path(folder) / "cleave.toml"
    config.write_text(f'[[resource]]\nname = "{NAME}"\nunit = "{unit}"\n{more}\n')
    return ["--root", MACHINES / f"{machine}.tar.zst", "--config", config]


@functools.cache
def seen(machine, unit, more):
    """What `topology` and `plan` print: how the choice is to be made does not matter to them."""
    with scratch() as folder:
        arguments = where(folder, machine, unit, more)
        return ask("topology", *arguments), ask("plan", *arguments)


class Machine:
    """The units of one resource: on which card each is, which NUMA node that is on, what two cards have in common."""

    def __init__(self, folder, machine, unit, more, prefer, same_card):
        self.where = where(folder, machine, unit, f'{more}\nprefer = "{prefer}"\nsame_card = "{same_card}"')
        topology, plan = seen(machine, unit, more)
        cards = {card["id"]: index for index, card in enumerate(topology["cards"])}
        resources = [resource for resource in plan["resources"] if resource["name"] == NAME]
        self.units = [unit["id"] for unit in resources[0]["units"] if unit["health"] != "unhealthy"]
        self.card, self.node, self.index = {}, {}, {}
        for one in resources[0]["units"]:
            card = topology["cards"][cards[one["cards"][0]]]
            whole = card["piece_of"] if unit == "partition" and card["piece_of"] else card["id"]
            self.card[one["id"]] = whole
            self.node.setdefault(whole, tuple(one["numa_nodes"]))
            self.index.setdefault(whole, cards[card["id"]])  # its first unit stands for it
            self.index[one["id"]] = cards[card["id"]]
        self.affinity = topology["affinity"]
        self.total = Counter(self.card[unit] for unit in self.units)
        self.is_share = unit == "share"

    def near(self, a, b):
        return self.affinity[self.index[a]][self.index[b]]

    def score(self, units):
        return sum(80 if self.is_share and self.card[a] == self.card[b] else self.near(a, b)
                   for a, b in itertools.combinations(units, 2))

    def nearness(self, cards):
        return sum(self.near(a, b) for a, b in itertools.combinations(sorted(cards), 2))


def keeps(same_card, counts):
    return same_card == "allow" or (len(counts) <= 1 if same_card == "require" else max(counts.values(), default=0) <= 1)


def cost(machine, prefer, same_card, used, fixed, units):
    """What docs/choosing.md says is better, as a tuple of which the least is best."""
    counts = Counter(machine.card[unit] for unit in units)
    nearness = round(-machine.nearness(counts), 6)
    if prefer == "closest":
        return (round(-machine.score(units), 6),) if same_card == "allow" else (len(counts), nearness)
    if prefer == "packed":
        opened = sum(1 for card in counts if not used[card] and not fixed[card])
        return (opened, len(counts), nearness) if same_card != "require" else (opened, len(counts))
    if prefer == "spread":
        load = sorted(Fraction(used[card], machine.total[card]) for card in counts)
        return (sorted(counts.values(), reverse=True), load if same_card == "allow" and max(counts.values()) == 1 else [])
    return ()


def evened(machine, used, fixed, room, counts):
    """Why these counts are not balanced: no device could go to a NUMA node, or to a card there, with less in use."""
    load, of = Counter(), Counter()
    for card, total in machine.total.items():
        load[machine.node[card]] += used[card] + counts[card]
        of[machine.node[card]] += total
    for a, b in itertools.permutations(machine.total, 2):
        if counts[a] <= fixed[a] or counts[b] >= room[b]:
            continue
        from_node, to_node = machine.node[a], machine.node[b]
        if from_node != to_node and Fraction(load[from_node] - 1, of[from_node]) > Fraction(load[to_node], of[to_node]):
            return f"one of {a} were better on {b}, whose NUMA node has less in use"
        if from_node == to_node and Fraction(used[a] + counts[a] - 1, machine.total[a]) > Fraction(used[b] + counts[b], machine.total[b]):
            return f"one of {a} were better on {b}, which has less in use"
    return ""


def judge(machine, prefer, same_card, available, must, size, answer):
    """Why the answer is not right; "" when it is."""
    chosen = answer["chosen"]
    if len(chosen) != size or len(set(chosen)) != size or not set(must) <= set(chosen) <= set(available):
        return "not k different ids of those that are available, with those that must be included"
    if abs(answer["score"] - machine.score(chosen)) > 1e-6:
        return f"its score is {machine.score(chosen)}"
    used = Counter(machine.card[unit] for unit in machine.units if unit not in available)
    fixed = Counter(machine.card[unit] for unit in must)
    room = Counter(machine.card[unit] for unit in available)
    counts = Counter(machine.card[unit] for unit in chosen)
    others = [unit for unit in available if unit not in must]
    ways = [[*must, *more] for more in itertools.combinations(others, size - len(must))]
    kept = [way for way in ways if keeps(same_card, Counter(machine.card[unit] for unit in way))]
    if len(ways) > 1 and bool(kept) == bool(answer["warning"]):
        return f"warning '{answer['warning']}', and there are {len(kept)} ways to keep same_card"
    if not kept:
        return ""
    if not keeps(same_card, counts):
        return "same_card could be kept"
    best = min(cost(machine, prefer, same_card, used, fixed, way) for way in kept)
    own = cost(machine, prefer, same_card, used, fixed, chosen)
    if own != best:
        return f"{own}, and the best is {best}"
    return evened(machine, used, fixed, room, counts) if prefer == "balanced" and same_card == "allow" else ""


def question(machine, chance):
    """Up to nine available ones, of which some must be included; the rest is in use."""
    available = sorted(chance.sample(machine.units, chance.randint(1, min(9, len(machine.units)))), key=machine.units.index)
    size = chance.randint(1, len(available))
    must = chance.sample(available, chance.randint(0, size)) if chance.random() < 0.4 else []
    return available, must, size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    pretend = options.self_test
    asked, wrong = 0, []
    for (name, unit, more), prefer, same_card in itertools.product(CASES, PREFER, SAME_CARD):
        chance = random.Random(f"{name} {prefer} {same_card}")
        with scratch() as folder:
            machine = Machine(folder, name, unit, more, prefer, same_card)
            for _ in range(options.rounds):
                available, must, size = question(machine, chance)
                shuffled = chance.sample(available, len(available))
                arguments = ["prefer", NAME, "-n", size, "--available", ",".join(shuffled), *machine.where]
                answer = ask(*arguments, *(["--must-include", ",".join(must)] if must else []))
                if pretend:
                    answer["chosen"] = [*must, *chance.sample([unit for unit in available if unit not in must], size - len(must))]
                    answer["score"] = machine.score(answer["chosen"])
                asked += 1
                why = judge(machine, prefer, same_card, available, must, size, answer)
                if why and pretend:
                    print(f"noticed at question {asked}: {why}")
                    return 0
                if why:
                    used = dict(Counter(machine.card[unit] for unit in machine.units if unit not in available))
                    wrong.append(f"{name} {prefer} {same_card}: {size} of {available}, must {must}, in use {used}: {answer['chosen']}: {why}")
    print(*wrong, f"{asked} questions, {len(wrong)} wrong answers", sep="\n")
    return 1 if wrong or pretend else 0


if __name__ == "__main__":
    sys.exit(main())
