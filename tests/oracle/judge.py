# SPDX-License-Identifier: Apache-2.0
"""What is asked of `cleave prefer`, and what an answer must be. Shares no code with the program: everything is worked out
from what `cleave topology --output json` prints, by the rules in docs/configuration.md and docs/json.md."""
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

SOCKET_DISTANCE = 20  # SLIT: NUMA nodes nearer than this are on one socket


@dataclass(frozen=True)
class Question:
    size: int
    available: tuple = None  # ids; None: all healthy ones
    must: tuple = ()
    budget: int = None  # search steps


@dataclass
class Units:
    """The devices of one resource, in the order of their first cards. Sets of units are numbers, bit i for unit i."""

    ids: list
    matrix: list  # what two units are worth together
    healthy: int
    levels: list = field(default_factory=list)  # by depth below the machine: the parts of it that hold several units

    def bits(self, ids):
        return sum({1 << self.ids.index(one) for one in ids})

    def members(self, bits):
        return [i for i in range(len(self.ids)) if bits >> i & 1]

    def names(self, bits):
        return [self.ids[i] for i in self.members(bits)]

    def score(self, bits):
        return sum(self.matrix[a][b] for a, b in combinations(self.members(bits), 2))

    def choosable(self, question):
        """(all that may be chosen, what must be), as sets."""
        must = self.bits(question.must)
        free = self.healthy if question.available is None else self.bits(question.available)
        return free | must, must

    def untouched(self, bits, free):
        """How many parts of the machine stay whole, level by level from the top. A part of which something is in use,
        that is healthy but not free, is not whole anyway."""
        taken = bits | self.healthy & ~free
        return [sum(1 for part in level if not part & taken) for level in self.levels]

    def rank(self, bits, free):
        """Among sets of equal score the least is the right answer. Where the affinities follow the tree: most parts
        untouched, then the highest score of what is left; where they do not the other way round; then first in PCI order."""
        left = -round(self.score(free & ~bits), 4)
        touched = [-count for count in self.untouched(bits, free)]
        return *((touched, left) if self.follows_tree else (left, touched)), self.members(bits)

    @cached_property
    def follows_tree(self):
        """Whether what two units are worth together is said by the smallest part of the machine that holds both."""
        parts = [part for level in self.levels for part in level]  # the smallest last
        if any(a & b and a & b not in (a, b) for a, b in combinations(parts, 2)):
            return False
        worth = {}
        for a, b in combinations(range(len(self.ids)), 2):
            both = 1 << a | 1 << b
            part = next((part for part in reversed(parts) if part & both == both), None)
            if not same(worth.setdefault(part, self.matrix[a][b]), self.matrix[a][b]):
                return False
        return True


def same(a, b):
    return abs(a - b) <= 1e-6 * max(1, abs(a), abs(b))


# --- units and their tree, from what `cleave topology` says ------------------------------------------


def groups_of(topology, spec):
    """[(id, [indexes of cards])]. spec: the keys of [[resource]] that say what a unit is."""
    groups = {}
    for index, card in enumerate(topology["cards"]):
        if spec["unit"] == "group":
            key = "-".join(str(card["attributes"][name]) for name in spec["group_by"])
        elif spec["unit"] == "card" and card["piece_of"] is not None:
            key = card["profile"], card["piece_of"]
        else:
            key = card["id"]
        groups.setdefault(key, []).append(index)
    cards = topology["cards"]
    return [(key if spec["unit"] == "group" else cards[members[0]]["id"], members) for key, members in groups.items()]


def sockets(topology):
    """NUMA node id -> its socket: the set of nodes that are near to each other, directly or by way of others."""
    ids = [node["id"] for node in topology["numa_nodes"]]
    of = {one: {one} for one in ids}
    for node in topology["numa_nodes"]:
        for other, distance in zip(ids, node["distances"]):
            if distance < SOCKET_DISTANCE and of[node["id"]] is not of[other]:
                of[node["id"]] |= of[other]
                for member in of[node["id"]]:
                    of[member] = of[node["id"]]
    return {one: tuple(sorted(of[one])) for one in ids}


def single(nodes):
    return nodes[0] if len(nodes) == 1 else None


def places(topology, functions):
    """For each card the things above it, from the machine's sockets down to its function."""
    by_address = {function["address"]: function for function in functions["functions"]}
    socket_of = sockets(topology)
    cards_say, bridges_say = {}, {}  # root bus -> NUMA nodes
    for card in topology["cards"]:
        function = by_address.get(card["address"])
        if function is None or not function["above"]:
            continue
        top, *bridges = function["above"]
        node = single(function["numa_nodes"])
        node = single(card["numa_nodes"]) if node is None else node
        if node is not None:
            cards_say.setdefault(top, set()).add(node)
        else:
            nodes = {single(by_address[bridge]["numa_nodes"]) for bridge in bridges if bridge in by_address}
            bridges_say.setdefault(top, set()).update(nodes - {None})

    def node_path(node):
        return [] if node is None else [("socket", socket_of.get(node, (node,))), ("node", node)]

    found = []
    for card in topology["cards"]:
        function = by_address.get(card["address"])
        node = single(card["numa_nodes"])
        if function is None:
            found.append(node_path(node))
            continue
        own = single(function["numa_nodes"])
        if function["above"]:
            top = function["above"][0]
            says = cards_say.get(top) or bridges_say.get(top, set())
            path = node_path(single(sorted(says))) + [("bridge", name) for name in function["above"]]
        else:
            path = node_path(node if own is None else own)
        found.append(path + [("function", card["address"])])
    return found


def units_of(topology, functions, spec):
    """The devices of a resource that takes every card of the machine."""
    groups = groups_of(topology, spec)
    cards = topology["cards"]
    size = len(groups)
    matrix = [[0.0] * size for _ in range(size)]
    for a, b in combinations(range(size), 2):
        pairs = [topology["affinity"][x][y] for x in groups[a][1] for y in groups[b][1]]
        matrix[a][b] = matrix[b][a] = sum(pairs) / len(pairs)
    healthy = sum(1 << i for i, (_, members) in enumerate(groups)
                  if all(cards[card]["health"] != "unhealthy" for card in members))
    above = places(topology, functions)
    below = {}  # (depth, what stands there and above) -> units
    for unit, (_, members) in enumerate(groups):
        for card in members:
            for depth in range(1, len(above[card]) + 1):
                key = depth, tuple(above[card][:depth])
                below[key] = below.get(key, 0) | 1 << unit
    # A part with a single unit is no block worth keeping, and one with all of them is always touched.
    parts = {key: bits for key, bits in below.items() if bits & (bits - 1) and bits != (1 << size) - 1}
    depths = sorted({depth for depth, _ in parts})
    levels = [[bits for (at, _), bits in parts.items() if at == depth] for depth in depths]
    return Units([name for name, _ in groups], matrix, healthy, levels)


# --- the two matrices ------------------------------------------------------------------------------

DEFAULT_WEIGHTS = {"other_socket": 10, "same_socket": 15, "same_numa": 20, "same_host_bridge": 30, "same_root_port": 40,
                   "same_switch": 50, "switch_step": 5, "switch_floor": 40, "same_card": 80, "board": 60, "link": 100}
TREE_WEIGHTS = {  # relation -> least and greatest that the tree's part of an affinity may be
    "same_card": ("same_card", "same_card"),
    "same_switch": ("switch_floor", "same_switch"),
    "same_root_port": ("same_root_port", "same_switch"),  # two functions of one device are as near as one switch
    "same_host_bridge": ("same_host_bridge", "same_switch"),
    "same_numa": ("same_numa", "same_numa"),
    "cross_numa": ("other_socket", "same_socket"),
    "numa_unknown": ("other_socket", "same_numa"),
    "same_board": ("other_socket", "same_switch"),
}


def tree_part(topology):
    """The affinities of cards less what links add."""
    index = {card["id"]: i for i, card in enumerate(topology["cards"])}
    part = [list(row) for row in topology["affinity"]]
    for link in topology["links"]:
        a, b = index[link["from"]], index[link["to"]]
        part[a][b] -= link["weight"]
        part[b][a] -= link["weight"]
    return part


def check_matrices(topology, weights):
    """Complaints about affinities and relations that do not fit each other or [affinity]."""
    weights = {**DEFAULT_WEIGHTS, **weights}
    part = tree_part(topology)
    names = [card["id"] for card in topology["cards"]]
    found = []
    for a, b in combinations(range(len(names)), 2):
        pair = f"{names[a]} - {names[b]}"
        relation = topology["relation"][a][b]
        if relation != topology["relation"][b][a] or topology["affinity"][a][b] != topology["affinity"][b][a]:
            found.append(f"{pair}: not the same in both directions")
        low, high = (weights[key] for key in TREE_WEIGHTS[relation])
        if not (low - 1e-6 <= part[a][b] <= high + 1e-6):
            found.append(f"{pair}: {relation} is worth {part[a][b]}, not {low} to {high}")
        for c in range(len(names)):
            if c not in (a, b) and part[a][b] < min(part[a][c], part[c][b]) - 1e-6:
                found.append(f"{pair}: farther from each other than from {names[c]}, which no tree allows")
    for i in range(len(names)):
        if topology["affinity"][i][i] != 0 or topology["relation"][i][i] != "self":
            found.append(f"{names[i]}: worth something to itself")
    for link in topology["links"]:
        weight = weights["board"] if link["kind"] == "board" else weights["link"] * link["width"]
        if not same(link["weight"], weight):
            found.append(f"link {link}: its weight should be {weight}")
    return found


# --- answers ---------------------------------------------------------------------------------------


def contract(units, question, answer):
    """Complaints about an answer that no policy may give."""
    found = []
    chosen = answer["chosen"]
    free, must = units.choosable(question)
    if len(chosen) != question.size or len(set(chosen)) != len(chosen):
        found.append(f"{question.size} different devices were asked for, not {chosen}")
    unknown = [one for one in chosen if one not in units.ids]
    if unknown:
        return [*found, f"{unknown} are no devices"]
    bits = units.bits(chosen)
    if bits & ~free:
        found.append(f"{units.names(bits & ~free)} are not available")
    if must & ~bits:
        found.append(f"{units.names(must & ~bits)} must be included")
    if chosen != units.names(bits):
        found.append("the answer is not in PCI order")
    if not same(answer["score"], units.score(bits)):
        found.append(f"score {answer['score']}, but the matrix adds up to {units.score(bits)}")
    if answer["gap"] < 0 or (answer["optimal"] and answer["gap"] != 0):
        found.append(f"a gap of {answer['gap']} with optimal = {answer['optimal']}")
    if answer["size"] != question.size or set(answer["must_include"]) != set(question.must):
        found.append("the question is not repeated as it was put")
    return found


def against_best(units, question, answer, best):
    """Complaints about an answer to which `best` is known to be the highest score."""
    found = []
    if answer["score"] > best and not same(answer["score"], best):
        found.append(f"score {answer['score']} is more than any set can have, {best}")
    if answer["optimal"] and not same(answer["score"], best):
        found.append(f"claims to be optimal with {answer['score']}, but {best} can be had")
    upper = answer["score"] + answer["gap"]
    if upper < best and not same(upper, best):
        found.append(f"score {answer['score']} and gap {answer['gap']} leave out {best}, which can be had")
    return found


def twice(first, second):
    """Complaints about two answers to one question."""
    keys = [key for key in first if key != "microseconds" and first[key] != second.get(key)]
    return [f"the second answer differs in {', '.join(keys)}"] if keys else []
