// SPDX-License-Identifier: Apache-2.0
// source = "kfd", on a captured and a generated host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/memory_root.h"
#include "base/strings.h"
#include "nlohmann/json.hpp"
#include "tests/machine.h"
#include "tests/topology/links.h"
#include "tests/topology/machines.h"

namespace cleave {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using testing::CardsAt;
using ::testing::ElementsAre;
using testing::FindLinks;
using testing::Found;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LoadMachine;
using testing::MachinePath;
using testing::ReadFileOrDie;
using ::testing::SizeIs;

constexpr char kNodes[] = "sys/class/kfd/kfd/topology/nodes/";

Found Kfd(const Inventory& inventory, const HostRoot& root) { return FindLinks("kfd", inventory, "", &root); }

std::string PropertiesOf(const MemoryRoot& root, const std::string& path) {
  auto text = root.Read(path, HostRoot::kReadLimit);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

// Changes one line of a properties file.
void Set(MemoryRoot& root, const std::string& path, const std::string& name, const std::string& value) {
  std::vector<std::string> lines = Split(PropertiesOf(root, path), '\n');
  auto line = std::find_if(lines.begin(), lines.end(),
                           [&](const std::string& one) { return one.starts_with(name + " "); });
  ASSERT_NE(line, lines.end()) << path << " " << name;
  *line = name + " " + value;
  root.AddFile(path, Join(lines, "\n"));
}

// Eight cards in two hives of four; node 2 is 0000:63:00.0, node 3 is 0000:43:00.0.
class KfdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = LoadMachine("kfd-mi210-xgmi-pcie");
    facts_ = Json::parse(ReadFileOrDie(MachinePath("expected/kfd-mi210-xgmi-pcie.json")));
    for (const Json& gpu : facts_["gpu_nodes"]) addresses_.push_back(gpu["bdf"]);
    std::vector<std::string> sorted = addresses_;
    std::sort(sorted.begin(), sorted.end());
    inventory_ = CardsAt(sorted);
  }

  std::unique_ptr<MemoryRoot> root_;
  Json facts_;
  std::vector<std::string> addresses_;  // in the order of the facts' matrix
  Inventory inventory_;
};

TEST_F(KfdTest, AgreesWithTheFacts) {
  Found found = Kfd(inventory_, *root_);
  EXPECT_THAT(found.oddities, IsEmpty());
  size_t links = 0;
  for (size_t a = 0; a < addresses_.size(); ++a) {
    for (size_t b = 0; b < addresses_.size(); ++b) {
      if (addresses_[a] >= addresses_[b]) continue;
      const bool linked = facts_["link_type_matrix"][a][b] == "XGMI";
      EXPECT_EQ(found.widths.contains({addresses_[a], addresses_[b]}), linked)
          << addresses_[a] << " " << addresses_[b];
      // One link of 50000 MB/s, one hop (weight 15).
      if (linked) {
        EXPECT_EQ((found.widths[{addresses_[a], addresses_[b]}]), 1);
      }
      links += linked ? 1 : 0;
    }
  }
  EXPECT_EQ(found.links.size(), links);
  EXPECT_EQ(links, facts_["links_total"]["io_links/XGMI"].get<size_t>() / 2);
  for (const Link& link : found.links) EXPECT_EQ(link.kind, "xgmi");
}

TEST_F(KfdTest, AlsoWhereThereIsNoClassFolder) {
  MemoryRoot other;
  for (const char* node : {"2", "3"}) {
    const std::string from = kNodes + std::string(node);
    const std::string to = "sys/devices/virtual/kfd/kfd/topology/nodes/" + std::string(node);
    other.AddFile(to + "/properties", PropertiesOf(*root_, from + "/properties"));
    other.AddFile(to + "/io_links/1/properties", PropertiesOf(*root_, from + "/io_links/1/properties"));
  }
  Found found = Kfd(inventory_, other);
  EXPECT_THAT(found.oddities, IsEmpty());  // no p2p_links: an older kernel
  EXPECT_THAT(found.widths, ElementsAre(std::pair(std::pair("0000:43:00.0", "0000:63:00.0"), 1.0)));
}

TEST_F(KfdTest, WidthIsLinksSideBySideByHops) {
  const auto set_both = [&](const std::string& name, const std::string& value) {
    Set(*root_, kNodes + std::string("2/io_links/1/properties"), name, value);
    Set(*root_, kNodes + std::string("3/io_links/1/properties"), name, value);
  };
  const std::pair<std::string, std::string> pair = {"0000:43:00.0", "0000:63:00.0"};
  set_both("max_bandwidth", "200000");
  EXPECT_EQ(Kfd(inventory_, *root_).widths[pair], 4);
  set_both("min_bandwidth", "0");
  EXPECT_EQ(Kfd(inventory_, *root_).widths[pair], 1);
  set_both("max_bandwidth", "0");
  EXPECT_EQ(Kfd(inventory_, *root_).widths[pair], 1);
  set_both("weight", "30");
  EXPECT_EQ(Kfd(inventory_, *root_).widths[pair], 0.5);
  set_both("weight", "41");
  EXPECT_EQ(Kfd(inventory_, *root_).widths[pair], 1);
}

TEST_F(KfdTest, XgmiThroughCpusCountsWhereThereIsNoDirectLink) {
  for (const char* folder :
       {"2/p2p_links/1/properties", "6/p2p_links/1/properties"}) {  // between nodes 2 and 6
    Set(*root_, kNodes + std::string(folder), "type", "11");
    Set(*root_, kNodes + std::string(folder), "weight", "45");
  }
  Found found = Kfd(inventory_, *root_);
  EXPECT_THAT(found.oddities, IsEmpty());
  EXPECT_NEAR((found.widths[{"0000:63:00.0", "0000:e3:00.0"}]), 1.0 / 3, 1e-9);
  EXPECT_THAT(found.links, SizeIs(13));
}

TEST_F(KfdTest, AnAsymmetricLinkIsReportedOnceAndTheSmallerCounts) {
  Set(*root_, kNodes + std::string("2/io_links/1/properties"), "max_bandwidth", "100000");
  Found found = Kfd(inventory_, *root_);
  EXPECT_EQ((found.widths[{"0000:43:00.0", "0000:63:00.0"}]), 1);
  EXPECT_THAT(
      found.oddities,
      ElementsAre("the link from 0000:43:00.0 to 0000:63:00.0 has width 1, back it has 2; taken as 1"));
  root_->Remove(kNodes + std::string("3/io_links/1"));
  found = Kfd(inventory_, *root_);
  EXPECT_FALSE(found.widths.contains({"0000:43:00.0", "0000:63:00.0"}));
  EXPECT_THAT(
      found.oddities,
      ElementsAre("the link from 0000:63:00.0 to 0000:43:00.0 has width 2, back it has none; not used"));
  EXPECT_THAT(found.links, SizeIs(11));
}

TEST_F(KfdTest, ACardThatIsNotHereIsReportedAndTheRestCounts) {
  inventory_.cards.erase(inventory_.cards.begin());    // 0000:03:00.0
  inventory_.cards.erase(inventory_.cards.end() - 1);  // 0000:e3:00.0
  Found found = Kfd(inventory_, *root_);
  EXPECT_THAT(found.links, SizeIs(6));
  EXPECT_THAT(found.oddities, ElementsAre("no card is at 0000:03:00.0 (2 GPUs like this)"));
}

TEST_F(KfdTest, WhatMayNotBeReadIsReportedOnce) {
  // As in a container that lacks the render nodes of some cards.
  for (const char* node : {"2", "6"}) {
    root_->AddFailingFile(kNodes + std::string(node) + "/properties",
                          absl::PermissionDeniedError("Operation not permitted"));
  }
  root_->AddFailingFile(kNodes + std::string("3/io_links/2/properties"),
                        absl::PermissionDeniedError("Operation not permitted"));
  Found found = Kfd(inventory_, *root_);
  EXPECT_THAT(found.links, SizeIs(6));  // of what node 3 may not say of node 4, node 4 speaks
  EXPECT_THAT(found.oddities, ElementsAre("/sys/class/kfd/kfd/topology/nodes/2/properties: Operation not "
                                          "permitted (3 files like this); a container sees this "
                                          "only when it may use the GPU's render node"));
}

TEST_F(KfdTest, NonsenseIsReportedWithFileAndLineAndTheRestCounts) {
  Set(*root_, kNodes + std::string("2/io_links/1/properties"), "weight", "\x1b[31mheavy");
  Set(*root_, kNodes + std::string("4/properties"), "location_id", "");
  root_->AddFile(kNodes + std::string("7/properties"), "simd_count 1\n");
  Found found = Kfd(inventory_, *root_);
  EXPECT_THAT(
      found.oddities,
      ElementsAre(
          HasSubstr("nodes/4/properties: line 22: location_id must be a number, not ''"),
          HasSubstr("nodes/7/properties: there is no location_id"),
          HasSubstr("nodes/2/io_links/1/properties: line 6: weight must be a number, not '?[31mheavy'")));
  EXPECT_THAT(found.links, SizeIs(6));
}

TEST_F(KfdTest, WithoutATopologyThereIsAnOddityThatSaysWhatIsMissing) {
  Found found = Kfd(inventory_, MemoryRoot());
  EXPECT_THAT(found.oddities,
              ElementsAre(AllOf(HasSubstr("links of kfd: "), HasSubstr("sys/class/kfd/kfd/topology/nodes"))));
  found = FindLinks("kfd", inventory_, "", nullptr);
  EXPECT_THAT(found.oddities, ElementsAre("links of kfd: there is no machine to look at"));
}

TEST_F(KfdTest, RefusesAbsurdSizes) {
  MemoryRoot root;
  for (int i = 0; i < 1025; ++i) root.AddDirectory(kNodes + std::to_string(i));
  EXPECT_THAT(Kfd(inventory_, root).oddities, ElementsAre(HasSubstr("more than 1024 nodes")));
}

// Each card in eight pieces: card 0 of 0000:05:00.0 is the PCI function, its others have render nodes only.
TEST(KfdPiecesTest, PiecesAreJoinedAsTheirCardsAre) {
  std::unique_ptr<MemoryRoot> root = LoadMachine("vendors/amd-mi300x-cpx32");
  Json facts = Json::parse(ReadFileOrDie(MachinePath("vendors/expected/amd-mi300x-cpx32.json")));
  Inventory inventory;
  for (const Json& device : facts["devices"]) {
    Card card;
    card.id = device["id"];
    card.profile = "test";
    if (device["id_kind"] == "pci") card.address = card.id;
    card.piece_of = device["card"];
    card.pieces = 8;
    card.piece = device["piece"];
    for (const Json& node : device["device_nodes"]) card.nodes.emplace_back("node", node.get<std::string>());
    inventory.cards.push_back(std::move(card));
  }
  ASSERT_THAT(inventory.cards, SizeIs(32));
  Found found = Kfd(inventory, *root);
  EXPECT_THAT(found.oddities, IsEmpty());
  EXPECT_THAT(found.links, SizeIs(32 * 31 / 2));
  std::map<std::pair<std::string, std::string>, double> between;
  for (const Link& link : found.links) {
    const std::string& from = inventory.cards[link.from].piece_of;
    const std::string& to = inventory.cards[link.to].piece_of;
    // Of one card they are nearer to each other than to any other.
    EXPECT_EQ(link.width, from == to ? 16 : 1);
    if (from != to) ++between[std::minmax(from, to)];
  }
  EXPECT_THAT(between, SizeIs(facts["links"].size()));
  for (const Json& link : facts["links"]) {
    EXPECT_EQ((between[{link["a"].get<std::string>(), link["b"].get<std::string>()}]), 64) << link;
  }
}

TEST(KfdPiecesTest, ThePieceMayBeInTheUpperBits) {
  std::unique_ptr<MemoryRoot> root = LoadMachine("vendors/amd-mi300x-cpx32");
  for (int node = 2; node < 34; ++node) {
    const std::string path =
        "sys/devices/virtual/kfd/kfd/topology/nodes/" + std::to_string(node) + "/properties";
    for (const std::string& line : Split(PropertiesOf(*root, path), '\n')) {
      if (!line.starts_with("location_id ")) continue;
      const int64_t id = *ParseInt(line.substr(12));
      Set(*root, path, "location_id", std::to_string((id & ~7) | (id & 7) << 28));
    }
  }
  Found found = Kfd(CardsAt({"0000:05:00.0", "0000:26:00.0", "0000:85:00.0", "0000:a6:00.0"}), *root);
  EXPECT_THAT(found.oddities, IsEmpty());
  EXPECT_THAT(found.links, SizeIs(6));
  for (const Link& link : found.links) EXPECT_EQ(link.width, 1);
}

}  // namespace
}  // namespace cleave
