// SPDX-License-Identifier: Apache-2.0
// What tests of link sources share.
#ifndef CLEAVE_TESTS_TOPOLOGY_LINKS_H_
#define CLEAVE_TESTS_TOPOLOGY_LINKS_H_

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/host_root.h"
#include "config/config.h"
#include "discovery/inventory.h"
#include "tests/machine.h"
#include "tests/topology/machines.h"
#include "topology/graph.h"
#include "topology/link_sources.h"

namespace cleave::testing {

// A card at each address, in that order.
inline Inventory CardsAt(const std::vector<std::string>& addresses) {
  Inventory inventory;
  for (const std::string& address : addresses) AddCard(inventory, {address}, std::nullopt);
  return inventory;
}

struct Found {
  std::vector<Link> links;
  std::map<std::pair<std::string, std::string>, double>
      widths;                         // by the ids of two cards, "nvlink" and "xgmi" alike
  std::vector<std::string> oddities;  // texts
};

// What one [[links]] of `source` finds. `text` is that of its file, which is called links.txt.
inline Found FindLinks(const std::string& source, const Inventory& inventory, const std::string& text,
                       const HostRoot* root = nullptr) {
  LinkSource links;
  links.source = source;
  links.path = "links.txt";
  links.pos.file = "cleave.toml";
  Config config;
  config.links.push_back(std::move(links));
  LinkTexts texts = {.texts = {text}, .problems = {""}, .root = root};
  std::vector<Oddity> oddities;
  Found found;
  found.links = CollectLinks(config, texts, inventory, oddities);
  for (const Link& link : found.links) {
    EXPECT_LT(link.from, link.to);
    EXPECT_LT(link.to, inventory.cards.size());
    EXPECT_EQ(link.weight, link.width * 100);
    EXPECT_TRUE(
        found.widths
            .emplace(std::pair(inventory.cards[link.from].id, inventory.cards[link.to].id), link.width)
            .second)
        << inventory.cards[link.from].id << " " << inventory.cards[link.to].id << " twice";
  }
  for (const Oddity& oddity : oddities) found.oddities.push_back(oddity.text);
  return found;
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_TOPOLOGY_LINKS_H_
