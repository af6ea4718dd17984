// SPDX-License-Identifier: Apache-2.0
// Every Tenstorrent machine in tests/machines against its facts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/discovery/scan.h"

namespace cleave {
namespace {

using Json = nlohmann::json;

class MachineTest : public ::testing::TestWithParam<std::string> {};

TEST_P(MachineTest, AgreesWithItsFacts) {
  Json expected = Json::parse(
      testing::ReadFileOrDie(testing::SourcePath("tests/machines/expected/" + GetParam() + ".json")));
  testing::LiveMachine machine(testing::LoadMachine(GetParam()));
  machine.root().set_live(false);
  Inventory inventory = machine.Scan();
  EXPECT_EQ(inventory.numa_nodes.size(), expected["numa_nodes"].get<size_t>());
  std::set<std::string> wanted;
  for (const Json& facts : expected["cards"]) {
    std::string address = facts["address"];
    wanted.insert(address);
    SCOPED_TRACE(address);
    const Card* card = testing::FindById(inventory, address);
    ASSERT_NE(card, nullptr);
    auto text = [&](const char* key) {
      return facts[key].is_null() ? std::string("(none)") : facts[key].get<std::string>();
    };
    EXPECT_EQ(testing::Attribute(*card, "card_type"), text("card_type"));
    EXPECT_EQ(testing::Attribute(*card, "serial"), text("serial"));
    EXPECT_EQ(testing::Attribute(*card, "ordinal"), std::to_string(facts["ordinal"].get<int>()));
    EXPECT_EQ(card->numa_nodes, facts["numa_nodes"].get<std::vector<int>>());
    std::vector<std::string> nodes;
    for (const auto& [role, path] : card->nodes) nodes.push_back(path);
    EXPECT_EQ(nodes, facts["device_nodes"].get<std::vector<std::string>>());
    if (!facts["chips"].is_null()) {
      EXPECT_EQ(testing::Attribute(*card, "chips"), std::to_string(facts["chips"].get<int>()));
    }
    EXPECT_EQ(card->health == Health::kUnhealthy, facts["health"] == "unhealthy") << card->reason;
  }
  EXPECT_EQ(inventory.cards.size(), wanted.size());
  std::set<std::string> not_cards;
  for (const NotACard& other : inventory.not_cards) {
    not_cards.insert(other.address);
    EXPECT_NE(other.reason, "");
  }
  std::set<std::string> expected_not_cards;
  for (const Json& other : expected["not_cards"])
    expected_not_cards.insert(other["address"].get<std::string>());
  EXPECT_EQ(not_cards, expected_not_cards);
}

INSTANTIATE_TEST_SUITE_P(Tenstorrent, MachineTest,
                         ::testing::Values("tenstorrent-4x-n300", "tt-mixed-2numa", "tt-p300-2numa",
                                           "tt-8numa", "tt-1numa", "tt-galaxy-wh", "tt-galaxy-bh",
                                           "tt-oddities", "tt-quietbox-4xp150"),
                         [](const auto& one) {
                           std::string name = one.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace cleave
