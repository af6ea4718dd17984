// SPDX-License-Identifier: Apache-2.0
// cleave.toml, as an operator may write it, and what is planned by it on a host of four cards: with errors
// too, since all of them are to be told.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "topology/graph.h"

namespace {

// Two linked cards on each of two NUMA nodes.
std::shared_ptr<const cleave::Inventory> FourCards() {
  auto inventory = std::make_shared<cleave::Inventory>();
  for (int node : {0, 1})
    inventory->numa_nodes.push_back(
        {.id = node, .cpus = {node}, .distances = {node == 0 ? 10 : 21, node == 0 ? 21 : 10}});
  for (int i = 0; i < 4; ++i) {
    cleave::PciFunction function;
    function.address = "0000:0" + std::to_string(i + 1) + ":00.0";
    function.pci = cleave::PciAddress::Parse(function.address).value();
    function.above = {i < 2 ? "pci0000:00" : "pci0000:80"};
    function.numa_nodes = {i / 2};
    cleave::Card card;
    card.id = card.address = function.address;
    card.profile = "tenstorrent";
    card.numa_nodes = {i / 2};
    card.attributes = {{"card_type", "n300"}, {"serial", "000000000000000" + std::to_string(i)}};
    card.nodes = {{"main", "/dev/tenstorrent/" + std::to_string(i)}};
    inventory->functions.push_back(std::move(function));
    inventory->cards.push_back(std::move(card));
  }
  return inventory;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const cleave::Inventory> inventory = FourCards();
  std::string_view text(reinterpret_cast<const char*>(data), size);
  cleave::Diagnostics alone;
  cleave::Config config = cleave::ParseConfig(text, "cleave.toml", alone);
  if (!alone.ok()) {
    if (alone.Text().empty()) abort();
    if (config.resources.empty()) return 0;
  }
  // Reads the shipped profiles too, so only what is worth it.
  cleave::Diagnostics diagnostics;
  cleave::Settings settings = cleave::LoadSettingsFromText(text, "cleave.toml", {}, diagnostics);
  for (const cleave::Profile& profile : settings.profiles) {
    for (const auto& [key, setting] : profile.settings) settings.Value(profile, key);
  }
  std::vector<cleave::Link> links = {{.from = 0, .to = 1, .kind = "x", .width = 2},
                                     {.from = 1, .to = 2, .kind = "x", .width = 1}};
  auto graph = std::make_shared<const cleave::Graph>(*inventory, std::move(links), settings.config.weights);
  cleave::Plan plan = cleave::MakePlan(settings, inventory, graph, "node-a", diagnostics);
  for (const cleave::Resource& resource : plan.resources) {
    if (resource.units.empty()) abort();
    (void)cleave::MakeEdits(plan, resource, {resource.units.front().id});
    (void)cleave::FindUnanswered(plan, resource);
  }
  return 0;
}
