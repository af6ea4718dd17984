// SPDX-License-Identifier: Apache-2.0
// Choosing on a tree, exactly and fast: the affinity of two units is the weight of the lowest node above
// both.
#ifndef CLEAVE_POLICY_AFFINITY_TREE_H_
#define CLEAVE_POLICY_AFFINITY_TREE_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "policy/choose.h"

namespace cleave {

// The nested sets of UnitTopology::subtrees as a tree over units. Node 0 holds all units; a parent comes
// before its children.
struct AffinityTree {
  struct Node {
    size_t parent = 0;
    double weight = 0;  // affinity of two units whose lowest common node this is
    int level = -1;     // index into UnitTopology::subtrees; -1 for node 0 and for a place of several units
    std::vector<size_t> units;  // that hang on this node itself, sorted
  };
  std::vector<Node> nodes;
};

// nullopt when the affinities are not those of a tree: links that cut across it, units of several cards.
// O(p^2 + n).
std::optional<AffinityTree> FindAffinityTree(const UnitTopology& topology);

// The best set of k by dynamic programming over the tree: a knapsack over the children of each node, at most
// O(n k) steps. Score, untouched subtrees level by level, reach and PCI-walk order are all sums over nodes,
// so the best of a node for each number of units is made of the best of its children: see docs/choosing.md
// for the proof. `must` and `open` are disjoint and sorted, and more than request.size together.
Choice ChooseOnTree(const UnitTopology& topology, const AffinityTree& tree, const ChoiceRequest& request,
                    const std::vector<size_t>& must, const std::vector<size_t>& open);

}  // namespace cleave

#endif  // CLEAVE_POLICY_AFFINITY_TREE_H_
