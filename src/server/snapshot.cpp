// SPDX-License-Identifier: Apache-2.0
#include "server/snapshot.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "policy/plan.h"

namespace cleave {

std::shared_ptr<const Snapshot> MakeSnapshot(uint64_t generation, std::shared_ptr<const Plan> plan,
                                             const std::string& resource) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generation = generation;
  snapshot->resource = resource;
  if (const Resource* found = plan->Find(resource)) {
    for (const Unit& unit : found->units) {
      snapshot->devices.push_back({unit.id, unit.health != Health::kUnhealthy, unit.numa_nodes});
    }
  }
  snapshot->plan = std::move(plan);
  return snapshot;
}

}  // namespace cleave
