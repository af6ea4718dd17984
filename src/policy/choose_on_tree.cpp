// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "policy/affinity_tree.h"
#include "policy/choose.h"
#include "policy/tree_knapsack.h"

namespace cleave {
namespace {

// Counts by level packed so that adding and comparing whole words adds and compares them level by level.
class Digits {
 public:
  explicit Digits(const UnitTopology& topology) {
    int used = 64;
    for (const auto& level : topology.subtrees) {
      int width = std::max(1, static_cast<int>(std::bit_width(level.size())));
      if (used + width > 64) {
        ++words_;
        used = 0;
      }
      used += width;
      one_.emplace_back(words_ - 1, uint64_t{1} << (64 - used));
    }
  }
  size_t words() const { return words_; }
  // What an untouched subtree of a level adds: to which word, and how much.
  std::pair<size_t, uint64_t> One(size_t level) const { return one_[level]; }

 private:
  size_t words_ = 0;
  std::vector<std::pair<size_t, uint64_t>> one_;
};

// What of a node's units may and must be taken, and whether anything below it is in use.
struct Place {
  std::vector<size_t> must;
  std::vector<size_t> open;
  bool intact = true;
  size_t below_must = 0;  // in the whole subtree
  size_t below_all = 0;   // must and open
  double reach = 0;       // of a unit that hangs on the node; needs the weights of all above it
};

}  // namespace

Choice ChooseOnTree(const UnitTopology& topology, const AffinityTree& tree, const ChoiceRequest& request,
                    const std::vector<size_t>& must, const std::vector<size_t>& open) {
  enum : char { kGone, kInUse, kOpen, kMust };
  std::vector<char> state(topology.size, kGone);
  for (size_t unit : request.healthy) state[unit] = kInUse;
  for (size_t unit : open) state[unit] = kOpen;
  for (size_t unit : must) state[unit] = kMust;
  std::vector<Place> places(tree.nodes.size());
  for (size_t index = tree.nodes.size(); index-- > 0;) {
    Place& place = places[index];
    for (size_t unit : tree.nodes[index].units) {
      if (state[unit] == kMust) place.must.push_back(unit);
      if (state[unit] == kOpen) place.open.push_back(unit);
      if (state[unit] == kInUse) place.intact = false;
    }
    place.below_must += place.must.size();
    place.below_all += place.must.size() + place.open.size();
    if (index == 0) break;
    Place& parent = places[tree.nodes[index].parent];
    parent.below_must += place.below_must;
    parent.below_all += place.below_all;
    parent.intact = parent.intact && place.intact;
  }
  for (size_t index = 0; index < places.size(); ++index) {
    // To all that is below it; and above it to all but what is below it.
    double inside = static_cast<double>(places[index].below_all);
    const Place& parent = places[tree.nodes[index].parent];
    double weight = tree.nodes[index].weight;
    double beyond = tree.nodes[tree.nodes[index].parent].weight;
    places[index].reach = weight * (inside - 1);
    if (index > 0) places[index].reach += parent.reach + beyond - beyond * inside;
  }

  Digits digits(topology);
  Knapsack knapsack(digits.words());
  std::vector<std::vector<size_t>> below(tree.nodes.size());  // of each node its children's and own parts
  // Children come after their parents, so from the back every node is complete when its turn comes.
  for (size_t index = tree.nodes.size(); index-- > 0;) {
    const AffinityTree::Node& node = tree.nodes[index];
    Place& place = places[index];
    std::vector<size_t>& parts = below[index];
    auto group = [&](std::vector<size_t> in, std::vector<size_t> of, double own, double must_own) {
      if (in.empty() && of.empty()) return;
      parts.push_back(knapsack.Group(std::move(in), std::move(of), node.weight, place.reach, own, must_own,
                                     request.size));
    };
    // Those that are worth something else by themselves are a group of their own.
    if (topology.near.empty()) {
      group(place.must, place.open, 0, 0);
    } else {
      std::map<double, std::vector<size_t>> by_worth;
      for (size_t unit : place.open) by_worth[topology.Near(unit)].push_back(unit);
      double worth_of_must = 0;
      for (size_t unit : place.must) worth_of_must += topology.Near(unit);
      group(place.must, {}, 0, worth_of_must);
      for (auto& [worth, units] : by_worth) group({}, std::move(units), worth, 0);
    }
    // Two by two, so that a node of many children is no long chain.
    while (parts.size() > 1) {
      std::vector<size_t> joined;
      for (size_t i = 0; i + 1 < parts.size(); i += 2)
        joined.push_back(knapsack.Join(parts[i], parts[i + 1], node.weight, request.size));
      if (parts.size() % 2 != 0) joined.push_back(parts.back());
      parts = std::move(joined);
    }
    if (index == 0 || parts.empty()) continue;
    if (node.level >= 0 && place.intact && place.below_must == 0)
      knapsack.CountWhole(parts.front(), digits.One(static_cast<size_t>(node.level)));
    knapsack.Close(parts.front(), node.weight - tree.nodes[node.parent].weight, place.below_all);
    below[node.parent].push_back(parts.front());
  }
  size_t row = knapsack.Row(below[0].front(), request.size);
  const KnapsackPart& best = knapsack.part(below[0].front());
  Choice choice;
  choice.bound = choice.score = best.scores[row];
  choice.optimal = true;
  choice.steps = knapsack.steps();
  for (size_t unit : must) choice.units.push_back(unit);
  for (size_t unit : open) {
    size_t word = unit / 64 - best.first_word;
    if (best.bits[row * best.words + word] >> (63 - unit % 64) & 1) choice.units.push_back(unit);
  }
  std::sort(choice.units.begin(), choice.units.end());
  return choice;
}

}  // namespace cleave
