// SPDX-License-Identifier: Apache-2.0
// What must hold on any machine.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/topology/machines.h"
#include "topology/graph.h"

namespace cleave {
namespace {

class RandomMachine {
 public:
  explicit RandomMachine(unsigned seed) : random_(seed) {}

  Inventory Make() {
    Inventory inventory;
    const int nodes = Below(5);
    for (int i = 0; i < nodes; ++i) {
      std::vector<int> distances;
      for (int j = 0; j < nodes; ++j)
        distances.push_back(i == j ? 10 : 11 + Below(20));  // not even symmetric
      testing::AddNode(inventory, 2 * i, Below(3), distances);
    }
    for (int bus = 0; bus < 1 + Below(3); ++bus) {
      std::optional<int> node =
          nodes == 0 || Below(4) == 0 ? std::nullopt : std::optional<int>(2 * Below(nodes));
      Grow(inventory, {fmt::format("pci0000:{:02x}", bus)}, node, 0);
    }
    for (int i = 0; i < Below(3); ++i) {
      Card card;
      card.id = fmt::format("virtual{}", i);
      card.profile = "test";
      if (Below(2) == 0) card.numa_nodes = {Below(12)};
      inventory.cards.push_back(card);
    }
    return inventory;
  }

  Weights MakeWeights() {
    Weights weights;
    if (Below(2) == 0) return weights;  // else anything, in any order
    for (double* weight : {&weights.other_socket, &weights.same_socket, &weights.same_numa,
                           &weights.same_host_bridge, &weights.same_root_port, &weights.same_switch,
                           &weights.switch_step, &weights.switch_floor, &weights.same_card}) {
      *weight = Below(100);
    }
    return weights;
  }

 private:
  int Below(int end) { return static_cast<int>(random_() % static_cast<unsigned>(end)); }

  void Grow(Inventory& inventory, std::vector<std::string> path, std::optional<int> node, int depth) {
    const int bus = next_bus_++ % 256;
    for (int i = 0; i < 1 + Below(3) && next_bus_ < 200; ++i) {
      path.push_back(fmt::format("{:04x}:{:02x}:{:02x}.{}", 0, bus, Below(3), Below(3)));
      // A function may be bridge and card at once, and one may come twice: both are nonsense that must do no
      // harm.
      if (depth < 7 && Below(3) != 0) {
        Grow(inventory, path, node, depth + 1);
      } else {
        for (int pieces = Below(4) == 0 ? 3 : 1; pieces > 0; --pieces) {
          Card& card = testing::AddCard(inventory, path, Below(6) == 0 ? std::nullopt : node);
          if (Below(2) == 0) card.piece_of = fmt::format("{}", Below(8));
          if (Below(8) == 0) card.address = "";
          if (Below(8) == 0) card.address = "0000:ff:1f.7";
        }
      }
      path.pop_back();
    }
  }

  std::mt19937 random_;
  int next_bus_ = 0;
};

TEST(RandomTreeTest, AffinityIsAnUltrametric) {
  size_t triples = 0;
  for (unsigned seed = 0; seed < 600; ++seed) {
    RandomMachine random(seed);
    Inventory inventory = random.Make();
    Graph graph(inventory, {}, random.MakeWeights());
    size_t cards = std::min<size_t>(graph.cards(), 24);
    for (size_t a = 0; a < cards; ++a) {
      for (size_t b = 0; b < cards; ++b) {
        double ab = graph.TreeAffinity(a, b);
        ASSERT_EQ(ab, graph.TreeAffinity(b, a));
        for (size_t c = 0; c < cards; ++c) {
          if (a == b || b == c || a == c) continue;
          ASSERT_GE(ab, std::min(graph.TreeAffinity(a, c), graph.TreeAffinity(b, c)))
              << "seed " << seed << ", cards " << a << ", " << b << ", " << c;
          ++triples;
        }
      }
    }
  }
  EXPECT_GT(triples, 100'000U);
}

TEST(RandomTreeTest, RelationsAreSymmetric) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    Inventory inventory = RandomMachine(seed).Make();
    Graph graph(inventory, {}, {});
    for (size_t a = 0; a < graph.cards(); ++a) {
      for (size_t b = 0; b <= a; ++b) {
        ASSERT_EQ(graph.CardRelation(a, b), graph.CardRelation(b, a));
        ASSERT_EQ(graph.CardRelation(a, b) == Relation::kSelf, a == b);
      }
    }
    for (size_t a = 0; a < inventory.functions.size(); ++a) {
      for (size_t b = 0; b < a; ++b) ASSERT_EQ(graph.FunctionRelation(a, b), graph.FunctionRelation(b, a));
    }
  }
}

// Without pieces, and with branches of one depth, the value of a pair is that of its own path.
TEST(RandomTreeTest, EvenTreesFollowTheTable) {
  Inventory inventory;
  testing::AddNode(inventory, 0, 1);
  // A tree of switches, each of two ports with a switch or a card below, four levels deep.
  std::vector<std::vector<std::string>> paths = {{"pci0000:00", "0000:00:00.0", "0000:01:00.0"}};
  int bus = 2;
  for (int level = 0; level < 3; ++level) {
    std::vector<std::vector<std::string>> next;
    for (const std::vector<std::string>& path : paths) {
      const int ports = bus++;
      for (int port = 0; port < 2; ++port) {
        std::vector<std::string> below = path;
        below.push_back(fmt::format("0000:{:02x}:{:02x}.0", ports, port));
        below.push_back(fmt::format("0000:{:02x}:00.0", bus++));
        next.push_back(below);
      }
    }
    paths = next;
  }
  for (const std::vector<std::string>& path : paths) testing::AddCard(inventory, path, 0);
  Graph graph(inventory, {}, {});
  ASSERT_EQ(graph.cards(), 8U);
  for (size_t a = 0; a < 8; ++a) {
    for (size_t b = 0; b < 8; ++b) {
      double expected = a == b ? 0 : a / 2 == b / 2 ? 50 : a / 4 == b / 4 ? 45 : 40;
      EXPECT_EQ(graph.TreeAffinity(a, b), expected) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace cleave
