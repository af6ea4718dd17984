// SPDX-License-Identifier: Apache-2.0
// A cluster descriptor, read on a machine that one of the real ones fits, and on one where cards are hard to
// tell apart.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_sources.h"

namespace {

void AddCard(cleave::Inventory& inventory, const std::string& address, const std::string& serial,
             const std::string& ordinal) {
  cleave::PciFunction function;
  function.pci = cleave::PciAddress::Parse(address).value();
  function.address = address;
  inventory.functions.push_back(function);
  cleave::Card card;
  card.id = card.address = address;
  card.profile = "test";
  if (!serial.empty()) card.attributes["serial"] = serial;
  if (!ordinal.empty()) card.attributes["ordinal"] = ordinal;
  inventory.cards.push_back(card);
}

std::vector<cleave::Inventory> Machines() {
  std::vector<cleave::Inventory> machines(2);
  AddCard(machines[0], "0000:31:00.0", "010001461190302B", "0");
  AddCard(machines[0], "0000:4b:00.0", "0100014611903099", "1");
  AddCard(machines[0], "0000:b1:00.0", "01000146119030AA", "2");
  AddCard(machines[0], "0000:ca:00.0", "01000146119030A7", "3");
  AddCard(machines[1], "0000:01:00.0", "000004513190F004", "0");
  AddCard(machines[1], "0000:02:00.0", "000004513190F004", "1");
  AddCard(machines[1], "0000:41:00.0", "", "2");
  AddCard(machines[1], "0000:42:00.0", "", "");
  return machines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<cleave::Inventory> kMachines = Machines();
  const std::string text(reinterpret_cast<const char*>(data), size);
  cleave::LinkSource source;
  source.source = "tt-cluster-descriptor";
  source.path = "cluster.yaml";
  for (const cleave::Inventory& machine : kMachines) {
    for (const cleave::LinkSourceKind& kind : cleave::LinkSourceKinds()) {
      if (kind.name != source.source) continue;
      std::vector<cleave::Oddity> oddities;
      auto links = kind.read({source, text, machine, nullptr}, oddities);
      if (!links.ok()) {
        if (links.status().message().empty()) abort();
        continue;
      }
      for (const cleave::Link& link : *links) {
        if (link.from >= link.to || link.to >= machine.cards.size() || link.width < 1) abort();
      }
      cleave::Graph graph(machine, *std::move(links), {});
      if (graph.LinkedGroups({0, 1, 2, 3}, 2, 1).size() > 2) abort();
    }
  }
  return 0;
}
