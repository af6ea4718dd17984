// SPDX-License-Identifier: Apache-2.0
// How plans and choices are printed. The JSON keys are an interface; docs/json.md lists them.
#ifndef CLEAVE_OUTPUT_H_
#define CLEAVE_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "policy/choose.h"
#include "policy/choose_explain.h"
#include "policy/plan.h"
#include "server/allocate.h"

namespace cleave {

std::string PlanText(const Plan& plan, const std::vector<Refusal>& refusals);
std::string PlanJson(const Plan& plan, const std::vector<Refusal>& refusals, const Diagnostics& diagnostics);

// One answer of `cleave prefer`, with what is needed to explain it.
struct PreferReport {
  const Plan* plan = nullptr;
  const Resource* resource = nullptr;
  ChoiceRequest request;
  Choice choice;
  std::string warning;  // which wish of the resource could not be kept
  std::string refusal;  // why Allocate would refuse the set; "": it would not
  int64_t microseconds = 0;
  std::optional<Choice> next;    // the best set that differs
  std::vector<WholePart> whole;  // what is left untouched
};

std::string PreferText(const PreferReport& preferred);
// The part of it on the next best set and on what is left behind, a line each.
std::string RestText(const PreferReport& preferred);
std::string PreferJson(const PreferReport& preferred);

// What the pairs of these units share and what that is worth, a line each, indented; "" for a single one.
std::string PairsText(const Plan& plan, const Resource& resource, const std::vector<size_t>& units);

// "0-3,8" from a sorted list.
std::string RangeText(const std::vector<int>& numbers);

}  // namespace cleave

#endif  // CLEAVE_OUTPUT_H_
