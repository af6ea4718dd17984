// SPDX-License-Identifier: Apache-2.0
// A matrix of GPUs, as a tool prints it and people paste it.
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
  config.links[0].source = "matrix";
  config.links[0].path = "topo.txt";
  for (size_t cards : {2, 8}) {
    cleave::Inventory inventory;
    for (size_t i = 0; i < cards; ++i) {
      cleave::Card card;
      card.id = card.address = cleave::PciAddress{0, static_cast<uint32_t>(i), 0, 0}.ToString();
      card.profile = "fuzz";
      inventory.cards.push_back(card);
    }
    cleave::LinkTexts texts = {.texts = {std::string(reinterpret_cast<const char*>(data), size)},
                               .problems = {""}};
    std::vector<cleave::Oddity> oddities;
    std::vector<cleave::Link> links = CollectLinks(config, texts, inventory, oddities);
    if (oddities.size() > 8 || links.size() > cards * (cards - 1) / 2) abort();
    for (const cleave::Link& link : links) {
      if (link.from >= link.to || link.to >= cards || !(link.width > 0)) abort();
    }
    for (const cleave::Oddity& oddity : oddities) {
      for (char c : oddity.text) {
        if (c < ' ' || c > '~') abort();
      }
    }
  }
  return 0;
}
