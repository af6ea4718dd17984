// SPDX-License-Identifier: Apache-2.0
#include "policy/affinity_tree.h"

#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "policy/choose.h"
#include "policy/choose_selection.h"

namespace cleave {

std::optional<AffinityTree> FindAffinityTree(const UnitTopology& topology) {
  AffinityTree tree;
  tree.nodes.emplace_back();
  std::vector<size_t> owner(topology.size, 0);  // the lowest node so far that holds the unit
  for (size_t level = 0; level < topology.subtrees.size(); ++level) {
    for (const std::vector<size_t>& units : topology.subtrees[level]) {
      size_t parent = owner[units.front()];
      for (size_t unit : units) {
        if (owner[unit] != parent) return std::nullopt;  // a unit in two places
        owner[unit] = tree.nodes.size();
      }
      tree.nodes.push_back({parent, 0, static_cast<int>(level), {}});
    }
  }
  size_t places = topology.Places();
  std::vector<size_t> count(places, 0);
  for (size_t unit = 0; unit < topology.size; ++unit) ++count[topology.Place(unit)];
  std::vector<size_t> home(places, 0);  // the node of a place
  std::vector<char> settled(places, 0);
  for (size_t unit = 0; unit < topology.size; ++unit) {
    size_t place = topology.Place(unit);
    if (!std::exchange(settled[place], 1)) {
      home[place] = owner[unit];
      if (count[place] > 1) {
        home[place] = tree.nodes.size();
        tree.nodes.push_back({owner[unit], topology.affinity[place * places + place], -1, {}});
      }
    }
    tree.nodes[home[place]].units.push_back(unit);
  }
  std::vector<int> depth(tree.nodes.size(), 0);
  for (size_t node = 1; node < tree.nodes.size(); ++node) depth[node] = depth[tree.nodes[node].parent] + 1;
  std::vector<char> known(tree.nodes.size(), 0);
  for (size_t a = 0; a < places; ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (count[a] == 0 || count[b] == 0) continue;
      size_t left = home[a];
      size_t right = home[b];
      while (left != right) {
        size_t& deeper = depth[left] >= depth[right] ? left : right;
        deeper = tree.nodes[deeper].parent;
      }
      AffinityTree::Node& common = tree.nodes[left];
      double affinity = topology.affinity[a * places + b];
      if (!std::exchange(known[left], 1)) common.weight = affinity;
      if (std::abs(common.weight - affinity) > kSameScore) return std::nullopt;
    }
  }
  // Where no two places meet a node has no weight of its own: that of the next one up does not look like a
  // step.
  for (AffinityTree::Node& node : tree.nodes) {
    auto index = static_cast<size_t>(&node - tree.nodes.data());
    if (!known[index] && node.units.size() < 2) node.weight = tree.nodes[node.parent].weight;
  }
  return tree;
}

}  // namespace cleave
