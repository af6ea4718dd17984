// SPDX-License-Identifier: Apache-2.0
// The descriptors in tests/machines/cluster-descriptors are of real hosts.
#include "topology/cluster_descriptor.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "tests/machine.h"
#include "tests/topology/machines.h"
#include "topology/link_source_kinds.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

using testing::AddCard;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kFiles = {"blackhole_4xP150",          "blackhole_P300_both_mmio",
                                         "blackhole_P300_first_mmio", "blackhole_galaxy",
                                         "t3k_cluster_desc",          "wormhole_N150",
                                         "wormhole_N300_pci_bdf"};

std::string Descriptor(const std::string& name) {
  return testing::ReadFileOrDie(testing::MachinePath("cluster-descriptors/" + name + ".yaml"));
}

using Widths = std::vector<std::tuple<size_t, size_t, double>>;

struct Found {
  Widths links;
  std::vector<std::string> problems;
};

Found Read(const std::string& text, const Inventory& inventory) {
  LinkSource source;
  source.source = "tt-cluster-descriptor";
  source.path = "cluster.yaml";
  std::vector<Oddity> oddities;
  auto links = ReadTtClusterDescriptor({source, text, inventory, nullptr}, oddities);
  Found found;
  if (!links.ok()) return {{}, {MessageOf(links.status())}};
  for (const Link& link : *links) {
    EXPECT_EQ(link.kind, "ethernet");
    found.links.emplace_back(link.from, link.to, link.width);
  }
  for (const Oddity& oddity : oddities) {
    EXPECT_EQ(oddity.subject, "cluster.yaml");
    found.problems.push_back(oddity.text);
  }
  return found;
}

Found ReadOn(const std::string& machine, const std::string& descriptor) {
  return Read(Descriptor(descriptor), testing::Scan(machine).inventory);
}

// A card for each bus, with serial and ordinal where they are known.
struct Endpoint {
  int bus;
  std::string serial;
  std::optional<int> ordinal;
};
Inventory Cards(const std::vector<Endpoint>& endpoints) {
  Inventory inventory;
  for (const Endpoint& endpoint : endpoints) {
    Card& card = AddCard(inventory, {"pci0000:00", fmt::format("0000:{:02x}:00.0", endpoint.bus)}, 0);
    if (!endpoint.serial.empty()) card.attributes["serial"] = endpoint.serial;
    if (endpoint.ordinal) card.attributes["ordinal"] = std::to_string(*endpoint.ordinal);
  }
  return inventory;
}

TEST(ClusterDescriptorTest, ReadsTheFields) {
  auto descriptor = ParseClusterDescriptor(Descriptor("wormhole_N300_pci_bdf"));
  ASSERT_TRUE(descriptor.ok()) << descriptor.status();
  ASSERT_EQ(descriptor->chips.size(), 2U);
  const ClusterDescriptor::Chip& near = descriptor->chips.at(0);
  EXPECT_TRUE(near.has_mmio);
  EXPECT_EQ(near.ordinal, 1);
  EXPECT_EQ(near.pci->ToString(), "0000:41:00.0");
  EXPECT_EQ(near.bus, 0x41U);
  EXPECT_EQ(near.board, 72058990194901188U);
  const ClusterDescriptor::Chip& far = descriptor->chips.at(1);
  EXPECT_FALSE(far.has_mmio);
  EXPECT_FALSE(far.pci.has_value());
  EXPECT_EQ(far.asic_location, 1);
  EXPECT_EQ(descriptor->ethernet.size(), 2U);
}

TEST(ClusterDescriptorTest, T3000) {
  Found found = ReadOn("tenstorrent-4x-n300", "t3k_cluster_desc");
  // 0000:31, 4b, b1 and ca; chips 2 and 3 of the file are the other way round.
  EXPECT_EQ(found.links, (Widths{{0, 1, 4}, {0, 3, 2}, {1, 2, 2}, {2, 3, 4}}));
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(ClusterDescriptorTest, QuietBox) {
  Found found = ReadOn("tt-quietbox-4xp150", "blackhole_4xP150");
  EXPECT_EQ(found.links, (Widths{{0, 2, 4}, {0, 3, 4}, {1, 2, 4}, {1, 3, 4}}));
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(ClusterDescriptorTest, Galaxy) {
  auto descriptor = ParseClusterDescriptor(Descriptor("blackhole_galaxy"));
  ASSERT_TRUE(descriptor.ok());
  EXPECT_EQ(descriptor->chips.size(), 32U);
  Found found = ReadOn("tt-galaxy-bh", "blackhole_galaxy");
  double total = 0;
  for (const auto& [from, to, width] : found.links) total += width;
  EXPECT_EQ(total, static_cast<double>(descriptor->ethernet.size()));  // every chip is a card here
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(ClusterDescriptorTest, BothHalvesOfABoard) {
  // The file says: chip 0 is device 1, chip 1 device 0. One serial, so the ordinal decides.
  Inventory inventory = Cards({{0x01, "000004513190F004", 0}, {0x02, "000004513190F004", 1}});
  Found found = Read(Descriptor("blackhole_P300_both_mmio"), inventory);
  EXPECT_EQ(found.links, (Widths{{0, 1, 2}}));
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST(ClusterDescriptorTest, AHalfBehindTheOtherIsTheSameCard) {
  Inventory inventory = Cards({{0x01, "000004513190F004", 0}});
  EXPECT_THAT(Read(Descriptor("blackhole_P300_first_mmio"), inventory).links, IsEmpty());
  EXPECT_THAT(Read(Descriptor("blackhole_P300_first_mmio"), inventory).problems, IsEmpty());
  Found found = Read(Descriptor("wormhole_N300_pci_bdf"), Cards({{0x41, "", std::nullopt}}));
  EXPECT_THAT(found.links, IsEmpty());
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(Read(Descriptor("wormhole_N150"), Cards({{0x01, "010001861180B479", 0}})).problems, IsEmpty());
}

TEST(ClusterDescriptorTest, OnAnotherMachineNothingFits) {
  Inventory other = Cards({{0x99, "FFFF", 0}, {0x9a, "FFFE", 1}});
  for (const std::string& file : kFiles) {
    Found found = Read(Descriptor(file), other);
    EXPECT_THAT(found.links, IsEmpty()) << file;
    EXPECT_FALSE(found.problems.empty()) << file;
    EXPECT_LE(found.problems.size(), 8U) << file;
    EXPECT_FALSE(Read(Descriptor(file), Inventory{}).problems.empty()) << file;
  }
  EXPECT_THAT(Read(Descriptor("t3k_cluster_desc"), other).problems[0],
              HasSubstr("chip 0: board 010001461190302B is not in this machine"));
}

TEST(ClusterDescriptorTest, OneBoardMissing) {
  Inventory inventory = testing::Scan("tenstorrent-4x-n300").inventory;
  inventory.cards.erase(inventory.cards.begin() + 1);
  Found found = Read(Descriptor("t3k_cluster_desc"), inventory);
  EXPECT_EQ(found.links, (Widths{{0, 2, 2}, {1, 2, 4}}));
  EXPECT_THAT(found.problems,
              ElementsAre(HasSubstr("chip 1: board 0100014611903099 is not in this machine")));
}

std::string File(const std::string& more) {
  return R"(
arch: {0: x, 1: x}
ethernet_connections:
  - [{chip: 0, chan: 4}, {chip: 1, chan: 5}]
  - [{chip: 1, chan: 5}, {chip: 0, chan: 4}]
  - [{chip: 0, chan: 6}, {chip: 1, chan: 7}, {routing_enabled: false}]
  - [{chip: 0, chan: 8}, {chip: 0, chan: 9}]
)" + more;
}

TEST(ClusterDescriptorTest, WaysToFindACard) {
  const std::string boards = "boards: [[{board_id: 16}, {chips: [0]}], [{board_id: 17}, {chips: [1]}]]\n";
  const std::string mmio = "chips_with_mmio: [{0: 5}, {1: 6}]\n";
  const Widths both = {{0, 1, 2}};
  // By address, which wins; a serial that differs is worth a word.
  const std::string pci = "chip_pci_bdfs: {0: 0000:01:00.0, 1: 0000:02:00.0}\n";
  EXPECT_EQ(Read(File(mmio + pci), Cards({{1, "", {}}, {2, "", {}}})).links, both);
  Found old = Read(File(mmio + boards + pci), Cards({{1, "11", {}}, {2, "10", {}}}));
  EXPECT_EQ(old.links, both);
  EXPECT_THAT(old.problems, ElementsAre(HasSubstr("is the file old?"), HasSubstr("is the file old?")));
  EXPECT_THAT(Read(File(mmio + pci), Cards({{1, "", {}}, {3, "", {}}})).problems,
              ElementsAre("chip 1: no card at 0000:02:00.0"));
  // By serial.
  EXPECT_EQ(Read(File(mmio + boards), Cards({{1, "0000000000000011", {}}, {2, "10", {}}})).links, both);
  // By bus, where there is no serial or the serial says the board only.
  const std::string bus = "chip_to_bus_id: {0: \"0x0001\", 1: \"0x0002\"}\n";
  EXPECT_EQ(Read(File(mmio + boards + bus), Cards({{1, "", {}}, {2, "", {}}})).links, both);
  const std::string one_board = "boards: [[{board_id: 16}, {chips: [0, 1]}]]\n";
  EXPECT_EQ(Read(File(mmio + one_board + bus), Cards({{1, "10", {}}, {2, "10", {}}, {3, "12", {}}})).links,
            both);
  EXPECT_EQ(Read(File(mmio + bus), Cards({{1, "10", {}}, {2, "11", {}}})).links, both);
  // By ordinal.
  EXPECT_EQ(Read(File(mmio), Cards({{1, "", 6}, {2, "", 5}, {3, "", 7}})).links, both);
  EXPECT_THAT(Read(File(mmio), Cards({{1, "", 5}, {2, "", 7}})).problems,
              ElementsAre(HasSubstr("chip 1: no card fits")));
  EXPECT_THAT(Read(File(mmio), Cards({{1, "", 5}, {2, "", 5}})).links, IsEmpty());
  // Never two chips on one card.
  Found twice =
      Read(File(mmio + "chip_pci_bdfs: {0: 0000:01:00.0, 1: 0000:01:00.0}\n"), Cards({{1, "", {}}}));
  EXPECT_THAT(twice.problems, ElementsAre("chips 0 and 1 lead to one card; the second is left out"));
}

TEST(ClusterDescriptorTest, ChipsWithoutAnEndpoint) {
  Inventory inventory = Cards({{1, "", 5}, {2, "", 6}});
  // Chips 2 and 3 go to the nearer endpoint of their board, chip 4 to the one on its bus, chip 5 nowhere.
  const std::string file = R"(
arch: {0: x, 1: x, 2: x, 3: x, 4: x, 5: x}
chips_with_mmio: [{0: 5}, {1: 6}]
boards: [[{board_id: 16}, {board_type: x}, {chips: [0, 1, 2, 3]}]]
asic_locations: {0: 0, 1: 3, 2: 1, 3: 2}
chip_to_bus_id: {0: "0x1", 1: "0x2", 4: "0x2"}
ethernet_connections:
  - [{chip: 2, chan: 0}, {chip: 3, chan: 0}]
  - [{chip: 4, chan: 0}, {chip: 0, chan: 0}]
  - [{chip: 4, chan: 1}, {chip: 1, chan: 1}]
  - [{chip: 5, chan: 0}, {chip: 1, chan: 0}]
  - [{chip: 9, chan: 0}, {chip: 1, chan: 2}]
)";
  Found found = Read(file, inventory);
  EXPECT_EQ(found.links, (Widths{{0, 1, 2}}));
  EXPECT_THAT(found.problems,
              ElementsAre(HasSubstr("chip 5 has no PCIe endpoint"), HasSubstr("names chip 9, which")));
}

std::string ErrorOf(const std::string& text) {
  auto result = ParseClusterDescriptor(text);
  return result.ok() ? "no error" : MessageOf(result.status());
}

TEST(ClusterDescriptorTest, ErrorsSayWhere) {
  const std::string good = "chips_with_mmio: []\nethernet_connections: []\n";
  EXPECT_EQ(ErrorOf(good), "no error");
  EXPECT_EQ(ErrorOf("chips_with_mmio:\nethernet_connections:\n"), "no error");
  EXPECT_EQ(ErrorOf("just text"), "line 1: this is no cluster descriptor: it must be a map");
  EXPECT_THAT(ErrorOf("a: b\n"), HasSubstr("there is no 'chips_with_mmio'"));
  EXPECT_THAT(ErrorOf("chips_with_mmio: []\n"), HasSubstr("there is no 'ethernet_connections'"));
  EXPECT_EQ(ErrorOf("ethernet_connections: []\nchips_with_mmio: 7\n"),
            "line 2: chips_with_mmio must be a list");
  EXPECT_EQ(ErrorOf("ethernet_connections: []\nchips_with_mmio:\n  - 0: x\n"),
            "line 3: a device number in chips_with_mmio must be a number from 0 to 2147483647, not 'x'");
  EXPECT_THAT(ErrorOf("ethernet_connections: []\nchips_with_mmio:\n  - 99999999999999999999: 1\n"),
              HasSubstr("line 3: a chip"));
  EXPECT_THAT(ErrorOf("ethernet_connections: []\nchips_with_mmio:\n  - -1: 1\n"),
              HasSubstr("line 3: a chip"));
  const std::string mmio = "chips_with_mmio: []\n";
  EXPECT_EQ(ErrorOf(mmio + "ethernet_connections:\n  - [{chip: 1, chan: 1}]\n"),
            "line 3: a connection needs two ends");
  EXPECT_EQ(ErrorOf(mmio + "ethernet_connections:\n  - [{chip: 1}, {chip: 1, chan: 1}]\n"),
            "line 3: an end of a connection needs 'chip' and 'chan'");
  EXPECT_EQ(
      ErrorOf(mmio + "ethernet_connections:\n  - - chip: 1\n      chan: [1]\n    - chip: 2\n      chan: 1\n"),
      "line 4: chan must be one value");
  EXPECT_EQ(ErrorOf(good + "boards: [[{chips: [0]}]]\n"), "line 3: a board without board_id");
  EXPECT_THAT(ErrorOf(good + "boards: [[{board_id: n300}, {chips: [0]}]]\n"),
              HasSubstr("line 3: board_id must be a number"));
  EXPECT_EQ(ErrorOf(good + "boards:\n  - [{board_id: 1}, {chips: [0]}]\n  - [{board_id: 2}, {chips: [0]}]\n"),
            "line 5: chip 0 is on two boards");
  EXPECT_EQ(ErrorOf(good + "chip_pci_bdfs: {0: 60}\n"),
            "line 3: a value of chip_pci_bdfs must be a PCI address, not '60'");
  std::string many = good + "arch:\n";
  for (int i = 0; i < 5000; ++i) many += fmt::format("  {}: x\n", i);
  EXPECT_EQ(ErrorOf(many), "line 1: more than 4096 chips");
}

}  // namespace
}  // namespace cleave
