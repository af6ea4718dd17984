// SPDX-License-Identifier: Apache-2.0
// Which units a container should get: the answer to GetPreferredAllocation.
#ifndef CLEAVE_POLICY_CHOOSE_H_
#define CLEAVE_POLICY_CHOOSE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "config/resource_spec.h"

namespace cleave {

struct AffinityTree;

// How the units of one resource stand to each other. Immutable once made.
//
// Units that are cut from the same cards (shares of one card) are in one place: they stand alike to
// everything else. Ten thousand shares of eight cards need a table of 8 x 8.
struct UnitTopology {
  size_t size = 0;            // number of units n
  std::vector<size_t> place;  // of each unit, from 0; empty: unit i is place i
  size_t places = 0;          // number of places p; of no meaning when `place` is empty
  // p x p, symmetric; the diagonal is what two units of one place have in common, and does not count where a
  // place has one unit. A set's score is the sum over its pairs of units.
  std::vector<double> affinity;
  // Of each unit, what it adds to a score by itself: how near it is to a network card. Empty: nothing.
  std::vector<double> near;
  // Subtrees of the machine, level by level from the root down: for each the units with a card in it. Those
  // that hold all units or a single one are left out, they never tell two choices apart.
  std::vector<std::vector<std::vector<size_t>>> subtrees;
  std::shared_ptr<const AffinityTree> tree;  // set by FindTree() when the affinities are those of a tree
  // Of each unit, set by FindTree() when there is no tree: units of one number can be exchanged in any set
  // without a change of its score or of what it leaves untouched. Empty: not looked for.
  std::vector<size_t> alike;

  size_t Places() const { return place.empty() ? size : places; }
  size_t Place(size_t unit) const { return place.empty() ? unit : place[unit]; }
  double Near(size_t unit) const { return near.empty() ? 0 : near[unit]; }
  double Affinity(size_t a, size_t b) const { return affinity[Place(a) * Places() + Place(b)]; }
};

// Sets topology.tree where there is one, else topology.alike. Choose() works without, but is slower.
void FindTree(UnitTopology& topology);

struct ChoiceRequest {
  size_t size = 0;                // k
  std::vector<size_t> available;  // indexes of units; must-include ones may be left out of it
  std::vector<size_t> must_include;
  std::vector<size_t> healthy;  // all healthy units, for judging what is left; those not available are in use
  uint64_t budget_steps = 600'000;  // looks at a pair of units; less than 3 ms
  // Asked now and then in a search; true: the best so far is the answer. Guards against a processor that is
  // far slower than the steps suppose; empty: never. The only thing that may make two answers to one question
  // differ.
  std::function<bool()> give_up = nullptr;
};

struct Choice {
  std::vector<size_t> units;  // sorted; exactly k, fewer only when fewer than k exist
  double score = 0;
  bool optimal = false;  // proven that no set scores higher
  // No set scores more; the score when optimal, unless the preference is for something else.
  double bound = 0;
  uint64_t steps = 0;
  // How much of the bound the score may miss, 0 to 1; 0 when optimal.
  double GapRatio() const { return !optimal && bound > score ? (bound - score) / bound : 0; }
};

// Threads: any. Deterministic: the same request has the same answer.
Choice Choose(Preference preference, const UnitTopology& topology, const ChoiceRequest& request);

// Sum over the pairs of `units`, which are different, and over what each adds by itself.
double Score(const UnitTopology& topology, const std::vector<size_t>& units);

}  // namespace cleave

#endif  // CLEAVE_POLICY_CHOOSE_H_
