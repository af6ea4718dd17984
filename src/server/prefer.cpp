// SPDX-License-Identifier: Apache-2.0
#include "server/prefer.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "policy/choose_explain.h"
#include "policy/choose_units.h"
#include "policy/plan.h"

namespace cleave {

namespace {

// A pod's admission waits for the answer. Searches end after so many steps, about 3 ms; this is for a
// processor that is throttled or shared.
constexpr std::chrono::milliseconds kLongest{50};

}  // namespace

Preferred Prefer(const Resource* resource, const PreferRequest& request) {
  Preferred answer;
  answer.choice.optimal = true;  // where there is nothing to choose
  size_t size = request.size > 0 ? static_cast<size_t>(request.size) : 0;
  // Units at the end are placeholders for ids that pods hold and no card stands behind.
  size_t choosable = resource != nullptr ? resource->units.size() : 0;
  while (choosable > 0 && resource->units[choosable - 1].gone) --choosable;
  std::unordered_map<std::string_view, size_t> index;
  index.reserve(choosable);
  ChoiceRequest choice;
  for (size_t i = 0; i < choosable; ++i) {
    index.emplace(resource->units[i].id, i);
    if (resource->units[i].health != Health::kUnhealthy) choice.healthy.push_back(i);
  }
  std::unordered_set<std::string_view> seen;
  seen.reserve(request.available.size() + request.must_include.size());
  for (const std::string& id : request.must_include) {
    if (!seen.insert(id).second) continue;
    if (auto known = index.find(id); known != index.end()) {
      choice.must_include.push_back(known->second);
    } else {
      answer.unknown.push_back(id);
      if (answer.ids.size() < size) answer.ids.push_back(id);
    }
  }
  std::vector<std::string> unknown;
  for (const std::string& id : request.available) {
    if (!seen.insert(id).second) continue;
    auto known = index.find(id);
    if (resource == nullptr || known == index.end()) {
      unknown.push_back(id);
    } else {
      choice.available.push_back(known->second);
      if (resource->units[known->second].health == Health::kUnhealthy) answer.unhealthy.push_back(id);
    }
  }
  size_t left = size - answer.ids.size();
  choice.size = std::min(left, choice.available.size() + choice.must_include.size());
  if (choice.must_include.size() > choice.size) choice.must_include.resize(choice.size);
  if (choice.size > 0) {
    choice = HealthyFirst(*resource, std::move(choice));
    choice.give_up = [until = std::chrono::steady_clock::now() + kLongest] {
      return std::chrono::steady_clock::now() > until;
    };
    UnitChoice made = ChooseUnits(*resource, choice);
    const Choice& chosen = made.choice;
    answer.warning = made.warning;
    for (size_t unit : chosen.units) answer.ids.push_back(resource->units[unit].id);
    answer.choice = chosen;
    answer.question = std::move(choice);
  }
  // In the order of the ids: the kubelet shuffles, the answer should not.
  std::sort(answer.unhealthy.begin(), answer.unhealthy.end());
  std::sort(unknown.begin(), unknown.end());
  for (const std::string& id : unknown) {
    if (answer.ids.size() < size) answer.ids.push_back(id);
  }
  answer.unknown.insert(answer.unknown.end(), unknown.begin(), unknown.end());
  return answer;
}

namespace {

// Steps that the next best set may cost: one search for each device that is chosen.
constexpr uint64_t kMostForNext = 2'000'000;

std::string IdsOf(const Resource& resource, const std::vector<size_t>& units) {
  std::vector<std::string> ids;
  for (size_t unit : units) ids.push_back(resource.units[unit].id);
  return Join(ids, ",");
}

std::string NextText(const Resource& resource, const Preferred& answer) {
  if (answer.choice.steps * answer.choice.units.size() > kMostForNext) return "";
  std::optional<Choice> next = NextBest(resource, answer.question, answer.choice);
  return next ? fmt::format("{:g} {}", next->score, IdsOf(resource, next->units)) : "";
}

std::string LeavesText(const Plan& plan, const Resource& resource, const Preferred& answer) {
  std::vector<std::string> parts;
  for (const WholePart& part : LeftWhole(plan, resource, answer.question, answer.choice.units))
    parts.push_back(fmt::format("{} ({})", part.name, part.units));
  return Join(parts, ", ");
}

}  // namespace

void LogPreferred(const Plan& plan, const std::string& resource, const PreferRequest& request,
                  const Preferred& answer, std::chrono::nanoseconds took) {
  if (!answer.warning.empty()) {
    Log(LogLevel::kWarning, "a preference cannot be kept",
        {{"resource", resource}, {"reason", answer.warning}});
  }
  if (!answer.unknown.empty() || !answer.unhealthy.empty()) {
    Log(LogLevel::kWarning, "the kubelet names devices that are not there or not healthy",
        {{"resource", resource},
         {"unknown", Join(answer.unknown, ",")},
         {"unhealthy", Join(answer.unhealthy, ",")}});
  }
  const Resource* found = plan.Find(resource);
  if (!LogEnabled(LogLevel::kDebug) || found == nullptr) return;
  Log(LogLevel::kDebug, "preferred",
      {{"resource", resource},
       {"size", fmt::format("{}", request.size)},
       {"available", fmt::format("{}", request.available.size())},
       {"must_include", Join(request.must_include, ",")},
       {"devices", Join(answer.ids, ",")},
       {"score", fmt::format("{:g}", answer.choice.score)},
       {"optimal", answer.choice.optimal ? "true" : "false"},
       {"gap_percent", fmt::format("{:.2f}", 100 * answer.choice.GapRatio())},
       {"shares", Together(plan, *found, answer.choice.units)},
       {"next", NextText(*found, answer)},
       {"leaves_whole", LeavesText(plan, *found, answer)},
       {"steps", fmt::format("{}", answer.choice.steps)},
       {"us", fmt::format("{}", std::chrono::duration_cast<std::chrono::microseconds>(took).count())}});
}

}  // namespace cleave
