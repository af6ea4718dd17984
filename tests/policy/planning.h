// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_TESTS_POLICY_PLANNING_H_
#define CLEAVE_TESTS_POLICY_PLANNING_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/diagnostics.h"
#include "discovery/scanner.h"
#include "policy/plan.h"
#include "tests/machine.h"
#include "topology/graph.h"
#include "topology/link_sources.h"

namespace cleave::testing {

// A plan of a machine in memory, made as every command makes it.
struct Planned {
  Settings settings;
  Plan plan;
  Diagnostics diagnostics;
};

inline Planned PlanOf(const MemoryRoot& root, std::string_view toml = "", const std::string& node = "node-a",
                      const std::vector<std::pair<std::string, std::string>>& profiles = {}) {
  Planned planned;
  planned.settings = GoodSettings(toml, profiles);
  Scanner scanner(root, planned.settings);
  auto inventory = std::make_shared<Inventory>(scanner.Scan({}));
  std::vector<Link> links =
      CollectLinks(planned.settings.config, ReadLinkTexts(planned.settings.config, &root), *inventory,
                   inventory->oddities);
  auto graph = std::make_shared<const Graph>(*inventory, std::move(links), planned.settings.config.weights);
  planned.plan = MakePlan(planned.settings, inventory, graph, node, planned.diagnostics);
  return planned;
}

// "name: id id", a line for each resource.
inline std::string Summary(const Plan& plan) {
  std::string text;
  for (const Resource& resource : plan.resources) {
    text += resource.name + ":";
    for (const Unit& unit : resource.units) text += " " + unit.id;
    text += "\n";
  }
  return text;
}

inline std::map<std::string, std::string> Reasons(const Plan& plan) {
  std::map<std::string, std::string> reasons;
  for (const NotOffered& one : plan.not_offered) reasons[one.card] = one.reason;
  return reasons;
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_POLICY_PLANNING_H_
