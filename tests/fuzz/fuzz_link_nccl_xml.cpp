// SPDX-License-Identifier: Apache-2.0
// A topology file of NCCL.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_sources.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cleave::Config config;
  config.links.emplace_back();
  config.links[0].source = "nccl-xml";
  config.links[0].path = "topo.xml";
  cleave::Inventory inventory;
  for (const char* address :
       {"0000:03:00.0", "0000:18:00.0", "0000:24:00.0", "0000:43:00.0", "0000:63:00.0"}) {
    cleave::Card card;
    card.id = card.address = address;
    inventory.cards.push_back(card);
  }
  cleave::LinkTexts texts = {.texts = {std::string(reinterpret_cast<const char*>(data), size)},
                             .problems = {""}};
  std::vector<cleave::Oddity> oddities;
  std::vector<cleave::Link> links = CollectLinks(config, texts, inventory, oddities);
  if (oddities.size() > 8 || links.size() > 40)
    abort();  // ten pairs: of two kinds, with and without a switch
  for (const cleave::Link& link : links) {
    if (link.from >= link.to || link.to >= inventory.cards.size() || !(link.width > 0)) abort();
  }
  for (const cleave::Oddity& oddity : oddities) {
    for (char c : oddity.text) {
      if (c < ' ' || c > '~') abort();
    }
  }
  return 0;
}
