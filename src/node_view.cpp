// SPDX-License-Identifier: Apache-2.0
#include "node_view.h"

#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/status.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"
#include "discovery/patient_reader.h"
#include "discovery/scanner.h"
#include "policy/plan.h"
#include "topology/graph.h"
#include "topology/link_sources.h"

namespace cleave {

Plan PlanFrom(const Settings& settings, const LinkTexts& links, Inventory inventory,
              const std::string& node_name, Diagnostics& diagnostics) {
  std::vector<Link> found = CollectLinks(settings.config, links, inventory, inventory.oddities);
  auto facts = std::make_shared<const Inventory>(std::move(inventory));
  auto graph = std::make_shared<const Graph>(*facts, std::move(found), settings.config.weights);
  return MakePlan(settings, std::move(facts), std::move(graph), node_name, diagnostics);
}

Inventory ScanPatiently(PatientReader& reader, const std::shared_ptr<const Settings>& settings,
                        ScanOptions options) {
  return reader.Run([settings, options](const HostRoot& root) {
    return Scanner(root, *settings, options).Scan(Scanner::Clock::now());
  });
}

Planned PlanPatiently(PatientReader& reader, const std::shared_ptr<const Settings>& settings,
                      const LinkTexts& links, Inventory inventory, const std::string& node_name) {
  auto facts = std::make_shared<const Inventory>(std::move(inventory));
  return reader.Run([settings, links, facts, node_name](const HostRoot& root) {
    LinkTexts read = links;
    read.root = &root;
    Planned planned;
    planned.plan = PlanFrom(*settings, read, *facts, node_name, planned.diagnostics);
    return planned;
  });
}

absl::StatusOr<NodeView> LookAtNode(const NodeOptions& options) {
  NodeView view;
  CLEAVE_ASSIGN_OR_RETURN(view.root, OpenHostRoot(options.root));
  view.settings =
      LoadSettings({options.config_file, options.profile_dirs, options.profile_files}, view.diagnostics);
  CheckLinkSources(view.settings.config, view.diagnostics);
  std::string node = options.node_name.empty() ? HostName() : options.node_name;
  KeepLinksOf(node, view.settings.config);
  view.links = ReadLinkTexts(view.settings.config, view.root.get());
  PatientReader reader(view.root);
  auto settings = std::make_shared<const Settings>(view.settings);
  Inventory inventory = ScanPatiently(reader, settings, options.scan);
  if (inventory.cards.empty() && !view.root->Exists("sys/bus/pci"))
    inventory.oddities.push_back({std::string(kRootSubject), "there is no sys/bus/pci below it"});
  Planned planned = PlanPatiently(reader, settings, view.links, std::move(inventory), node);
  view.plan = std::move(planned.plan);
  view.diagnostics.Add(planned.diagnostics);
  return view;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace cleave
