// SPDX-License-Identifier: Apache-2.0
// What is to be told about a choice: what came next, and what it leaves behind.
#ifndef CLEAVE_POLICY_CHOOSE_EXPLAIN_H_
#define CLEAVE_POLICY_CHOOSE_EXPLAIN_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "policy/choose.h"
#include "policy/plan.h"

namespace cleave {

// The best set with one unit less of one of the chosen cards or kinds, by the order of docs/choosing.md;
// nullopt when there is no other set with as few unhealthy units, or units have no cards. One search for each
// of them, 64 at most, so of larger sets it may not be the very best.
std::optional<Choice> NextBest(const Resource& resource, const ChoiceRequest& request, const Choice& choice);

// A part of the machine whose devices were all free and none of which is chosen.
struct WholePart {
  std::string name;  // "NUMA node 0", "host bridge pci0000:30", "bridge 0000:30:02.0"
  size_t units = 0;  // healthy devices in it, two at least
};

// What the pairs of these units have in common, each by its nearest cards: "2 same_switch, 1 same_numa", and
// the links between them: "1 ethernet". "" for less than two units, or units without cards.
std::string Together(const Plan& plan, const Resource& resource, const std::vector<size_t>& units);

// The largest ones, in the order of the tree; parts of one that is listed are not.
std::vector<WholePart> LeftWhole(const Plan& plan, const Resource& resource, const ChoiceRequest& request,
                                 const std::vector<size_t>& chosen);

}  // namespace cleave

#endif  // CLEAVE_POLICY_CHOOSE_EXPLAIN_H_
