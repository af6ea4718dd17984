// SPDX-License-Identifier: Apache-2.0
// Which units a container should get: the answer to GetPreferredAllocation.
#ifndef CLEAVE_POLICY_CHOOSE_H_
#define CLEAVE_POLICY_CHOOSE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "config/resource_spec.h"

namespace cleave {

struct AffinityTree;

// How the units of one resource stand to each other. Immutable once made.
struct UnitTopology {
  size_t size = 0;  // number of units n
  std::vector<double>
      affinity;  // n x n, symmetric, 0 on the diagonal; a set's score is the sum over its pairs
  // Subtrees of the machine, level by level from the root down: for each the units with a card in it. Those
  // that hold all units or a single one are left out, they never tell two choices apart.
  std::vector<std::vector<std::vector<size_t>>> subtrees;
  std::shared_ptr<const AffinityTree> tree;  // set by FindTree() when the affinities are those of a tree
  double Affinity(size_t a, size_t b) const { return affinity[a * size + b]; }
};

// Sets topology.tree where there is one. Without it Choose() searches, which is exact too, but slower.
void FindTree(UnitTopology& topology);

struct ChoiceRequest {
  size_t size = 0;                // k
  std::vector<size_t> available;  // indexes of units; must-include ones may be left out of it
  std::vector<size_t> must_include;
  std::vector<size_t> healthy;  // all healthy units, for judging what is left; those not available are in use
  uint64_t budget_steps = 200'000;  // search steps; about 3 ms
};

struct Choice {
  std::vector<size_t> units;  // sorted; exactly k, fewer only when fewer than k exist
  double score = 0;
  bool optimal = false;  // proven that no set scores higher
  double gap = 0;        // upper bound minus score, 0 when optimal
  uint64_t steps = 0;
};

// Threads: any. Deterministic: the same request has the same answer.
Choice Choose(Preference preference, const UnitTopology& topology, const ChoiceRequest& request);

}  // namespace cleave

#endif  // CLEAVE_POLICY_CHOOSE_H_
