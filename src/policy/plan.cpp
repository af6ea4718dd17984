// SPDX-License-Identifier: Apache-2.0
#include "policy/plan.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cleave {
namespace {

// What the kubelet is told of a unit.
bool SameForKubelet(const Unit& a, const Unit& b) {
  return a.id == b.id && (a.health == Health::kUnhealthy) == (b.health == Health::kUnhealthy) &&
         a.numa_nodes == b.numa_nodes;
}

}  // namespace

const Unit* Resource::Find(std::string_view id) const {
  auto found = std::find_if(units.begin(), units.end(), [&](const Unit& one) { return one.id == id; });
  return found == units.end() ? nullptr : &*found;
}

const Resource* Plan::Find(std::string_view name) const {
  auto found = std::find_if(resources.begin(), resources.end(),
                            [&](const Resource& resource) { return resource.name == name; });
  return found == resources.end() ? nullptr : &*found;
}

PlanDiff Diff(const Plan& old_plan, const Plan& new_plan) {
  PlanDiff diff;
  for (const Resource& resource : old_plan.resources) {
    if (new_plan.Find(resource.name) == nullptr) diff.removed.push_back(resource.name);
  }
  for (const Resource& resource : new_plan.resources) {
    const Resource* old = old_plan.Find(resource.name);
    if (old == nullptr) {
      diff.added.push_back(resource.name);
    } else if (!std::equal(old->units.begin(), old->units.end(), resource.units.begin(), resource.units.end(),
                           SameForKubelet)) {
      diff.changed.push_back(resource.name);
    }
  }
  return diff;
}

}  // namespace cleave
