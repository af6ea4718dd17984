// SPDX-License-Identifier: Apache-2.0
// Which units a container should get, by the preference of their resource: whole cards, and fractions of
// them.
#ifndef CLEAVE_POLICY_CHOOSE_UNITS_H_
#define CLEAVE_POLICY_CHOOSE_UNITS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "config/resource_spec.h"
#include "policy/choose.h"
#include "policy/plan.h"

namespace cleave {

struct UnitChoice {
  Choice choice;        // score: sum of the affinities of all pairs of units
  std::string warning;  // what of the resource's wishes could not be kept; "": nothing
};

// Exactly request.size units, the must-include ones among them, whatever the preference would rather have;
// fewer only when fewer are named. What is in use is what is healthy and not available. Indexes are those of
// resource.units. Threads: any. Deterministic.
UnitChoice ChooseUnits(const Resource& resource, const ChoiceRequest& request);

// What the resource's preference means for its units: whole cards are full or free, so that to pack them is
// to keep them together, and to spread them is over NUMA nodes.
Preference PreferenceOf(const Resource& resource);

// The request with healthy units only to choose from; the others must be included as far as there are not
// enough of these.
ChoiceRequest HealthyFirst(const Resource& resource, ChoiceRequest request);

// Affinity of two units, by index.
double UnitAffinity(const Resource& resource, size_t a, size_t b);

// Why a container must not have these units by same_card of their resource; "" when it may.
std::string BreaksSameCard(const Plan& plan, const Resource& resource, const std::vector<const Unit*>& units);

}  // namespace cleave

#endif  // CLEAVE_POLICY_CHOOSE_UNITS_H_
