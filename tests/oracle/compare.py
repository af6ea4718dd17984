# SPDX-License-Identifier: Apache-2.0
"""The peers' published cases: what their plugins choose and what cleave chooses, both scored by cleave's affinities.

NVIDIA: go-gpuallocator 876e7b76, gpuallocator/besteffort_test.go. AMD: ROCm/k8s-device-plugin ed764684,
internal/pkg/allocator/besteffort_policy_test.go. Each published answer is also worked out by peers.py, so that it can be
trusted where nothing is published.
"""
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import judge
import peers
import shapes_amd
import shapes_nvidia
from brute_force import Sets
from judge import Question
from program import scratch


@dataclass(frozen=True)
class Case:
    shape: str
    size: int
    theirs: tuple  # the published answer
    available: tuple = None  # None: all
    must: tuple = ()


def one_after_another(shape, answers):
    """Requests of equal size until nothing is left: each finds what the published answers before it left."""
    left = set(range(8 if "DGX" in shape else 4))
    for answer in answers:
        yield Case(shape, len(answer), answer, tuple(sorted(left)))
        left -= set(answer)


VOLTA, PASCAL, RTX = "DGX-1, Volta", "DGX-1, Pascal", "4 x RTX 8000"
NVIDIA = [
    Case(VOLTA, 2, (4, 5), (0, 2, 4, 5)),
    Case(VOLTA, 2, (5, 6), (0, 4, 5, 6)),
    Case(VOLTA, 2, (0, 3), (0, 1, 3)),
    Case(VOLTA, 2, (0, 4), (0, 1, 4)),
    Case(VOLTA, 1, (4,), None, (4,)),
    Case(VOLTA, 2, (4, 7), None, (4,)),
    Case(VOLTA, 4, (4, 5, 6, 7), None, (4,)),
    Case(VOLTA, 4, (0, 2, 4, 6), None, (0, 2, 4, 6)),
    *one_after_another(VOLTA, [(0, 3), (1, 2), (4, 7), (5, 6)]),
    *one_after_another(VOLTA, [(0, 1, 2, 3), (4, 5, 6, 7)]),
    *one_after_another(PASCAL, [(0, 2), (1, 3), (4, 6), (5, 7)]),
    *one_after_another(PASCAL, [(0, 1, 2, 3), (4, 5, 6, 7)]),
    *one_after_another(RTX, [(0, 3), (1, 2)]),
]
MI210, CPX = "8 x MI210, two XGMI hives", "8 x MI300X in CPX mode"


def pieces(*gpus):
    """The first pieces of GPUs, counted from 1 as AMD's tests do."""
    return tuple(8 * (gpu - 1) for gpu in gpus)


def but(*taken):
    return tuple(i for i in range(63) if i not in taken)


AMD = [
    Case(MI210, 1, (0,)),
    Case(MI210, 3, (0, 1, 2)),
    Case(MI210, 5, (0, 1, 2, 3, 4)),
    Case(MI210, 3, (4, 5, 6), (2, 3, 4, 5, 6, 7)),
    Case(CPX, 1, (56,)),
    Case(CPX, 3, (56, 57, 58)),
    Case(CPX, 5, tuple(range(56, 61))),
    Case(CPX, 3, pieces(5, 6, 7), pieces(3, 4, 5, 6, 7, 8)),
    Case(CPX, 3, pieces(5, 6, 7), pieces(3, 4, 5, 6, 7, 8), pieces(5)),
    Case(CPX, 8, tuple(range(8))),
    Case(CPX, 7, tuple(range(56, 63))),
    Case(CPX, 4, tuple(range(59, 63)), but(56, 57, 58)),
    Case(CPX, 10, (*range(32, 40), 58, 59), but(*pieces(1, 2, 3, 4, 8), 57)),
]


def nvidia_points(shape):
    """Points of all pairs, from the published tables alone."""
    links, switches = {VOLTA: (shapes_nvidia.VOLTA_LINKS, shapes_nvidia.VOLTA_SWITCHES),
                       PASCAL: (shapes_nvidia.PASCAL_LINKS, shapes_nvidia.PASCAL_SWITCHES),
                       RTX: (shapes_nvidia.RTX8000_LINKS, None)}[shape]

    def pcie(a, b):
        if switches is None:  # the table has no PCIe relation for GPUs with NVLinks
            return 0 if (a, b) in links else 20 if a // 2 == b // 2 else 10
        if any({a, b} <= set(pair) for socket in switches for pair in socket):
            return 50
        return 30 if a // 4 == b // 4 else 10

    count = 4 if switches is None else 8
    points = [[0] * count for _ in range(count)]
    for a, b in combinations(range(count), 2):
        points[a][b] = points[b][a] = peers.nvidia_pair(pcie(a, b), links.get((a, b), 0))
    return points


def amd_penalties(shape):
    """(penalty of the pair a < b as penalty[a][b], number -> GPU)"""
    if shape == MI210:
        gpus = shapes_amd.kfd("kfd-mi210-xgmi-pcie")
        penalty = [[peers.amd_pair(False, gpus[a][2][b], gpus[a][1] == gpus[b][1]) if a != b else 0 for b in range(8)]
                   for a in range(8)]
        return penalty, list(range(8))
    gpu = [i // 8 for i in range(63)]
    penalty = [[peers.amd_pair(gpu[a] == gpu[b], peers.AMD_XGMI, gpu[a] // 4 == gpu[b] // 4) for b in range(63)]
               for a in range(63)]
    return penalty, gpu


def worked_out(case):
    """The peer's answer by peers.py."""
    if case in NVIDIA:
        points = nvidia_points(case.shape)
        return tuple(peers.nvidia(points, case.available or range(len(points)), case.must, case.size))
    penalty, gpu = amd_penalties(case.shape)
    return tuple(peers.amd(penalty, gpu, case.available or range(len(gpu)), case.must, case.size))


def runs(numbers):
    """(0, 1, 2, 4) -> 0-2, 4"""
    if not numbers:
        return "-"
    parts = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}-{b}" for a, b in parts)


def table(shapes, chooser):
    """(lines of Markdown, complaints): never may a peer's choice score higher than ours."""
    lines = ["| machine | asked for | of | must include | theirs | score | cleave | score |", "|---|---|---|---|---|---|---|---|"]
    found = []
    by_name = {shape.name: shape for shape in shapes}
    for name in dict.fromkeys(case.shape for case in NVIDIA + AMD):
        shape = by_name[name]
        with scratch() as folder:
            host, cards = shape.make(Path(folder))
            units = judge.units_of(host.topology(), host.functions(), shape.unit)
            for case in [case for case in NVIDIA + AMD if case.shape == name]:
                available = None if case.available is None else tuple(cards[i] for i in case.available)
                question = Question(case.size, available, tuple(cards[i] for i in case.must))
                answer = chooser(units, question, host)
                ours = sorted(cards.index(one) for one in answer["chosen"])
                theirs = units.score(units.bits([cards[i] for i in case.theirs]))
                where = f"{name}: {case.size} of {case.available or 'all'} with {case.must}"
                if worked_out(case) != case.theirs:
                    found.append(f"{where}: peers.py says {worked_out(case)}, published is {case.theirs}")
                if theirs > answer["score"] and not judge.same(theirs, answer["score"]):
                    found.append(f"{where}: theirs scores {theirs}, ours {answer['score']}")
                of = "all" if case.available is None or len(case.available) == len(cards) else runs(case.available)
                better = "**" if answer["score"] > theirs and not judge.same(theirs, answer["score"]) else ""
                lines.append(f"| {name} | {case.size} | {of} | {runs(case.must)} | {runs(case.theirs)} | {theirs:g} | "
                             f"{runs(ours)} | {better}{answer['score']:g}{better} |")
    return lines, found


def in_a_row(shape, points):
    """How often two requests of one size, the second put to what the first left, get more points together by our rule than
    by NVIDIA's: (more, equal, less, sum of ours, sum of theirs)."""
    with scratch() as folder:
        host, cards = shape.make(Path(folder))
        units = judge.units_of(host.topology(), host.functions(), shape.unit)
    sets = Sets(units)

    def ours(available, size):
        question = Question(size, tuple(cards[i] for i in available))
        return [cards.index(one) for one in units.names(sets.best(units, question)[1])]

    def theirs(available, size):
        return peers.nvidia(points, available, (), size)

    def both(choose, available, size):
        first = choose(available, size)
        second = choose([one for one in available if one not in first], size)
        return sum(points[a][b] for some in (first, second) for a, b in combinations(some, 2))

    more, equal, less, our_sum, their_sum = 0, 0, 0, 0, 0
    for size in (2, 3, 4):
        for count in range(2 * size, 9):
            for available in combinations(range(8), count):
                a, b = both(ours, available, size), both(theirs, available, size)
                more, equal, less = more + (a > b), equal + (a == b), less + (a < b)
                our_sum, their_sum = our_sum + a, their_sum + b
    return more, equal, less, our_sum, their_sum


def sweep(shapes):
    """Lines of Markdown: NVIDIA's rule and ours by NVIDIA's points, for every set of GPUs that may be left."""
    lines = ["| machine | requests | NVIDIA's choice has fewer points than could be | two requests in a row | cleave's have more "
             "together | as many | fewer | points, cleave's | points, NVIDIA's |", "|---|---|---|---|---|---|---|---|---|"]
    for shape in shapes:
        if shape.name not in (VOLTA, PASCAL):
            continue
        points = nvidia_points(shape.name)
        asked, lower = 0, 0
        for count in range(3, 9):
            for available in combinations(range(8), count):
                for size in range(2, count):
                    asked += 1
                    sums = {some: sum(points[a][b] for a, b in combinations(some, 2)) for some in combinations(available, size)}
                    lower += sums[tuple(peers.nvidia(points, available, (), size))] < max(sums.values())
        row = in_a_row(shape, points)
        lines.append(f"| {shape.name} | {asked} | {lower} | {sum(row[:3])} | {' | '.join(map(str, row))} |")
    return lines


def answers(shapes):
    """Lines of Markdown: each machine, where it was published, and the right answers when all its devices are free."""
    lines = ["| machine | source | right answers |", "|---|---|---|"]
    for shape in shapes:
        right = [f"{ask.size}: {runs(ask.chosen)}" for ask in shape.asks if ask.chosen and ask.available is None and not ask.must]
        lines.append(f"| {shape.name} | {shape.source} | {'; '.join(right)} |")
    return lines
