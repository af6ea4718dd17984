// SPDX-License-Identifier: Apache-2.0
// What the PCI/NUMA tree says about pairs of cards. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_TREE_AFFINITIES_H_
#define CLEAVE_TOPOLOGY_TREE_AFFINITIES_H_

#include <cstddef>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "topology/machine_tree.h"

namespace cleave {

// Always hierarchical: of the three values between any three cards the two smallest are equal (an
// ultrametric), which the dynamic programming over the tree relies on. For that
//   - what lies deeper is never worth less than what holds it, whatever the weights say;
//   - the pieces of a card, and the functions of a device, stand together at the place that they share;
//   - levels of switches are counted to the deepest card of each branch below the common bridge.
//
// Owns what it needs, but for the tree. Threads: any.
class TreeAffinities {
 public:
  // `tree` must outlive this.
  TreeAffinities(const Inventory& inventory, const MachineTree& tree, const Weights& weights);

  // 0 for a == b.
  double Between(size_t a, size_t b) const;

 private:
  struct Place {
    size_t vertex = 0;
    int whole = -1;   // pieces of one card have the same
    int device = -1;  // functions of one device have the same
  };
  void SetPlaces(const Inventory& inventory);
  int BranchHeight(size_t place, size_t common) const;

  const MachineTree& tree_;
  Weights weights_;            // never less for what lies deeper
  std::vector<Place> places_;  // by card
  std::vector<int> height_;    // by vertex: bridges strictly below it, on the way to the deepest card
};

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_TREE_AFFINITIES_H_
