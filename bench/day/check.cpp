// SPDX-License-Identifier: Apache-2.0
#include "bench/day/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bench/day/node.h"
#include "bench/day/partition.h"
#include "bench/day/policy.h"
#include "bench/day/trace.h"

namespace cleave::day {
namespace {

using Cards = std::vector<std::optional<size_t>>;  // nullopt: padding

// `size` of `from`, in order.
void ForChoices(const Cards& from, size_t size, size_t next, Cards& chosen,
                const std::function<void(const Cards&)>& use) {
  if (chosen.size() == size) {
    use(chosen);
    return;
  }
  for (size_t i = next; i < from.size(); ++i) {
    chosen.push_back(from[i]);
    ForChoices(from, size, i + 1, chosen, use);
    chosen.pop_back();
  }
}

int Score(const Node& node, const Cards& set) {
  int score = 0;
  for (size_t i = 0; i < set.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (set[i] && set[j]) score += node.nvidia[*set[i] * node.cards + *set[j]];
    }
  }
  return score;
}

size_t Padding(const Cards& set) {
  return static_cast<size_t>(std::count(set.begin(), set.end(), std::nullopt));
}

// NVIDIA: every division of the padded list into sets of k; a set has all of the padding or none.
class EveryDivision {
 public:
  EveryDivision(const Node& node, size_t k) : node_(node), k_(k) {}

  Set Pick(const std::vector<size_t>& order) {
    Cards cards(order.begin(), order.end());
    while (cards.size() % k_ != 0) cards.emplace_back();
    padding_ = Padding(cards);
    Divide(cards);
    Cards best;
    for (const Cards& set : best_) {
      if (Padding(set) == 0 && (best.empty() || Score(node_, set) > Score(node_, best))) best = set;
    }
    Set chosen = 0;
    for (std::optional<size_t> card : best) chosen |= Only(*card);
    return chosen;
  }

 private:
  void Divide(const Cards& left) {
    if (left.empty()) {
      int score = 0;
      for (const Cards& set : sets_) score += Score(node_, set);
      if (best_.empty() || score > best_score_) {
        best_ = sets_;
        best_score_ = score;
      }
      return;
    }
    Cards chosen = {left.front()};
    ForChoices(left, k_, 1, chosen, [&](const Cards& set) {
      if (size_t padding = Padding(set); padding != 0 && padding != padding_) return;
      Cards rest;
      for (std::optional<size_t> card : left) {
        if (std::find(set.begin(), set.end(), card) == set.end()) rest.push_back(card);
      }
      sets_.push_back(set);
      Divide(rest);
      sets_.pop_back();
    });
  }

  const Node& node_;
  const size_t k_;
  size_t padding_ = 0;
  std::vector<Cards> sets_;
  std::vector<Cards> best_;
  int best_score_ = 0;
};

// AMD: the least sum of weights of all sets of k, the first of equals.
Set LeastWeight(const Node& node, const std::vector<size_t>& order, size_t k) {
  std::optional<int> least;
  Set best = 0;
  Cards chosen;
  ForChoices(Cards(order.begin(), order.end()), k, 0, chosen, [&](const Cards& set) {
    int weight = 0;
    Set cards = 0;
    for (std::optional<size_t> a : set) {
      for (Set others = cards; others != 0; others &= others - 1)
        weight += node.amd[*a * node.cards + Lowest(others)];
      cards |= Only(*a);
    }
    if (least && weight >= *least) return;
    least = weight;
    best = cards;
  });
  return best;
}

std::vector<size_t> Shuffled(Set free, Random& random) {
  std::vector<size_t> order;
  for (; free != 0; free &= free - 1) order.push_back(Lowest(free));
  for (size_t i = 0; i < order.size(); ++i) std::swap(order[i], order[i + random.Below(order.size() - i)]);
  return order;
}

size_t CheckSmall(const Node& node, Random& random) {
  BestPartition partition(node);
  std::vector<std::unique_ptr<Policy>> policies = AllPolicies(node);
  const Policy& amd = **std::find_if(policies.begin(), policies.end(),
                                     [](const auto& policy) { return policy->name() == "amd"; });
  size_t wrong = 0;
  size_t asked = 0;
  for (Set free = 1; free <= node.all; ++free) {
    for (size_t index = 1; index < kSizeCount; ++index) {
      if (Count(free) <= kSizes[index]) continue;
      std::vector<size_t> order = Shuffled(free, random);
      ++asked;
      if (partition.Pick(order, index) != EveryDivision(node, kSizes[index]).Pick(order)) ++wrong;
      std::sort(order.begin(), order.end());
      if (partition.Pick(order, index) != EveryDivision(node, kSizes[index]).Pick(order)) ++wrong;
      if (amd.Pick(free, index, random) != LeastWeight(node, order, kSizes[index])) ++wrong;
    }
  }
  fmt::print("{}: {} of {} answers differ from a walk through everything\n", node.name, wrong, 3 * asked);
  return wrong;
}

// How near swaps come to the best sum; on large nodes there is nothing to compare with, so on those of 16
// cards.
void CompareSwaps(const Node& node, Random& random) {
  BestPartition partition(node);
  for (size_t index = 1; index < kSizeCount; ++index) {
    double ratio = 0;
    size_t best = 0;
    size_t asked = 0;
    while (asked < 500) {
      std::vector<size_t> order = Shuffled(node.all, random);
      order.resize(random.Below(order.size() + 1));
      if (order.size() <= kSizes[index]) continue;
      ++asked;
      int table = partition.Total(order, index, true);
      int swaps = partition.Total(order, index, false);
      ratio += static_cast<double>(swaps) / table;
      if (swaps == table) ++best;
    }
    fmt::print("{}, sets of {}: {:.2f} % of the best sum on average, the best in {:.0f} %\n", node.name,
               kSizes[index], 100 * ratio / static_cast<double>(asked),
               100 * static_cast<double>(best) / static_cast<double>(asked));
  }
}

}  // namespace

bool CheckPeers() {
  Random random(1);
  size_t wrong = 0;
  for (const Node& node : AllNodes(Weights{})) {
    if (node.cards <= 8) wrong += CheckSmall(node, random);
    if (node.cards == 16) CompareSwaps(node, random);
  }
  return wrong == 0;
}

}  // namespace cleave::day
