// SPDX-License-Identifier: Apache-2.0
// Allocate without gRPC: what a container gets, checked against the machine as it is this moment.
#ifndef CLEAVE_SERVER_ALLOCATE_H_
#define CLEAVE_SERVER_ALLOCATE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "server/snapshot.h"

namespace cleave {

// Whether the card's entry still leads to its function, and its device nodes are there. Cards are renumbered
// when a driver is loaded again, and between that and the next scan a plan names the wrong nodes. ABORTED,
// with what is wrong.
absl::Status CheckCard(const HostRoot& root, const Card& card);

// MakeEdits() for these devices, without the mounts that the host lacks and may lack. Reads the host; changes
// nothing, so the same question may be asked again. Errors name unit and reason:
//   NOT_FOUND            a device that the resource does not have
//   FAILED_PRECONDITION  a device that is not healthy, a template without a value, a mount that the host
//                        lacks
//   ABORTED              the machine is no longer what the plan says: scan it and ask again
// Threads: any.
absl::StatusOr<ContainerEdits> AllocateContainer(const Snapshot& snapshot, const HostRoot& root,
                                                 const std::vector<std::string>& ids);

// What would be refused although the device is healthy, because the host lacks something that its container
// gets.
struct Refusal {
  std::string resource;
  std::string device;  // the first one
  size_t more = 0;     // others of the resource, for the same reason
  std::string reason;
};

// Tries every healthy device alone; of shares of one card one. Threads: any.
std::vector<Refusal> FindRefusals(const Plan& plan, const HostRoot& root);

// True for an error that a new look at the machine may cure.
bool IsWorthARescan(const absl::Status& status);

}  // namespace cleave

#endif  // CLEAVE_SERVER_ALLOCATE_H_
