// SPDX-License-Identifier: Apache-2.0
// Cutting cards into units: one function for each kind. Private to src/policy.
#ifndef CLEAVE_POLICY_UNITS_H_
#define CLEAVE_POLICY_UNITS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/resource_spec.h"
#include "config/text_template.h"
#include "policy/choose.h"
#include "policy/plan.h"
#include "topology/graph.h"

namespace cleave {

// A card of which more is to come, see Card::waiting: it belongs to no unit yet.
struct LateCard {
  size_t card;
  std::string awaited;  // "serial"
};

// The units of `resource` (its name, unit kind and container are set) over `cards`, indexes in PCI-walk
// order. Cards that end in no unit are put into `left_out` with the reason. A group that may still grow and
// that a card of `late` may be part of is unhealthy.
std::vector<Unit> MakeUnits(const ResourceSpec& spec, const Plan& plan, const Resource& resource,
                            const std::vector<size_t>& cards, const std::vector<LateCard>& late,
                            std::vector<NotOffered>& left_out);

// Devices without hardware: STEM-0, STEM-1, ...
std::vector<Unit> MakeCountedUnits(const std::string& stem, int64_t count);

// What a template for a number stands for: from `least` to kMostPieces. INVALID_ARGUMENT and NOT_FOUND say
// why not.
absl::StatusOr<int64_t> NumberFrom(const TextTemplate& text, const TextTemplate::Lookup& lookup,
                                   int64_t least);

// How units stand to each other: the affinity of two is the mean over their pairs of cards. `near`: network
// cards that they had better be near to.
std::shared_ptr<const UnitTopology> MakeUnitTopology(const Graph& graph, const std::vector<Unit>& units,
                                                     const std::vector<std::string>& near);

}  // namespace cleave

#endif  // CLEAVE_POLICY_UNITS_H_
