// SPDX-License-Identifier: Apache-2.0
#include "topology/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/topology/machines.h"

namespace cleave {
namespace {

using testing::AddCard;
using testing::AddFunction;
using testing::AddNode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::SmallMachine;

Link Joined(size_t from, size_t to, double width, const std::string& kind = "cable") {
  return {.from = from, .to = to, .kind = kind, .width = width};
}

TEST(GraphTest, RelationsOfCards) {
  Graph graph(SmallMachine(), {}, {});
  EXPECT_EQ(graph.CardRelation(0, 0), Relation::kSelf);
  EXPECT_EQ(graph.CardRelation(0, 1), Relation::kSameSwitch);
  EXPECT_EQ(graph.CardRelation(0, 2), Relation::kSameSwitch);
  EXPECT_EQ(graph.CardRelation(0, 3), Relation::kSameHostBridge);
  EXPECT_EQ(graph.CardRelation(0, 4), Relation::kSameNuma);
  EXPECT_EQ(graph.CardRelation(0, 5), Relation::kCrossNuma);
  EXPECT_EQ(graph.CardRelation(0, 6), Relation::kCrossNuma);
  EXPECT_EQ(graph.CardRelation(0, 7), Relation::kNumaUnknown);
  EXPECT_EQ(graph.CardRelation(7, 0), Relation::kNumaUnknown);
}

TEST(GraphTest, AffinitiesOfCards) {
  Graph graph(SmallMachine(), {}, {});
  EXPECT_EQ(graph.cards(), 8U);
  EXPECT_EQ(graph.CardAffinity(0, 0), 0);
  EXPECT_EQ(graph.CardAffinity(0, 1), 50);  // one switch
  EXPECT_EQ(graph.CardAffinity(0, 2), 45);  // the upper and a lower switch
  EXPECT_EQ(graph.CardAffinity(0, 3), 30);
  EXPECT_EQ(graph.CardAffinity(0, 4), 20);
  EXPECT_EQ(graph.CardAffinity(0, 5), 15);
  EXPECT_EQ(graph.CardAffinity(0, 6), 10);
  EXPECT_EQ(graph.CardAffinity(0, 7), 10);
  EXPECT_EQ(graph.CardAffinity(6, 7), 10);
}

TEST(GraphTest, WeightsCanBeChanged) {
  Weights weights;
  weights.same_switch = 70;
  weights.switch_step = 20;
  weights.switch_floor = 60;
  weights.other_socket = 1;
  Graph graph(SmallMachine(), {Joined(0, 6, 2)}, weights);
  EXPECT_EQ(graph.CardAffinity(0, 1), 70);
  EXPECT_EQ(graph.CardAffinity(0, 2), 60);
  EXPECT_EQ(graph.TreeAffinity(0, 6), 1);
  EXPECT_EQ(graph.CardAffinity(0, 6), 201);
}

TEST(GraphTest, RootPortWithoutASwitch) {
  Inventory inventory;
  AddNode(inventory, 0, 4);
  AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:00.0"}, 0);
  AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:01.0"}, 0);
  AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:01.1"}, 0);
  AddCard(inventory, {"pci0000:00", "0000:00:02.0"}, 0);
  AddCard(inventory, {"pci0000:00", "0000:00:02.1"}, 0);
  Graph graph(inventory, {}, {});
  EXPECT_EQ(graph.CardRelation(0, 1), Relation::kSameRootPort);
  EXPECT_EQ(graph.CardAffinity(0, 1), 40);
  // Functions of one device are near, wherever the device is.
  EXPECT_EQ(graph.CardRelation(1, 2), Relation::kSameRootPort);
  EXPECT_EQ(graph.FunctionRelation(2, 3), Relation::kSameRootPort);  // by address: 02.0 and 02.1 come first
  EXPECT_EQ(graph.FunctionRelation(3, 4), Relation::kSameDevice);
  EXPECT_EQ(graph.CardAffinity(1, 2), 50);
  EXPECT_EQ(graph.CardRelation(3, 4), Relation::kSameHostBridge);
  EXPECT_EQ(graph.CardAffinity(3, 4), 50);
  EXPECT_EQ(graph.CardAffinity(2, 3), 30);
}

TEST(GraphTest, RelationsOfFunctions) {
  Inventory inventory = SmallMachine();
  AddFunction(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:00.0"}, 0);  // the upper switch itself
  AddFunction(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:00.1"}, 0);
  Graph graph(inventory, {}, {});
  auto index = [&](const std::string& address) {
    return static_cast<size_t>(inventory.Function(address) - inventory.functions.data());
  };
  EXPECT_EQ(graph.FunctionRelation(index("0000:01:00.0"), index("0000:05:00.0")), Relation::kAncestor);
  EXPECT_EQ(graph.FunctionRelation(index("0000:09:00.0"), index("0000:01:00.0")), Relation::kAncestor);
  EXPECT_EQ(graph.FunctionRelation(index("0000:01:00.0"), index("0000:01:00.1")), Relation::kSameDevice);
  EXPECT_EQ(graph.FunctionRelation(index("0000:01:00.1"), index("0000:05:00.0")), Relation::kSameRootPort);
  EXPECT_EQ(graph.FunctionRelation(index("0000:05:00.0"), index("0000:06:00.0")), Relation::kSameSwitch);
  EXPECT_EQ(graph.FunctionRelation(index("0000:05:00.0"), index("0000:05:00.0")), Relation::kSelf);
}

TEST(GraphTest, TreeOfVertices) {
  Inventory inventory = SmallMachine();
  Graph graph(inventory, {}, {});
  const std::vector<Vertex>& tree = graph.tree();
  auto path = [&](size_t card) {
    std::vector<std::string> names;
    for (size_t v = graph.CardVertex(card); v != 0; v = tree[v].parent) names.push_back(tree[v].name);
    return names;
  };
  EXPECT_THAT(path(3), ElementsAre("0000:0a:00.0", "0000:0a:00.0", "0000:00:02.0", "pci0000:00", "0", "0-1"));
  EXPECT_THAT(path(7), ElementsAre("0000:41:00.0", "0000:41:00.0", "0000:40:01.0", "pci0000:40"));
  EXPECT_EQ(tree[0].kind, VertexKind::kMachine);
  for (size_t v = 1; v < tree.size(); ++v) {
    EXPECT_LT(tree[v].parent, v);
    EXPECT_EQ(tree[v].depth, tree[tree[v].parent].depth + 1);
    EXPECT_EQ(tree[v].card >= 0, tree[v].kind == VertexKind::kCard);
  }
}

TEST(GraphTest, RootBusStandsWhereItsCardsAgree) {
  Inventory inventory;
  AddNode(inventory, 0, 4, {10, 20});
  AddNode(inventory, 1, 4, {20, 10});
  AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:00.0"}, 0);
  AddCard(inventory, {"pci0000:00", "0000:00:02.0", "0000:02:00.0"}, std::nullopt);
  AddCard(inventory, {"pci0000:10", "0000:10:01.0", "0000:11:00.0"}, 0);
  AddCard(inventory, {"pci0000:10", "0000:10:02.0", "0000:12:00.0"}, 1);
  AddFunction(inventory, {"pci0000:20", "0000:20:01.0"}, 1);
  AddCard(inventory, {"pci0000:20", "0000:20:01.0", "0000:21:00.0"}, std::nullopt);
  Graph graph(inventory, {}, {});
  auto above_bus = [&](size_t card) {
    size_t v = graph.CardVertex(card);
    while (graph.tree()[v].kind != VertexKind::kHostBridge) v = graph.tree()[v].parent;
    return graph.tree()[graph.tree()[v].parent].name;
  };
  EXPECT_EQ(above_bus(1), "0");        // the card beside it knows
  EXPECT_EQ(above_bus(2), "machine");  // they do not agree
  EXPECT_EQ(above_bus(4), "1");        // the bridge knows
  EXPECT_EQ(graph.CardRelation(1, 2), Relation::kNumaUnknown);
  EXPECT_EQ(graph.CardRelation(0, 2), Relation::kSameNuma);
}

TEST(GraphTest, CardsWithoutAPath) {
  Inventory inventory;
  AddNode(inventory, 0, 4, {10, 40});
  AddNode(inventory, 8, 4, {40, 10});
  AddCard(inventory, {"0004:05:00.0"}, 0);
  AddCard(inventory, {"0004:06:00.0"}, 0);
  AddCard(inventory, {"0035:04:00.0"}, 8);
  for (int node : {0, 8, 99}) {  // no PCI function at all; 99 is not listed
    Card card;
    card.id = "virtual" + std::to_string(node);
    card.profile = "test";
    card.numa_nodes = {node};
    inventory.cards.push_back(card);
  }
  inventory.cards.back().address = "0000:99:00.0";  // seen before, gone now
  Graph graph(inventory, {}, {});
  EXPECT_EQ(graph.CardRelation(0, 1), Relation::kSameNuma);
  EXPECT_EQ(graph.CardAffinity(0, 1), 20);
  EXPECT_EQ(graph.CardRelation(1, 2), Relation::kCrossNuma);
  EXPECT_EQ(graph.CardAffinity(1, 2), 10);
  EXPECT_EQ(graph.CardRelation(0, 3), Relation::kSameNuma);
  EXPECT_EQ(graph.CardAffinity(0, 3), 20);
  EXPECT_EQ(graph.CardRelation(3, 4), Relation::kCrossNuma);
  EXPECT_EQ(graph.CardAffinity(4, 5), 10);
}

TEST(GraphTest, NothingAtAll) {
  Graph graph(Inventory{}, {}, {});
  EXPECT_EQ(graph.cards(), 0U);
  EXPECT_EQ(graph.tree().size(), 1U);
  EXPECT_THAT(graph.LinkedGroups({}, std::nullopt, 1), IsEmpty());
  EXPECT_THAT(graph.LinkedGroups({}, 2, 1), IsEmpty());
}

TEST(GraphTest, PiecesOfACard) {
  Inventory inventory;
  AddNode(inventory, 0, 4);
  for (int i = 0; i < 2; ++i)
    AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:00.0"}, 0).piece_of = "A";
  AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:01.0"}, 0).piece_of = "A";
  AddCard(inventory, {"pci0000:00", "0000:00:02.0", "0000:02:00.0"}, 0).piece_of = "B";
  for (Card& card : inventory.cards) card.board = "board";
  AddCard(inventory, {"pci0000:00", "0000:00:02.0", "0000:02:00.1"}, 0).piece_of = "A";  // of another profile
  inventory.cards.back().profile = "other";
  Graph graph(inventory, {}, {});
  EXPECT_EQ(graph.CardRelation(0, 1), Relation::kSameCard);
  EXPECT_EQ(graph.CardAffinity(0, 1), 80);
  EXPECT_EQ(graph.CardAffinity(0, 2), 80);
  EXPECT_EQ(graph.CardRelation(0, 3), Relation::kSameBoard);
  EXPECT_EQ(graph.TreeAffinity(0, 3), 30);
  EXPECT_EQ(graph.CardAffinity(0, 3), 90);
  EXPECT_EQ(graph.CardRelation(0, 4), Relation::kSameHostBridge);
  EXPECT_EQ(graph.links().size(), 3U);  // of each piece of A with B
}

TEST(GraphTest, TwoCardsOnOneFunction) {
  Inventory inventory;
  AddNode(inventory, 0, 4);
  AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:00.0"}, 0).id = "a";
  AddCard(inventory, {"pci0000:00", "0000:00:01.0", "0000:01:00.0"}, 0).id = "b";
  AddCard(inventory, {"0000:02:00.0"}, 0).id = "c";
  AddCard(inventory, {"0000:02:00.0"}, 0).id = "d";
  Graph graph(inventory, {}, {});
  EXPECT_EQ(graph.CardRelation(0, 1), Relation::kSameRootPort);  // what stands above both
  EXPECT_EQ(graph.CardAffinity(0, 1), 50);
  EXPECT_EQ(graph.CardRelation(2, 3), Relation::kSameNuma);
  EXPECT_EQ(graph.CardAffinity(2, 3), 50);
}

TEST(GraphTest, LinksOfAPairAreAddedUp) {
  Inventory inventory = SmallMachine();
  inventory.cards[0].board = inventory.cards[1].board = "x";
  Graph graph(inventory,
              {Joined(1, 0, 2), Joined(0, 1, 1), Joined(0, 1, 1, "wire"), Joined(3, 3, 1), Joined(3, 99, 1)},
              {});
  std::vector<Link> expected = {{.from = 0, .to = 1, .kind = "board", .width = 1, .weight = 60},
                                {.from = 0, .to = 1, .kind = "cable", .width = 3, .weight = 300},
                                {.from = 0, .to = 1, .kind = "wire", .width = 1, .weight = 100}};
  EXPECT_EQ(graph.links(), expected);
  EXPECT_EQ(graph.CardRelation(0, 1), Relation::kSameBoard);
  EXPECT_EQ(graph.TreeAffinity(1, 0), 50);
  EXPECT_EQ(graph.CardAffinity(1, 0), 510);
}

TEST(GraphTest, WhateverHangsTogether) {
  Inventory inventory = SmallMachine();
  inventory.cards[6].board = inventory.cards[7].board = "x";
  Graph graph(inventory, {Joined(0, 2, 1), Joined(2, 4, 2), Joined(3, 5, 2)}, {});
  const std::vector<size_t> all = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_THAT(graph.LinkedGroups(all, std::nullopt, 1), ElementsAre(ElementsAre(0, 2, 4), ElementsAre(3, 5)));
  EXPECT_THAT(graph.LinkedGroups(all, std::nullopt, 2), ElementsAre(ElementsAre(2, 4), ElementsAre(3, 5)));
  EXPECT_THAT(graph.LinkedGroups(all, std::nullopt, 3), IsEmpty());
  EXPECT_THAT(graph.LinkedGroups({0, 4, 5, 3}, std::nullopt, 1), ElementsAre(ElementsAre(3, 5)));
}

TEST(GraphTest, PairsQuadsAndAll) {
  // Two rings of four, each with two strong edges; the rings are joined once.
  std::vector<Link> links = {Joined(0, 1, 2), Joined(1, 2, 4), Joined(2, 3, 2),
                             Joined(0, 3, 4), Joined(4, 5, 4), Joined(5, 6, 2),
                             Joined(6, 7, 4), Joined(4, 7, 2), Joined(0, 7, 1)};
  Graph graph(SmallMachine(), links, {});
  const std::vector<size_t> all = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_THAT(graph.LinkedGroups(all, 2, 1),
              ElementsAre(ElementsAre(0, 3), ElementsAre(1, 2), ElementsAre(4, 5), ElementsAre(6, 7)));
  EXPECT_THAT(graph.LinkedGroups({0, 1, 2}, 2, 1), ElementsAre(ElementsAre(1, 2)));
  EXPECT_THAT(graph.LinkedGroups({2, 3, 6, 7}, 2, 3), ElementsAre(ElementsAre(6, 7)));
  EXPECT_THAT(graph.LinkedGroups(all, 2, 5), IsEmpty());
  EXPECT_THAT(graph.LinkedGroups(all, 4, 1), ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(4, 5, 6, 7)));
  EXPECT_THAT(graph.LinkedGroups(all, 4, 3), IsEmpty());  // the pairs are joined by less
  EXPECT_THAT(graph.LinkedGroups(all, 8, 1), ElementsAre(ElementsAre(0, 1, 2, 3, 4, 5, 6, 7)));
}

TEST(GraphTest, NamesOfRelations) {
  EXPECT_EQ(ToString(Relation::kSelf), "self");
  EXPECT_EQ(ToString(Relation::kSameCard), "same_card");
  EXPECT_EQ(ToString(Relation::kSameBoard), "same_board");
  EXPECT_EQ(ToString(Relation::kNumaUnknown), "numa_unknown");
}

TEST(GraphTest, CanBeMoved) {
  Graph graph(SmallMachine(), {}, {});
  Graph moved = std::move(graph);
  EXPECT_EQ(moved.CardAffinity(0, 1), 50);
}

}  // namespace
}  // namespace cleave
