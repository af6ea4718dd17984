// SPDX-License-Identifier: Apache-2.0
#include "tests/topology/machines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/host_root.h"
#include "config/diagnostics.h"
#include "discovery/scanner.h"
#include "tests/machine.h"
#include "topology/link_sources.h"

namespace cleave::testing {

void AddNode(Inventory& inventory, int id, int cpus, std::vector<int> distances) {
  int next = 0;
  for (const NumaNode& node : inventory.numa_nodes) next += static_cast<int>(node.cpus.size());
  NumaNode node{.id = id, .cpus = {}, .distances = std::move(distances)};
  for (int i = 0; i < cpus; ++i) node.cpus.push_back(next + i);
  inventory.numa_nodes.push_back(std::move(node));
}

void AddFunction(Inventory& inventory, const std::vector<std::string>& path, std::optional<int> numa_node) {
  PciFunction function;
  function.pci = PciAddress::Parse(path.back()).value();
  function.address = path.back();
  function.above.assign(path.begin(), path.end() - 1);
  function.numa_node = numa_node;
  if (numa_node) function.numa_nodes = {*numa_node};
  auto place = std::lower_bound(inventory.functions.begin(), inventory.functions.end(), function,
                                [](const PciFunction& a, const PciFunction& b) { return a.pci < b.pci; });
  inventory.functions.insert(place, std::move(function));
}

Card& AddCard(Inventory& inventory, const std::vector<std::string>& path, std::optional<int> numa_node) {
  if (inventory.Function(path.back()) == nullptr) AddFunction(inventory, path, numa_node);
  Card card;
  card.id = card.address = path.back();
  card.profile = "test";
  if (numa_node) card.numa_nodes = {*numa_node};
  inventory.cards.push_back(std::move(card));
  return inventory.cards.back();
}

Inventory SmallMachine() {
  Inventory inventory;
  AddNode(inventory, 0, 4, {10, 12, 21, 21});
  AddNode(inventory, 1, 4, {12, 10, 21, 21});
  AddNode(inventory, 2, 4, {21, 21, 10, 12});
  AddNode(inventory, 3, 4, {21, 21, 12, 10});
  const std::vector<std::string> top = {"pci0000:00", "0000:00:01.0", "0000:01:00.0", "0000:02:00.0"};
  auto below = [](std::vector<std::string> path, std::vector<std::string> more) {
    path.insert(path.end(), more.begin(), more.end());
    return path;
  };
  // 02:00.0 and 02:01.0 are downstream ports of the upper switch (01:00.0), 03:00.0 and 06:00.0 the lower
  // switches.
  AddCard(inventory, below(top, {"0000:03:00.0", "0000:04:00.0", "0000:05:00.0"}), 0);
  AddCard(inventory, below(top, {"0000:03:00.0", "0000:04:01.0", "0000:06:00.0"}), 0);
  AddCard(inventory,
          {"pci0000:00", "0000:00:01.0", "0000:01:00.0", "0000:02:01.0", "0000:07:00.0", "0000:08:00.0",
           "0000:09:00.0"},
          0);
  AddCard(inventory, {"pci0000:00", "0000:00:02.0", "0000:0a:00.0"}, 0);
  AddCard(inventory, {"pci0000:10", "0000:10:01.0", "0000:11:00.0"}, 0);
  AddCard(inventory, {"pci0000:20", "0000:20:01.0", "0000:21:00.0"}, 1);
  AddCard(inventory, {"pci0000:30", "0000:30:01.0", "0000:31:00.0"}, 2);
  AddCard(inventory, {"pci0000:40", "0000:40:01.0", "0000:41:00.0"}, std::nullopt);
  return inventory;
}

std::vector<std::string> MachineNames() {
  std::vector<std::string> names;
  for (const std::string folder : {"", "vendors/"}) {
    for (const auto& entry : std::filesystem::directory_iterator(MachinePath(folder))) {
      const std::string name = entry.path().filename();
      if (name.ends_with(".tar.zst")) names.push_back(folder + name.substr(0, name.size() - 8));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string MachinePath(const std::string& file) { return SourcePath("tests/machines/" + file); }

Captured Scan(const std::string& machine, const std::string& config, bool all_functions) {
  Captured captured;
  Diagnostics diagnostics;
  captured.settings = LoadSettingsFromText(config, MachinePath("cleave.toml"), {}, diagnostics);
  CheckLinkSources(captured.settings.config, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
  auto root = OpenHostRoot(MachinePath(machine + ".tar.zst"));
  EXPECT_TRUE(root.ok()) << root.status();
  if (!root.ok()) return captured;
  Scanner scanner(**root, captured.settings, {.all_functions = all_functions});
  captured.inventory = scanner.Scan(Scanner::Clock::time_point(std::chrono::hours(1)));
  const Config& parsed = captured.settings.config;
  captured.links = CollectLinks(parsed, ReadLinkTexts(parsed, root->get()), captured.inventory,
                                captured.inventory.oddities);
  return captured;
}

}  // namespace cleave::testing
