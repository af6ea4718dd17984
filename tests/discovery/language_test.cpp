// SPDX-License-Identifier: Apache-2.0
// The profile language on another vendor than the first: class entries that are pieces of one card, functions
// without a class. What cannot be said here would have to be said in C++.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/discovery/scan.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using testing::FindById;
using testing::Ids;

// Biren in runc mode: /sys/class/biren/card_N, SVI pieces of one GPU share a physical_id.
constexpr const char* kPieces = R"(
schema = 1
name = "biren-pieces"
[entries]
class = "biren"
name = "card_[0-9]+"
id = "{name}"
piece_of = "{device/physical_id}"
[entries.nodes]
main = "/dev/biren/{name}"
[container]
devices = ["{nodes.main}"]
[[resource]]
name = "birentech.com/gpu"
where = { pieces = 1 }
[[resource]]
name = "birentech.com/1-{pieces}-gpu"
where = { pieces = "> 1" }
unit = "partition"
)";

TEST(Language, ClassEntriesThatArePiecesOfACard) {
  testing::LiveMachine machine(
      testing::LoadMachine("vendors/biren-runc-svi"),
      testing::GoodSettings("profiles = [\"biren-pieces\"]", {{"biren.toml", kPieces}}));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory),
              ElementsAre("card_0", "card_1", "card_2", "card_3", "card_4", "card_5", "card_6", "card_7"));
  EXPECT_EQ(FindById(inventory, "card_0")->pieces, 1);
  EXPECT_EQ(FindById(inventory, "card_1")->pieces, 2);
  EXPECT_EQ(FindById(inventory, "card_2")->piece, 1);
  EXPECT_EQ(FindById(inventory, "card_4")->pieces, 4);
  EXPECT_EQ(FindById(inventory, "card_4")->address, "0000:93:00.0");
  EXPECT_THAT(FindById(inventory, "card_4")->numa_nodes, ElementsAre(1));
}

TEST(Language, FunctionsWithoutAClass) {
  constexpr const char* functions = R"(
schema = 1
name = "functions"
[entries]
pci = { vendor = 0x1e52, driver = ["vfio-pci"] }
id = "{pci.address}"
[entries.nodes]
group = "/dev/vfio/{pci.iommu_group}"
)";
  testing::LiveMachine machine(testing::LoadMachine("tt-oddities"),
                               testing::GoodSettings("profiles = [\"functions\"]", {{"f.toml", functions}}));
  Inventory inventory = machine.Scan();
  ASSERT_EQ(inventory.cards.size(), 1U);
  EXPECT_THAT(inventory.cards[0].nodes[0].second, ::testing::StartsWith("/dev/vfio/"));
  bool says_driver = false;
  for (const NotACard& other : inventory.not_cards)
    says_driver = says_driver || other.reason == "it is bound to tenstorrent";
  EXPECT_TRUE(says_driver);
}

TEST(Language, AliasesAndAlternatives) {
  testing::LiveMachine machine(testing::LoadMachine("tenstorrent-4x-n300"));
  std::string entry = "sys/devices/pci0000:30/0000:30:02.0/0000:31:00.0/tenstorrent/tenstorrent!0";
  machine.root().AddFile(entry + "/tt_card_type", "tt-galaxy-wh\n");
  Inventory inventory = machine.Scan();
  EXPECT_EQ(testing::Attribute(inventory.cards[0], "card_type"), "galaxy-wormhole");
  // Bus 31 is not in any tray, so the board is the serial alone.
  EXPECT_EQ(inventory.cards[0].board, "010001461190302B");
}

}  // namespace
}  // namespace cleave
