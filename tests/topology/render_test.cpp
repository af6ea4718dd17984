// SPDX-License-Identifier: Apache-2.0
#include "topology/render.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "nlohmann/json.hpp"
#include "tests/machine.h"
#include "tests/topology/machines.h"
#include "topology/text_tree.h"

namespace cleave {
namespace {

using Json = nlohmann::json;
using testing::Captured;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kLinks =
    "[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"cluster-descriptors/t3k_cluster_desc.yaml\"\n";

Captured FourBoards() { return testing::Scan("tenstorrent-4x-n300", kLinks); }

size_t Widest(const std::string& text) {
  size_t widest = 0;
  for (const std::string& line : Split(text, '\n')) {
    auto width = static_cast<size_t>(
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    widest = std::max(widest, width);
  }
  return widest;
}

// Set CLEAVE_WRITE_GOLDEN to write the files anew.
void ExpectGolden(const std::string& name, const std::string& text) {
  std::string path = testing::SourcePath("tests/topology/golden/" + name);
  if (std::getenv("CLEAVE_WRITE_GOLDEN") != nullptr) testing::WriteFile(path, text);  // NOLINT: one thread
  EXPECT_EQ(text, testing::ReadFileOrDie(path)) << path;
  EXPECT_LE(Widest(text), kTextColumns);
}

// Cards at `per_bus` on each root bus, two nodes.
Inventory ManyCards(int count) {
  Inventory inventory;
  testing::AddNode(inventory, 0, 64, {10, 21});
  testing::AddNode(inventory, 1, 64, {21, 10});
  for (int i = 0; i < count; ++i) {
    std::string bus = fmt::format("0000:{:02x}", 16 * (i / 8));
    Card& card = testing::AddCard(
        inventory,
        {"pci" + bus, fmt::format("{}:01.{}", bus, i % 8), fmt::format("0000:{:02x}:1f.{}", i + 1, 0)},
        i < count / 2 ? 0 : 1);
    card.attributes["serial"] = fmt::format("{:016X}", i);
    card.nodes = {{"main", fmt::format("/dev/card{}", i)}};
  }
  return inventory;
}

TEST(RenderTest, FourBoards) {
  Captured machine = FourBoards();
  Graph graph = machine.MakeGraph();
  ExpectGolden("four-boards-tree.txt", RenderTree(machine.inventory, graph));
  ExpectGolden("four-boards-matrix.txt", RenderMatrix(machine.inventory, graph));
  ExpectGolden("four-boards-functions.txt", RenderFunctions(machine.inventory, graph));
}

TEST(RenderTest, SwitchesOfTwoLevels) {
  Captured machine = testing::Scan("tt-p300-2numa");
  ExpectGolden("switches-tree.txt", RenderTree(machine.inventory, machine.MakeGraph()));
  ExpectGolden("switches-functions.txt", RenderFunctions(machine.inventory, machine.MakeGraph()));
}

TEST(RenderTest, TreeOfCardsInTrouble) {
  Captured machine = testing::Scan("tt-oddities");
  ExpectGolden("trouble-tree.txt", RenderTree(machine.inventory, machine.MakeGraph()));
}

TEST(RenderTest, TreeTellsWhyACardIsNotOffered) {
  const Inventory inventory = testing::SmallMachine();
  const Graph graph(inventory, {}, {});
  const std::string plain = RenderTree(inventory, graph);
  EXPECT_THAT(plain, Not(HasSubstr("not offered")));
  const std::string text = RenderTree(inventory, graph, {{"0000:06:00.0", "it is old"}});
  EXPECT_THAT(text, HasSubstr("└─ C1 0000:06:00.0  test, healthy\n"));
  EXPECT_THAT(text, HasSubstr("  not offered: it is old\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), std::count(plain.begin(), plain.end(), '\n') + 1);
}

TEST(RenderTest, TreeCountsCardsAsThePicturesDo) {
  const Captured machine = testing::Scan("vendors/amd-mi300x-cpx32");
  EXPECT_THAT(RenderTree(machine.inventory, machine.MakeGraph()), HasSubstr(", 4 cards in 32 pieces\n"));
}

TEST(RenderTest, TreeShowsWhatIsUnknown) {
  Inventory inventory = testing::SmallMachine();
  inventory.cards[0].health = Health::kUnknown;
  inventory.cards[0].warnings = {"hot"};
  inventory.cards[1].waiting = true;
  inventory.cards[2].present = false;
  inventory.cards[3].pieces = 4;
  inventory.cards[3].piece = 1;
  inventory.cards[4].id = "serial-4";
  inventory.oddities = {{"somewhere", "something"}};
  std::string text = RenderTree(inventory, Graph(inventory, {}, {}));
  EXPECT_THAT(text, HasSubstr("├─ socket of NUMA nodes 0-1\n│  ├─ NUMA node 0, CPUs 0-3\n"));
  EXPECT_THAT(text, HasSubstr("C0 0000:05:00.0  test, unknown\n"));
  EXPECT_THAT(text, HasSubstr("warning: hot\n"));
  EXPECT_THAT(text, HasSubstr("C1 0000:06:00.0  test, waiting for its attributes\n"));
  EXPECT_THAT(text, HasSubstr("C2 0000:09:00.0  test, gone\n"));
  EXPECT_THAT(text, HasSubstr("piece 2 of 4"));
  EXPECT_THAT(text, HasSubstr("C4 serial-4 at 0000:11:00.0  test"));
  EXPECT_THAT(text, HasSubstr("└─ NUMA node unknown\n   └─ pci0000:40 > root port 0000:40:01.0\n"));
  EXPECT_THAT(text, HasSubstr("\noddities\n  somewhere: something\n"));
}

TEST(RenderTest, BoardsAreOneLine) {
  Inventory inventory = ManyCards(8);
  for (Card& card : inventory.cards) card.board = "B1";
  std::string text = RenderTree(inventory, Graph(inventory, {}, {}));
  EXPECT_THAT(text, HasSubstr("\nlinks\n  board B1: C0 C1 C2 C3 C4 C5 C6 C7\n"));
}

TEST(RenderTest, MatrixHasEveryCode) {
  Inventory inventory = testing::SmallMachine();
  testing::AddCard(inventory, {"pci0000:30", "0000:30:01.0", "0000:31:01.0"}, 2).board = "B";
  inventory.cards[6].piece_of = inventory.cards[7].piece_of = "P";
  inventory.cards[5].board = "B";
  Graph graph(inventory, {{.from = 0, .to = 5, .kind = "xgmi", .width = 2}}, {});
  ExpectGolden("every-code-matrix.txt", RenderMatrix(inventory, graph));
}

TEST(RenderTest, SixtyFourCardsFitTheTerminal) {
  Inventory inventory = ManyCards(64);
  std::vector<Link> links;
  for (size_t i = 0; i < 64; ++i) {
    for (size_t j = 0; j < i; ++j) links.push_back({.from = j, .to = i, .kind = "ethernet", .width = 1});
  }
  Graph graph(inventory, links, {});
  EXPECT_LE(Widest(RenderTree(inventory, graph)), kTextColumns);
  std::string matrix = RenderMatrix(inventory, graph);
  EXPECT_LE(Widest(matrix), kTextColumns);
  EXPECT_THAT(matrix, HasSubstr("  C63"));
  EXPECT_THAT(matrix, HasSubstr("C63 0000:40:1f.0"));
  EXPECT_THAT(matrix, Not(HasSubstr("SYS ")));
}

TEST(RenderTest, NoCards) {
  Inventory inventory;
  Graph graph(inventory, {}, {});
  EXPECT_EQ(RenderTree(inventory, graph), "machine: 0 NUMA nodes, 0 CPUs, 0 cards\n");
  EXPECT_EQ(RenderMatrix(inventory, graph), "no cards\n");
  EXPECT_EQ(RenderFunctions(inventory, graph), "machine: 0 PCI functions\n");
  EXPECT_EQ(Json::parse(TopologyJson(inventory, graph))["cards"], Json::array());
}

TEST(RenderTest, TopologyAsJson) {
  Captured machine = FourBoards();
  Json json = Json::parse(TopologyJson(machine.inventory, machine.MakeGraph()));
  EXPECT_EQ(json["numa_nodes"][1]["id"], 1);
  EXPECT_EQ(json["numa_nodes"][1]["distances"], Json({20, 10}));
  EXPECT_EQ(json["numa_nodes"][1]["cpus"].size(), 56U);
  const Json& card = json["cards"][2];
  EXPECT_EQ(card["id"], "0000:b1:00.0");
  EXPECT_EQ(card["addresses"], Json({"0000:b1:00.0"}));
  EXPECT_EQ(card["numa_nodes"], Json({1}));
  EXPECT_EQ(card["attributes"]["card_type"], "n300");
  EXPECT_EQ(card["attributes"]["chips"], 2);
  EXPECT_EQ(card["device_nodes"], Json({"/dev/tenstorrent/2"}));
  EXPECT_EQ(card["health"], "healthy");
  EXPECT_EQ(json["relation"][0], Json({"self", "same_numa", "cross_numa", "cross_numa"}));
  EXPECT_EQ(json["affinity"][0], Json({0.0, 420.0, 10.0, 210.0}));
  Json link = {{"from", "0000:31:00.0"},
               {"to", "0000:4b:00.0"},
               {"kind", "ethernet"},
               {"width", 4.0},
               {"weight", 400.0}};
  EXPECT_EQ(json["links"][0], link);
  EXPECT_EQ(json["not_cards"], Json::array());
  EXPECT_EQ(json["oddities"], Json::array());
}

TEST(RenderTest, JsonSurvivesAnyBytes) {
  Inventory inventory = ManyCards(1);
  inventory.cards[0].attributes["serial"] = std::string("\xff\x00\"\n", 4);
  inventory.oddities = {{"\xfe", "\x01"}};
  Graph graph(inventory, {}, {});
  EXPECT_TRUE(Json::accept(TopologyJson(inventory, graph)));
  EXPECT_TRUE(Json::accept(FunctionsJson(inventory, graph)));
}

TEST(TextTreeTest, Wrap) {
  EXPECT_THAT(Wrap("one two three", 8, "  "), ElementsAre("one two", "  three"));
  EXPECT_THAT(Wrap("ab  cd", 10, ""), ElementsAre("ab  cd"));
  EXPECT_THAT(Wrap("averylongword x", 4, ""), ElementsAre("averylongword", "x"));
  EXPECT_THAT(Wrap("", 4, ""), ElementsAre(""));
}

TEST(TextTreeTest, Ranges) {
  EXPECT_EQ(FormatRanges({}), "");
  EXPECT_EQ(FormatRanges({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(FormatRanges({0, 2, 4, 6}), "0-6:2");
  EXPECT_EQ(FormatRanges({0, 2, 4}), "0,2,4");
  EXPECT_EQ(FormatRanges({1, 2, 5, 9, 13, 17, 18}), "1-2,5-17:4,18");
  EXPECT_EQ(FormatRanges({0, 8}), "0,8");
}

}  // namespace
}  // namespace cleave
