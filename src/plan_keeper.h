// SPDX-License-Identifier: Apache-2.0
// Keeps this node's plan up to date: settings, what the machine shows, and what pods hold go in, a plan comes
// out.
#ifndef CLEAVE_PLAN_KEEPER_H_
#define CLEAVE_PLAN_KEEPER_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/host_root.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"
#include "discovery/patient_reader.h"
#include "discovery/scanner.h"
#include "policy/plan.h"
#include "server/held_devices.h"
#include "server/kubelet_client.h"
#include "server/ledger.h"
#include "server/metrics.h"
#include "topology/link_sources.h"

namespace cleave {

// Ownership: keeps a reference to metrics, and the root. Threads: one only. Time is passed in.
class PlanKeeper {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    LoadOptions files;
    std::string node_name;
    std::string kubelet_dir;  // the length of sockets' paths is checked
    Clock::duration linger = std::chrono::seconds(60);
    Patience patience = {};
  };
  PlanKeeper(std::shared_ptr<const HostRoot> root, Metrics& metrics, Options options);

  // Reads all settings anew and tries them on the machine. With errors everything stays as it was; without,
  // the next Look() makes a plan of them. Must succeed once before anything else is called.
  bool Load(Diagnostics& diagnostics);

  // Looks at the machine. True when there is a new plan. When the machine contradicts the settings (two cards
  // with one id, say) the plan before stays, with the health of its units kept up to date, and the log says
  // why.
  bool Look(Clock::time_point now);

  // The kubelet's answer to a question asked at `asked`; `incomplete` while it has just started. True when
  // there is a new plan. The machine is looked at only where devices that are gone may be held.
  bool SetHeld(HeldIds held, Clock::time_point asked, bool incomplete);

  // Allocate is about to give devices of a resource with overlap = "exclusive" away. True when there is a new
  // plan, in which other shapes of their cards are withheld.
  bool Give(const std::string& resource, const std::vector<std::string>& ids, Clock::time_point now);
  const Ledger& ledger() const { return ledger_; }

  // True while ids are offered only because a pod may hold them, so that the kubelet should be asked again.
  bool AwaitsHeld() const { return held_.Pending(); }

  // Null before the first Look().
  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  const Settings& settings() const { return *settings_; }
  // When to look again at the latest.
  Clock::duration LookAgainIn() const;

 private:
  Inventory Scan(Clock::time_point now);
  void Forget(Clock::time_point now);
  // Marks what the ledger withholds; true when that makes a new plan.
  bool Withhold();
  // True when pods hold ids that could be ours and are not in the plan.
  bool Lacks(const HeldIds& held) const;

  const std::shared_ptr<const HostRoot> root_;
  Metrics& metrics_;
  const Options options_;
  PatientReader reader_;
  std::shared_ptr<const Settings> settings_;
  LinkTexts links_;
  std::optional<Scanner> scanner_;
  HeldDevices held_;
  HeldIds last_held_;
  Ledger ledger_;
  std::optional<Inventory> seen_;     // as scanned last
  std::shared_ptr<const Plan> base_;  // the plan before the ledger withholds what must not be given
  std::shared_ptr<const Plan> plan_;
  bool stale_ = true;       // something but the machine has changed
  std::string complaints_;  // about the last plan that could not be
};

// Socket paths that would be too long, as errors at the resources.
void CheckSocketPaths(const Plan& plan, const std::string& kubelet_dir, Diagnostics& diagnostics);

}  // namespace cleave

#endif  // CLEAVE_PLAN_KEEPER_H_
