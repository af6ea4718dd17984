// SPDX-License-Identifier: Apache-2.0
#include "server/snapshot.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "server/cdi_specs.h"

namespace cleave {

bool Snapshot::Exclusive() const {
  const Resource* found = Find();
  return found != nullptr && found->overlap == Overlap::kExclusive;
}

bool Snapshot::Withholds(const std::vector<std::string>& ids) const {
  const Resource* found = Find();
  return found != nullptr && std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
           const Unit* unit = found->Find(id);
           return unit != nullptr && unit->withheld;
         });
}

std::shared_ptr<const Snapshot> MakeSnapshot(uint64_t generation, std::shared_ptr<const Plan> plan,
                                             const std::string& resource,
                                             std::shared_ptr<const CdiSpecs> cdi) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generation = generation;
  snapshot->resource = resource;
  if (const Resource* found = plan->Find(resource)) {
    for (const Unit& unit : found->units) {
      snapshot->devices.push_back({unit.id, unit.health != Health::kUnhealthy, unit.numa_nodes});
    }
  }
  snapshot->plan = std::move(plan);
  snapshot->cdi = std::move(cdi);
  return snapshot;
}

}  // namespace cleave
