// SPDX-License-Identifier: Apache-2.0
#include "bench/day/partition.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "topology/matching.h"

namespace cleave::day {
namespace {

constexpr size_t kExact = 16;
constexpr size_t kStarts = 6;

Set SetOf(const std::vector<size_t>& cards) {
  Set set = 0;
  for (size_t card : cards) set |= Only(card);
  return set;
}

// Calls `use` for every subset of `from` with `size` cards.
template <typename Use>
void ForSubsets(Set from, size_t size, Set chosen, const Use& use) {
  if (size == 0) {
    use(chosen);
    return;
  }
  for (Set rest = from; Count(rest) >= size; rest &= rest - 1) {
    Set card = rest & -rest;
    ForSubsets(rest & ~card, size - 1, chosen | card, use);
  }
}

// Walks through the sets that hold the first of `order`, in order: k cards, or the `padded` ones that remain
// when the rest is divided into sets of k (0: nothing remains). Padding stands at the end of the list.
template <typename Accept>
class FirstSet {
 public:
  FirstSet(const std::vector<size_t>& order, size_t k, size_t padded, const Accept& accept)
      : order_(order), k_(k), padded_(padded), accept_(accept), chosen_{order.front()} {}
  std::optional<std::vector<size_t>> Find() { return Descend(1) ? std::optional(chosen_) : std::nullopt; }

 private:
  bool Descend(size_t next) {
    if (chosen_.size() == k_) return accept_(chosen_);
    for (; next < order_.size(); ++next) {
      chosen_.push_back(order_[next]);
      if (Descend(next + 1)) return true;
      chosen_.pop_back();
    }
    return chosen_.size() == padded_ && accept_(chosen_);
  }
  const std::vector<size_t>& order_;
  const size_t k_;
  const size_t padded_;
  const Accept& accept_;
  std::vector<size_t> chosen_;
};

}  // namespace

BestPartition::BestPartition(const Node& node) : node_(node) {
  if (node.cards > kExact) return;
  scores_.assign(size_t{1} << node.cards, 0);
  for (Set set = 1; set < scores_.size(); ++set) {
    size_t card = Lowest(set);
    scores_[set] = scores_[set & (set - 1)];
    for (Set rest = set & (set - 1); rest != 0; rest &= rest - 1) scores_[set] += Pair(card, Lowest(rest));
  }
  for (size_t index = 1; index < kSizeCount; ++index) FillTotals(index);
}

void BestPartition::FillTotals(size_t size_index) {
  size_t k = kSizes[size_index];
  std::vector<int>& totals = totals_[size_index];
  totals.assign(scores_.size(), 0);
  for (Set set = 1; set < totals.size(); ++set) {
    if (Count(set) <= k) {
      totals[set] = scores_[set];
      continue;
    }
    Set first = set & -set;
    int best = -1;
    auto use = [&](Set chosen) { best = std::max(best, scores_[chosen] + totals[set & ~chosen]); };
    ForSubsets(set & ~first, k - 1, first, use);
    if (size_t padded = Count(set) % k; padded != 0) ForSubsets(set & ~first, padded - 1, first, use);
    totals[set] = best;
  }
}

int BestPartition::Score(const std::vector<size_t>& set) const {
  int score = 0;
  for (size_t i = 0; i < set.size(); ++i) {
    for (size_t j = 0; j < i; ++j) score += Pair(set[i], set[j]);
  }
  return score;
}

Set BestPartition::Pick(const std::vector<size_t>& order, size_t size_index) const {
  size_t k = kSizes[size_index];
  if (k == 1) return Only(order.front());
  Sets sets = !scores_.empty() ? Exact(order, size_index) : k == 2 ? Matched(order) : Swapped(order, k);
  std::vector<size_t> best;
  for (const std::vector<size_t>& set : sets) {
    if (set.size() == k && (best.empty() || Score(set) > Score(best))) best = set;
  }
  return SetOf(best);
}

int BestPartition::Total(const std::vector<size_t>& order, size_t size_index, bool by_table) const {
  Sets sets = by_table                  ? Exact(order, size_index)
              : kSizes[size_index] == 2 ? Matched(order)
                                        : Swapped(order, kSizes[size_index]);
  int total = 0;
  for (const std::vector<size_t>& set : sets) total += Score(set);
  return total;
}

BestPartition::Sets BestPartition::Exact(std::vector<size_t> order, size_t size_index) const {
  const std::vector<int>& totals = totals_[size_index];
  Sets sets;
  while (!order.empty()) {
    Set all = SetOf(order);
    auto accept = [&](const std::vector<size_t>& chosen) {
      Set set = SetOf(chosen);
      return scores_[set] + totals[all & ~set] == totals[all];
    };
    FirstSet search(order, std::min(kSizes[size_index], order.size()), order.size() % kSizes[size_index],
                    accept);
    sets.push_back(*search.Find());
    Set taken = SetOf(sets.back());
    std::erase_if(order, [&](size_t card) { return (taken & Only(card)) != 0; });
  }
  return sets;
}

BestPartition::Sets BestPartition::Matched(const std::vector<size_t>& order) const {
  std::vector<WeightedEdge> edges;
  for (size_t a = 0; a < order.size(); ++a) {
    for (size_t b = a + 1; b < order.size(); ++b) {
      edges.push_back({.a = a, .b = b, .weight = static_cast<double>(Pair(order[a], order[b]))});
    }
  }
  Sets sets;
  for (auto [a, b] : BestMatching(order.size(), edges)) sets.push_back({order[a], order[b]});
  return sets;
}

// Each set begins with the first card left and takes what is nearest to it.
BestPartition::Sets BestPartition::Grown(std::vector<size_t> left, size_t k) const {
  Sets sets;
  while (!left.empty()) {
    std::vector<size_t> set = {left.front()};
    left.erase(left.begin());
    while (set.size() < k && !left.empty()) {
      auto gain = [&](size_t card) {
        int sum = 0;
        for (size_t other : set) sum += Pair(card, other);
        return sum;
      };
      auto nearest = [&](size_t a, size_t b) { return gain(a) < gain(b); };
      auto next = std::max_element(left.begin(), left.end(), nearest);
      set.push_back(*next);
      left.erase(next);
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

BestPartition::Sets BestPartition::Swapped(const std::vector<size_t>& order, size_t k) const {
  Sets best;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i % k == 0) best.emplace_back();
    best.back().push_back(order[i]);
  }
  int best_sum = Improve(best);
  for (size_t start = 0; start < kStarts; ++start) {
    std::vector<size_t> turned = order;
    auto middle = turned.begin() + static_cast<std::ptrdiff_t>(start * order.size() / kStarts);
    std::rotate(turned.begin(), middle, turned.end());
    Sets sets = Grown(std::move(turned), k);
    int sum = Improve(sets);
    if (sum <= best_sum) continue;
    best = std::move(sets);
    best_sum = sum;
  }
  return best;
}

// Swaps cards between sets, the best swap first, until none is better; returns the sum of scores.
int BestPartition::Improve(Sets& sets) const {
  std::vector<std::vector<int>> gain(node_.cards, std::vector<int>(sets.size(), 0));  // of a card with a set
  auto change = [&](size_t card, size_t set, int sign) {
    for (size_t other = 0; other < node_.cards; ++other) {
      if (other != card) gain[other][set] += sign * Pair(other, card);
    }
  };
  for (size_t set = 0; set < sets.size(); ++set) {
    for (size_t card : sets[set]) change(card, set, 1);
  }
  while (true) {
    int best = 0;
    size_t best_a = 0;
    size_t best_b = 0;
    std::pair<size_t, size_t> best_sets;
    for (size_t x = 0; x < sets.size(); ++x) {
      for (size_t y = x + 1; y < sets.size(); ++y) {
        for (size_t i = 0; i < sets[x].size(); ++i) {
          size_t a = sets[x][i];
          for (size_t j = 0; j < sets[y].size(); ++j) {
            size_t b = sets[y][j];
            int better = gain[a][y] + gain[b][x] - 2 * Pair(a, b) - gain[a][x] - gain[b][y];
            if (better <= best) continue;
            best = better;
            best_a = i;
            best_b = j;
            best_sets = {x, y};
          }
        }
      }
    }
    if (best == 0) break;
    auto [x, y] = best_sets;
    size_t a = sets[x][best_a];
    size_t b = sets[y][best_b];
    change(a, x, -1);
    change(b, y, -1);
    change(a, y, 1);
    change(b, x, 1);
    std::swap(sets[x][best_a], sets[y][best_b]);
  }
  int total = 0;
  for (const std::vector<size_t>& set : sets) total += Score(set);
  return total;
}

}  // namespace cleave::day
