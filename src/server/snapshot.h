// SPDX-License-Identifier: Apache-2.0
// What one resource's server answers from.
#ifndef CLEAVE_SERVER_SNAPSHOT_H_
#define CLEAVE_SERVER_SNAPSHOT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "policy/plan.h"
#include "server/cdi_specs.h"

namespace cleave {

// One line of what ListAndWatch sends.
struct ListedDevice {
  std::string id;
  bool healthy = true;
  std::vector<int> numa_nodes;  // empty: unknown, and then nothing is said about them
  bool operator==(const ListedDevice&) const = default;
};

// Immutable; shared between the main thread, which makes them, and gRPC's threads.
struct Snapshot {
  uint64_t generation = 0;  // counts plans, from 1
  std::shared_ptr<const Plan> plan;
  std::string resource;
  std::vector<ListedDevice> devices;
  std::shared_ptr<const CdiSpecs> cdi;  // null: CDI is not served

  // The resource in the plan; null when the plan has none of this name (any more).
  const Resource* Find() const { return plan->Find(resource); }
  // True when its cards may be in other resources, too.
  bool Exclusive() const;
  // True when one of these devices is withheld.
  bool Withholds(const std::vector<std::string>& ids) const;
};

std::shared_ptr<const Snapshot> MakeSnapshot(uint64_t generation, std::shared_ptr<const Plan> plan,
                                             const std::string& resource,
                                             std::shared_ptr<const CdiSpecs> cdi = nullptr);

}  // namespace cleave

#endif  // CLEAVE_SERVER_SNAPSHOT_H_
