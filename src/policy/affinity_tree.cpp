// SPDX-License-Identifier: Apache-2.0
#include "policy/affinity_tree.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "policy/choose.h"

namespace cleave {
namespace {

constexpr double kSame = 1e-7;

// The best way to take a number of units below a node. Compared by score, then untouched subtrees from the
// root's level down, then PCI-walk order: the first unit is the highest bit of the first word.
struct Best {
  double score = 0;
  std::vector<int> untouched;
  std::vector<uint64_t> bits;
};

bool IsBetter(const Best& a, const Best& b) {
  if (std::abs(a.score - b.score) > kSame) return a.score > b.score;
  if (a.untouched != b.untouched) return a.untouched > b.untouched;
  return a.bits > b.bits;
}

// Index: number of units taken. nullopt: cannot be.
using Table = std::vector<std::optional<Best>>;

class Knapsack {
 public:
  Knapsack(const UnitTopology& topology, size_t most) : most_(most), nothing_(1) {
    nothing_[0] = Best{0, std::vector<int>(topology.subtrees.size(), 0),
                       std::vector<uint64_t>((topology.size + 63) / 64, 0)};
  }

  void Join(Table& into, const Table& other, double weight) {
    Table joined(std::min(most_, into.size() + other.size() - 2) + 1);
    for (size_t i = 0; i < into.size(); ++i) {
      if (!into[i]) continue;
      for (size_t j = 0; j < other.size() && i + j < joined.size(); ++j) {
        ++steps_;
        if (!other[j]) continue;
        double score = into[i]->score + other[j]->score + weight * static_cast<double>(i * j);
        std::optional<Best>& place = joined[i + j];
        if (place && score < place->score - kSame) continue;
        Best sum = *into[i];
        sum.score = score;
        for (size_t level = 0; level < sum.untouched.size(); ++level)
          sum.untouched[level] += other[j]->untouched[level];
        for (size_t word = 0; word < sum.bits.size(); ++word) sum.bits[word] |= other[j]->bits[word];
        if (!place || IsBetter(sum, *place)) place = std::move(sum);
      }
    }
    into = std::move(joined);
  }

  // One unit: taken, left, or either.
  Table Leaf(size_t unit, bool may_take, bool may_leave) const {
    Table leaf = nothing_;
    if (may_take) {
      leaf.push_back(leaf[0]);
      leaf[1]->bits[unit / 64] |= uint64_t{1} << (63 - unit % 64);
    }
    if (!may_leave) leaf[0].reset();
    return leaf;
  }

  const Table& nothing() const { return nothing_; }
  uint64_t steps() const { return steps_; }

 private:
  const size_t most_;
  Table nothing_;  // no unit at all
  uint64_t steps_ = 0;
};

}  // namespace

std::optional<AffinityTree> FindAffinityTree(const UnitTopology& topology) {
  AffinityTree tree;
  tree.nodes.emplace_back();
  std::vector<size_t> owner(topology.size, 0);  // the lowest node so far that holds the unit
  for (size_t level = 0; level < topology.subtrees.size(); ++level) {
    for (const std::vector<size_t>& units : topology.subtrees[level]) {
      size_t parent = owner[units.front()];
      bool nested =
          std::all_of(units.begin(), units.end(), [&](size_t unit) { return owner[unit] == parent; });
      if (!nested) return std::nullopt;  // a unit in two places
      for (size_t unit : units) owner[unit] = tree.nodes.size();
      tree.nodes.push_back({parent, 0, static_cast<int>(level), {}});
    }
  }
  for (size_t unit = 0; unit < topology.size; ++unit) tree.nodes[owner[unit]].units.push_back(unit);
  std::vector<int> depth(tree.nodes.size(), 0);
  for (size_t node = 1; node < tree.nodes.size(); ++node) depth[node] = depth[tree.nodes[node].parent] + 1;
  std::vector<char> known(tree.nodes.size(), 0);
  for (size_t a = 0; a < topology.size; ++a) {
    for (size_t b = 0; b < a; ++b) {
      size_t left = owner[a];
      size_t right = owner[b];
      while (left != right)
        (depth[left] >= depth[right] ? left : right) =
            tree.nodes[depth[left] >= depth[right] ? left : right].parent;
      AffinityTree::Node& common = tree.nodes[left];
      if (!std::exchange(known[left], 1)) common.weight = topology.Affinity(a, b);
      if (std::abs(common.weight - topology.Affinity(a, b)) > kSame) return std::nullopt;
    }
  }
  return tree;
}

Choice ChooseOnTree(const UnitTopology& topology, const AffinityTree& tree, const ChoiceRequest& request,
                    const std::vector<size_t>& must, const std::vector<size_t>& open) {
  std::vector<char> may_take(topology.size, 0);
  std::vector<char> may_leave(topology.size, 1);
  std::vector<char> in_use(topology.size, 0);
  for (size_t unit : request.healthy) in_use[unit] = 1;
  for (size_t unit : open) may_take[unit] = 1, in_use[unit] = 0;
  for (size_t unit : must) may_take[unit] = 1, may_leave[unit] = 0, in_use[unit] = 0;

  Knapsack knapsack(topology, request.size);
  std::vector<Table> tables(tree.nodes.size(), knapsack.nothing());
  std::vector<char> intact(tree.nodes.size(), 1);
  // Children come after their parents, so from the back every node is complete when its turn comes.
  for (size_t index = tree.nodes.size(); index-- > 0;) {
    const AffinityTree::Node& node = tree.nodes[index];
    for (size_t unit : node.units) {
      if (in_use[unit]) intact[index] = 0;
      if (may_take[unit])
        knapsack.Join(tables[index], knapsack.Leaf(unit, true, may_leave[unit] != 0), node.weight);
    }
    if (index == 0) break;
    if (intact[index] && tables[index][0]) ++tables[index][0]->untouched[static_cast<size_t>(node.level)];
    knapsack.Join(tables[node.parent], tables[index], tree.nodes[node.parent].weight);
    if (!intact[index]) intact[node.parent] = 0;
    Table().swap(tables[index]);
  }
  const Best& best = *tables[0][request.size];
  Choice choice;
  choice.score = best.score;
  choice.optimal = true;
  choice.steps = knapsack.steps();
  for (size_t unit = 0; unit < topology.size; ++unit) {
    if ((best.bits[unit / 64] >> (63 - unit % 64)) & 1) choice.units.push_back(unit);
  }
  return choice;
}

}  // namespace cleave
