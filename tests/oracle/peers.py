# SPDX-License-Identifier: Apache-2.0
"""What two other device plugins would choose, by their documented scoring; written anew from reading them.

NVIDIA: go-gpuallocator (876e7b76), best-effort policy, gpuallocator/besteffort_policy.go.
AMD: ROCm/k8s-device-plugin (ed764684), best-effort policy, internal/pkg/allocator.
"""
from itertools import combinations


def nvidia_pair(pcie, nvlinks):
    """Points of two GPUs: what their PCIe relation is worth (10 to 60) and 100 for each NVLink between them."""
    return pcie + 100 * nvlinks


def nvidia_partitions(devices, size):
    """All ways to cut `devices` into sets of `size`, in the order in which they are compared. What is left over fills one
    set up with gaps, which are dropped here."""
    gaps = -len(devices) % size

    def cut(left):
        if not left:
            yield []
            return
        first, rest = left[0], left[1:]
        for others in combinations(range(len(rest)), size - 1):
            one = (first, *(rest[i] for i in others))
            if one.count(None) in (0, gaps):
                for more in cut([rest[i] for i in range(len(rest)) if i not in others]):
                    yield [one, *more]

    for sets in cut([*devices, *[None] * gaps]):
        yield [tuple(device for device in one if device is not None) for one in sets]


def nvidia(points, available, required, size):
    """The set that go-gpuallocator takes: of all ways to cut what is available into sets of `size` the one whose sets have
    most points together, and of its sets the one with most points that has all that is required."""

    def worth(some):
        return sum(points[a][b] for a, b in combinations(some, 2))

    best, most = None, -1
    for cut in nvidia_partitions(sorted(available), size):
        fitting = [one for one in cut if len(one) == size and set(required) <= set(one)]
        total = sum(worth(one) for one in cut)
        if fitting and total > most:
            best, most = max(fitting, key=worth), total
    return sorted(best)


AMD_XGMI, AMD_PCIE = 11, 2  # link types of /sys/class/kfd


def amd_pair(same_card, link_type, same_numa):
    """Penalty of two GPUs or partitions: less is better."""
    return ((10 if same_card else 20) + {AMD_XGMI: 10, AMD_PCIE: 40}.get(link_type, 50) + (10 if same_numa else 20))


def amd(penalty, card_of, available, required, size):
    """The set that AMD's plugin takes. It works card by card: whole runs of a card's free partitions are taken in order,
    cards with few free partitions first, in every order of cards until there are enough; the least penalty wins."""
    if len(available) == size:
        return sorted(available)
    if len(required) == size:
        return sorted(required)
    cards = {}
    for one in sorted(set(available) - set(required)):
        cards.setdefault(card_of[one], []).append(one)
    order = sorted(cards, key=lambda card: (len(cards[card]), card))
    wanted = size - len(required)

    def total(some):
        return sum(penalty[min(a, b)][max(a, b)] for a, b in combinations(some, 2))

    best, least = None, None
    waiting = [[card] for card in order]
    while waiting:
        path = waiting.pop(0)
        some = [one for card in path for one in cards[card]]
        if len(some) >= wanted:
            candidate = some[:wanted] + list(required)
            cost = total(candidate)
            if least is None or cost < least:
                best, least = candidate, cost
        else:
            waiting += [[*path, card] for card in order if card not in path]
    return sorted(best)
