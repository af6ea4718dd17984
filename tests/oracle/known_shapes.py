#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Known machines with known right answers, and what the allocators of NVIDIA and AMD would choose there.

    known_shapes.py               asks `cleave prefer` all questions of shapes_*.py and those of the peers' own tests, and
                                  compares the tables in docs/known-shapes.md
    known_shapes.py --tables      prints these tables
    known_shapes.py --self-test   wrong choosers in place of the program: each must be caught
"""
import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import compare
import judge
import shapes_amd
import shapes_nvidia
import shapes_tenstorrent
from brute_force import answer_of, ask_as_it_is, greedy
from program import ROOT, Failed, scratch

SHAPES = shapes_nvidia.SHAPES + shapes_amd.SHAPES + shapes_tenstorrent.SHAPES


def check(shape, chooser):
    """(questions asked, complaints)"""
    found = []
    with scratch() as folder:
        host, cards = shape.make(Path(folder))
        topology = host.topology()
        if topology["oddities"]:
            found.append(f"oddities: {topology['oddities']}")
        units = judge.units_of(topology, host.functions(), shape.unit)
        if sorted(units.ids) != sorted(cards):
            return 0, [f"{shape.name}: the cards are {units.ids}, not {cards}"]
        for ask in shape.asks:
            question = ask.question(cards)
            try:
                answer = chooser(units, question, host)
            except Failed as failure:
                found.append(str(failure))
                continue
            numbers = sorted(cards.index(one) for one in answer["chosen"])
            wrong = judge.contract(units, question, answer) + judge.against_best(units, question, answer, ask.score)
            if not judge.same(answer["score"], ask.score):
                wrong.append(f"chose {numbers} with {answer['score']}; {ask.score} is right: {ask.why}")
            elif ask.chosen is not None and numbers != sorted(ask.chosen):
                wrong.append(f"chose {numbers} instead of {sorted(ask.chosen)}, of the same score: {ask.why}")
            found += [f"{ask.size} of {ask.available or 'all'} with {ask.must}: {text}" for text in wrong]
    return len(shape.asks), [f"{shape.name}: {text}" for text in found]


def self_test():
    def first(units, question, _):
        free, must = units.choosable(question)
        bits = must
        for one in units.members(free & ~must):
            if bits.bit_count() < question.size:
                bits |= 1 << one
        return answer_of(units, question, bits)

    missed = 0
    for chooser in (greedy, first):
        found = [text for shape in SHAPES for text in check(shape, chooser)[1]]
        print(f"{chooser.__name__}: {len(found)} complaints" + (f", as {found[0]}" if found else ": NOT CAUGHT"))
        missed += not found
    print(f"{missed} wrong choosers were not caught")
    return 1 if missed else 0


def check_document(lines):
    """Complaints about lines that docs/known-shapes.md does not have."""
    there = (ROOT / "docs" / "known-shapes.md").read_text().splitlines()
    return [f"docs/known-shapes.md lacks this line: {line}" for line in lines if line not in there]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.tables:
        lines, found = compare.table(SHAPES, ask_as_it_is)
        print("\n\n".join("\n".join(part) for part in (compare.answers(SHAPES), lines, compare.sweep(SHAPES), found)))
        return 1 if found else 0
    asked, found = 0, []
    with ThreadPoolExecutor(2) as pool:
        for count, wrong in pool.map(lambda shape: check(shape, ask_as_it_is), SHAPES):
            asked += count
            found += wrong
    lines, wrong = compare.table(SHAPES, ask_as_it_is)
    found += wrong + check_document(compare.answers(SHAPES) + lines + compare.sweep(SHAPES))
    for text in found:
        print(text)
    print(f"{len(SHAPES)} machines, {asked} questions, {len(lines) - 2} of the peers' cases: {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
