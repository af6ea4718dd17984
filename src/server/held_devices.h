// SPDX-License-Identifier: Apache-2.0
// Device ids that pods may hold and that the machine does not show (any more). The kubelet must always see
// them: dropping an id in use can panic it (device manager, topology_hints.go).
#ifndef CLEAVE_SERVER_HELD_DEVICES_H_
#define CLEAVE_SERVER_HELD_DEVICES_H_

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "server/kubelet_client.h"

namespace cleave {

// True when these settings could offer a resource of this name on this node, whatever cards there are.
bool CouldOffer(const Settings& settings, const std::string& node_name, std::string_view resource);

// Remembers who left and who is known to be held.
//
// An id that was offered once is offered until the kubelet, asked `linger` after it left, says that no pod
// holds it: an Allocate may be under way that it does not count yet. If the kubelet cannot be asked, the id
// stays.
//
// Threads: one thread only. Time is passed in.
class HeldDevices {
 public:
  using Clock = std::chrono::steady_clock;

  explicit HeldDevices(Clock::duration linger = std::chrono::seconds(60)) : linger_(linger) {}

  // The kubelet's answer to a question asked at `asked`.
  void SetHeld(HeldIds held, Clock::time_point asked);

  // Adds to the resources of `plan`, unhealthy: ids of `before` that they lack, and ids that pods hold and
  // they lack. A resource of `before` that the settings could still offer stays, even with an empty list; one
  // that they do not offer any more goes with all its ids. What pods hold never makes a resource: that of
  // another plugin may have a name that these settings could offer, too. What is offered under another name
  // now while a pod holds it under the old one is withheld; that includes the name of a resource before a
  // restart, or of another plugin's, when the id is a PCI address. What would make a list longer than the
  // kubelet takes is left out, unless a pod is known to hold it. `before` may be null.
  void Complete(Plan& plan, const Plan* before, const Settings& settings, Clock::time_point now);

  // Cards of `inventory` that are gone and may be forgotten: no unit of `plan` with such a card is held.
  std::vector<std::string> CardsToForget(const Plan& plan, Clock::time_point now);

  // True while something waits for the kubelet to be asked again.
  bool Pending() const { return !left_.empty() || !gone_.empty() || !dropped_.empty() || ghosts_ > 0; }

 private:
  void AddGhosts(const std::set<std::string>& ids, Resource& resource);
  size_t WithholdWhatIsHeld(const std::map<std::string, std::set<std::string>>& elsewhere,
                            const Inventory& inventory, Resource& resource) const;
  bool IsHeld(const std::string& resource, const std::string& id) const;

  const Clock::duration linger_;
  HeldIds held_;
  Clock::time_point asked_ = Clock::time_point::min();
  std::map<std::pair<std::string, std::string>, Clock::time_point> left_;  // resource and id, since when
  std::map<std::string, Clock::time_point> gone_;                          // profile/card id, since when
  std::map<std::string, Clock::time_point> dropped_;  // names that are not offered any more, since when
  size_t ghosts_ = 0;  // ids that were added to the last plan or withheld in it
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_HELD_DEVICES_H_
