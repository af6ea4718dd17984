#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cleave prefer` against every subset: random machines of up to 14 devices, random questions, all sets tried.
Also trees of up to 40 with questions that have few answers, and searches whose budget is too small.

    brute_force.py [--rounds N] [--seed S] [--jobs N]   N machines (default 150, 10 questions each)
    brute_force.py --self-test [--rounds N]             wrong choosers in place of the program: each must be caught

Checked for every answer: the contract of all policies (judge.contract), the highest score, `optimal` and `gap`, the rule
for ties, and that the same question has the same answer. Checked for every machine: that the two matrices fit each other.
"""
import argparse
import functools
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import judge
from judge import Question
from machine import RESOURCE
from program import Failed, Host, ask, scratch
from random_machines import random_machine, random_question

MOST_UNITS = 14
QUESTIONS = 10
POLICIES = ["closest", "packed", "spread", "balanced"]  # those that the program does not have yet are left out


class Sets:
    """All subsets of a resource's devices with their scores."""

    def __init__(self, units):
        size = len(units.ids)
        self.by_size = [[] for _ in range(size + 1)]
        self.scores = [0.0] * (1 << size)
        for unit in range(size):
            row = units.matrix[unit]
            gains = [0.0] * (1 << unit)  # of this unit to each set of units before it
            for others in range(1, 1 << unit):
                gains[others] = gains[others & (others - 1)] + row[(others & -others).bit_length() - 1]
            for others in range(1 << unit):
                self.scores[others | 1 << unit] = self.scores[others] + gains[others]
        for bits in range(1 << size):
            self.by_size[bits.bit_count()].append(bits)

    def best(self, units, question):
        """(highest score, the right one of the sets that have it)"""
        free, must = units.choosable(question)
        allowed = [bits for bits in self.by_size[question.size] if bits & ~free == 0 and must & ~bits == 0]
        top = max(self.scores[bits] for bits in allowed)
        ties = [bits for bits in allowed if judge.same(self.scores[bits], top)]
        return top, min(ties, key=lambda bits: units.rank(bits, free))


def complaints(units, sets, question, answer, second=None):
    found = judge.contract(units, question, answer)
    if found:
        return found
    best, right = sets.best(units, question)
    found = judge.against_best(units, question, answer, best)
    if not answer["optimal"] or answer["gap"] != 0:
        found.append(f"not proven: optimal {answer['optimal']}, gap {answer['gap']}")
    if not judge.same(answer["score"], best):
        found.append(f"score {answer['score']}, but {units.names(right)} has {best}")
    elif answer["chosen"] != units.names(right):
        free, _ = units.choosable(question)
        chosen = units.bits(answer["chosen"])
        found.append(f"a tie: {answer['chosen']} leaves {units.untouched(chosen, free)} parts whole; "
                     f"the rule says {units.names(right)}, which leaves {units.untouched(right, free)}")
    return found + (judge.twice(answer, second) if second else [])


def small_machine(seed):
    rng = random.Random(seed)
    cards = rng.randint(2, MOST_UNITS)
    while True:
        machine = random_machine(seed, cards)
        if len(machine.cards) <= MOST_UNITS:
            return machine, rng
        cards -= 1


def ask_as_it_is(units, question, host):
    return host.prefer(question)


def no_crash(check):
    """`check`, with what the program refuses to do as a complaint."""

    @functools.wraps(check)
    def checked(*arguments):
        try:
            return check(*arguments)
        except Failed as failure:
            return 0, [f"{check.__name__} {arguments}: {failure}"]

    return checked


def play(seed, choosers):
    """One machine and its questions, put to each of the choosers: (number of questions, chooser -> complaints). What is wrong
    with the machine itself counts against every chooser."""
    machine, rng = small_machine(seed)
    with scratch() as folder:
        host = Host(machine.write(folder), RESOURCE)
        topology = host.topology()
        found = judge.check_matrices(topology, machine.weights)
        if topology["oddities"]:
            found.append(f"oddities: {topology['oddities']}")
        units = judge.units_of(topology, host.functions(), machine.unit)
        sets = Sets(units)
        questions = [question for _ in range(QUESTIONS) if (question := random_question(rng, units)) is not None]
        results = {}
        for name, chooser in choosers.items():
            wrong = list(found)
            for number, question in enumerate(questions):
                try:
                    answer = chooser(units, question, host)
                    second = chooser(units, question, host) if number == 0 else None
                    wrong += [f"{question}: {text}" for text in complaints(units, sets, question, answer, second)]
                except Failed as failure:
                    wrong.append(f"{question}: {failure}")
            results[name] = [f"seed {seed} ({len(machine.cards)} cards, {machine.unit['unit']}): {text}" for text in wrong]
    return len(questions), results


# --- a budget that is too small -----------------------------------------------------------------------


class Few:
    """Like Sets, for many devices of which few are wanted, or few left."""

    def best(self, units, question):
        free, must = units.choosable(question)
        open_units = units.members(free & ~must)
        top, ties = None, []
        for some in combinations(open_units, question.size - must.bit_count()):
            bits = must | sum(1 << i for i in some)
            score = units.score(bits)
            if top is None or score > top and not judge.same(score, top):
                top, ties = score, []
            if judge.same(score, top):
                ties.append(bits)
        return top, min(ties, key=lambda bits: units.rank(bits, free))


@no_crash
def large_tree(seed):
    """(questions asked, complaints) of a machine of up to 40 cards without links, where the rule for ties matters most."""
    rng = random.Random(f"tree {seed}")
    machine = random_machine(f"tree {seed}", rng.randint(20, 40), "none", "card")
    with scratch() as folder:
        host = Host(machine.write(folder), RESOURCE)
        units = judge.units_of(host.topology(), host.functions(), machine.unit)
        healthy = units.names(units.healthy)
        found, asked = [], 0
        for _ in range(3):
            available = rng.sample(healthy, rng.randint(8, len(healthy)))
            size = rng.choice([1, 2, len(available) - 2, len(available) - 1])
            question = Question(size, tuple(available))
            asked += 1
            found += [f"{question}: {text}" for text in complaints(units, Few(), question, host.prefer(question))]
    return asked, [f"tree {seed}: {text}" for text in found]


@no_crash
def tiny_budget(seed):
    """(was a proof given up?, complaints) of one question with a budget of one step and with the usual one."""
    machine = random_machine(f"budget {seed}", 20, "dense", "card", sick=0)
    with scratch() as folder:
        host = Host(machine.write(folder), RESOURCE)
        units = judge.units_of(host.topology(), host.functions(), machine.unit)
        question = Question(4 + seed % 2)
        best, _ = Few().best(units, question)
        found, given_up = [], False
        for budget in (1, None):
            asked = Question(question.size, budget=budget)
            answer = host.prefer(asked)
            found += judge.contract(units, asked, answer) + judge.against_best(units, asked, answer, best)
            if budget:
                given_up = not answer["optimal"]
                if given_up and answer["gap"] <= 0:
                    found.append(f"gap {answer['gap']} although nothing is proven")
    return given_up, [f"budget {seed}: {text}" for text in found]


# --- every policy -------------------------------------------------------------------------------------


def policies():
    """(policies that the program has, complaints): the contract holds for each on a machine with links."""
    have, found = [], []
    for policy in POLICIES:
        machine = random_machine(f"policy {policy}", 12, "sparse", "card")
        with scratch() as folder:
            host = Host(machine.write(folder, policy), RESOURCE)
            try:
                ask("check", *host.arguments)
            except Failed:
                continue
            have.append(policy)
            units = judge.units_of(host.topology(), host.functions(), machine.unit)
            rng = random.Random(policy)
            for _ in range(20):
                question = random_question(rng, units)
                try:
                    answer = host.prefer(question)
                    wrong = judge.contract(units, question, answer) + judge.twice(answer, host.prefer(question))
                except Failed as failure:
                    wrong = [str(failure)]
                found += [f"policy {policy}: {question}: {text}" for text in wrong]
    return have, found if have else ["the program has no policy at all"]


@no_crash
def bad_questions():
    """(questions asked, complaints): what has no answer is refused with exit 1 and a reason."""
    machine = random_machine("bad questions", 6, "none", "card")
    found = []
    with scratch() as folder:
        host = Host(machine.write(folder), RESOURCE)
        one, two = machine.cards[:2]
        for question in (Question(99), Question(3, (one, two)), Question(1, ("no such card",)), Question(1, None, (one, two))):
            try:
                found.append(f"{question} was answered: {host.prefer(question)['chosen']}")
            except Failed as failure:
                if not str(failure).startswith("exit 1:"):
                    found.append(f"{question}: {failure}")
    return 4, found


# --- wrong choosers -----------------------------------------------------------------------------------


def answer_of(units, question, bits, **other):
    free, _ = units.choosable(question)
    return {"chosen": units.names(bits), "size": question.size, "available": units.names(free),
            "must_include": list(question.must), "score": units.score(bits), "optimal": True, "gap": 0.0, "steps": 1, **other}


def greedy(units, question, _):
    free, must = units.choosable(question)
    bits = must
    while bits.bit_count() < question.size:
        bits |= max((1 << i for i in units.members(free & ~bits)), key=lambda one: units.score(bits | one))
    return answer_of(units, question, bits)


def wrong_choosers():
    """name -> a chooser with one fault."""

    def right(units, question):
        return Sets(units).best(units, question)[1]

    def last_of_equals(units, question, _):
        free, must = units.choosable(question)
        sets = Sets(units)
        top, _ = sets.best(units, question)
        return answer_of(units, question, max(
            (bits for bits in sets.by_size[question.size]
             if not bits & ~free and not must & ~bits and judge.same(sets.scores[bits], top)), key=units.members))

    def ignores_must(units, question, _):
        free, _ = units.choosable(question)
        some = Question(question.size, tuple(units.names(free)))
        return answer_of(units, question, right(units, some))

    def ignores_available(units, question, _):
        everything = Question(question.size, tuple(units.ids), question.must)
        return answer_of(units, question, right(units, everything))

    def one_too_few(units, question, _):
        bits = right(units, question)
        return answer_of(units, question, bits & (bits - 1))

    def never_sure(units, question, _):
        return answer_of(units, question, right(units, question), optimal=False, gap=1.0)

    calls = Counter()

    def changes_its_mind(units, question, _):
        calls["asked"] += 1
        return answer_of(units, question, right(units, question), steps=calls["asked"])

    def adds_wrongly(units, question, _):
        bits = right(units, question)
        return answer_of(units, question, bits, score=units.score(bits) + 5)

    return {function.__name__: function for function in
            (greedy, last_of_equals, ignores_must, ignores_available, one_too_few, never_sure, changes_its_mind, adds_wrongly)}


def self_test(rounds):
    choosers = wrong_choosers()
    found = {name: [] for name in choosers}
    for seed in range(rounds):
        for name, wrong in play(seed, choosers)[1].items():
            found[name] += wrong
    missed = 0
    for name, wrong in found.items():
        print(f"{name}: {len(wrong)} complaints" + (f", as {wrong[0]}" if wrong else ": NOT CAUGHT"))
        missed += not wrong
    print(f"{missed} of {len(choosers)} wrong choosers were not caught")
    return 1 if missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="machines to make")
    parser.add_argument("--seed", type=int, default=0, help="number of the first one")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test(options.rounds or 10)
    seeds = range(options.seed, options.seed + (options.rounds or 150))
    asked, found = 0, []
    with ThreadPoolExecutor(options.jobs) as pool:
        for count, results in pool.map(lambda seed: play(seed, {"cleave": ask_as_it_is}), seeds):
            asked += count
            found += results["cleave"]
        for count, wrong in pool.map(large_tree, range(options.seed, options.seed + 1 + len(seeds) // 6)):
            asked += count
            found += wrong
        given_up = 0
        for one, wrong in pool.map(tiny_budget, range(6)):
            given_up += one
            found += wrong
    if given_up == 0:
        found.append("with a budget of one step every answer was proven; no gap was ever seen")
    have, wrong = policies()
    found += wrong + bad_questions()[1]
    for text in found[:40]:
        print(text)
    print(f"{len(seeds)} machines, {asked} questions, {given_up} of 6 proofs given up for want of steps, "
          f"policies {', '.join(have)}: {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
