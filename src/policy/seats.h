// SPDX-License-Identifier: Apache-2.0
// Where the units of a resource sit: on cards, several on one where cards are cut. Private to src/policy.
#ifndef CLEAVE_POLICY_SEATS_H_
#define CLEAVE_POLICY_SEATS_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "policy/plan.h"
#include "topology/graph.h"

namespace cleave {

// A seat is a card with units on it: a card in shares, all pieces of one card, or a single whole unit.
// Immutable once made.
struct Seats {
  std::vector<size_t> of_unit;             // seat of each unit
  std::vector<std::vector<size_t>> units;  // of each seat, in the order of the resource
  std::vector<size_t> numa;                // of each seat: seats with one number have the same NUMA nodes
  std::shared_ptr<const UnitTopology> topology;  // of the seats
};

// Sets resource.topology and resource.seats, of `resource.units`. Counted units have neither.
void Arrange(const Inventory& inventory, const Graph& graph, const Weights& weights, Resource& resource);

}  // namespace cleave

#endif  // CLEAVE_POLICY_SEATS_H_
