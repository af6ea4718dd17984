// SPDX-License-Identifier: Apache-2.0
// The way from facts to a plan, in one place: commands take it once, the daemon takes it for every event.
#ifndef CLEAVE_NODE_VIEW_H_
#define CLEAVE_NODE_VIEW_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"
#include "discovery/patient_reader.h"
#include "discovery/scanner.h"
#include "policy/plan.h"
#include "topology/link_sources.h"

namespace cleave {

// inventory -> links -> graph -> plan. What is odd about links is added to the inventory.
Plan PlanFrom(const Settings& settings, const LinkTexts& links, Inventory inventory,
              const std::string& node_name, Diagnostics& diagnostics);

// A look at a machine that nothing is remembered of, away from the caller's thread.
Inventory ScanPatiently(PatientReader& reader, const std::shared_ptr<const Settings>& settings,
                        ScanOptions options = {});

// PlanFrom() away from the caller's thread: sources of links may ask drivers.
struct Planned {
  Plan plan;
  Diagnostics diagnostics;
};
Planned PlanPatiently(PatientReader& reader, const std::shared_ptr<const Settings>& settings,
                      const LinkTexts& links, Inventory inventory, const std::string& node_name);

// What every command that prints works with.
struct NodeOptions {
  std::string config_file;
  std::vector<std::string> profile_dirs;
  std::vector<std::string> profile_files;
  std::string root = "/";
  std::string node_name;  // "": this machine's
  ScanOptions scan;
};

// So is the root called where something is odd about it: two copies of a machine print the same.
inline constexpr std::string_view kRootSubject = "--root";

struct NodeView {
  Settings settings;
  std::shared_ptr<const HostRoot> root;
  LinkTexts links;
  Plan plan;
  Diagnostics diagnostics;  // of configuration and plan; with errors the plan may be empty
};

// One look at a node. Fails only when the root cannot be opened.
absl::StatusOr<NodeView> LookAtNode(const NodeOptions& options);

// This machine's name.
std::string HostName();

}  // namespace cleave

#endif  // CLEAVE_NODE_VIEW_H_
