// SPDX-License-Identifier: Apache-2.0
#include "topology/matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/max_cardinality_matching.hpp>
#include <cstddef>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

struct Value {
  int pairs = 0;
  double weight = 0;
  auto operator<=>(const Value&) const = default;
};

// Every subset of vertices, the lowest first: exact and slow.
Value BruteForce(size_t size, const std::vector<WeightedEdge>& edges) {
  std::vector<Value> best(size_t{1} << size);
  for (size_t set = 1; set < best.size(); ++set) {
    auto lowest = static_cast<size_t>(__builtin_ctzll(set));
    best[set] = best[set & (set - 1)];
    for (const WeightedEdge& edge : edges) {
      size_t both = (size_t{1} << edge.a) | (size_t{1} << edge.b);
      if (edge.a != lowest || (set & both) != both) continue;
      Value rest = best[set & ~both];
      best[set] = std::max(best[set], Value{.pairs = rest.pairs + 1, .weight = rest.weight + edge.weight});
    }
  }
  return best.back();
}

Value ValueOf(const std::vector<std::pair<size_t, size_t>>& pairs, const std::vector<WeightedEdge>& edges) {
  Value value;
  std::set<size_t> used;
  for (auto [a, b] : pairs) {
    EXPECT_LT(a, b);
    EXPECT_TRUE(used.insert(a).second && used.insert(b).second) << "not disjoint";
    auto edge = std::find_if(edges.begin(), edges.end(),
                             [a = a, b = b](const WeightedEdge& e) { return e.a == a && e.b == b; });
    EXPECT_NE(edge, edges.end()) << "no edge";
    if (edge == edges.end()) continue;
    ++value.pairs;
    value.weight += edge->weight;
  }
  return value;
}

std::vector<WeightedEdge> RandomEdges(std::mt19937& random, size_t size, int percent, int weights) {
  std::vector<WeightedEdge> edges;
  for (size_t a = 0; a < size; ++a) {
    for (size_t b = a + 1; b < size; ++b) {
      if (static_cast<int>(random() % 100) >= percent) continue;
      edges.push_back(
          {.a = a, .b = b, .weight = 10.0 * static_cast<double>(random() % static_cast<unsigned>(weights))});
    }
  }
  std::shuffle(edges.begin(), edges.end(), random);
  return edges;
}

TEST(MatchingTest, NothingToMatch) {
  EXPECT_THAT(BestMatching(0, {}), IsEmpty());
  EXPECT_THAT(BestMatching(3, {}), IsEmpty());
}

TEST(MatchingTest, MorePairsAreBetterThanHeavyOnes) {
  EXPECT_THAT(BestMatching(4, {{0, 1, 1}, {1, 2, 1000}, {2, 3, 1}}), ElementsAre(Pair(0, 1), Pair(2, 3)));
}

TEST(MatchingTest, HeavierIsBetter) {
  EXPECT_THAT(BestMatching(4, {{0, 1, 410}, {0, 3, 210}, {1, 2, 210}, {2, 3, 420}}),
              ElementsAre(Pair(0, 1), Pair(2, 3)));
  EXPECT_THAT(BestMatching(4, {{0, 1, 210}, {0, 3, 410}, {1, 2, 420}, {2, 3, 210}}),
              ElementsAre(Pair(0, 3), Pair(1, 2)));
}

TEST(MatchingTest, NeighboursBreakTies) {
  std::vector<WeightedEdge> ring;
  for (size_t i = 0; i < 8; ++i) ring.push_back({std::min(i, (i + 1) % 8), std::max(i, (i + 1) % 8), 100});
  EXPECT_THAT(BestMatching(8, ring), ElementsAre(Pair(0, 1), Pair(2, 3), Pair(4, 5), Pair(6, 7)));
  std::vector<WeightedEdge> all;
  for (size_t a = 0; a < 6; ++a) {
    for (size_t b = a + 1; b < 6; ++b) all.push_back({a, b, 7});
  }
  EXPECT_THAT(BestMatching(6, all), ElementsAre(Pair(0, 1), Pair(2, 3), Pair(4, 5)));
}

TEST(MatchingTest, AgreesWithBruteForce) {
  std::mt19937 random(1);  // NOLINT: the same graphs every time
  for (int round = 0; round < 3000; ++round) {
    size_t size = 2 + random() % 11;
    int percent = 15 + static_cast<int>(random() % 86);
    std::vector<WeightedEdge> edges = RandomEdges(random, size, percent, 1 + static_cast<int>(random() % 6));
    Value expected = BruteForce(size, edges);
    Value found = ValueOf(BestMatching(size, edges), edges);
    ASSERT_EQ(found.pairs, expected.pairs) << "round " << round;
    ASSERT_EQ(found.weight, expected.weight) << "round " << round;
  }
}

// Where brute force is too slow, Edmonds' algorithm for unweighted graphs still tells how many pairs there
// are. It is of these graphs that Boost's maximum_weighted_matching() of 1.74 fails one in five.
TEST(MatchingTest, LargeGraphsEnd) {
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS>;
  std::mt19937 random(2);  // NOLINT: the same graphs every time
  for (int round = 0; round < 200; ++round) {
    size_t size = 16 + random() % 49;
    std::vector<WeightedEdge> edges = RandomEdges(random, size, 5 + 5 * (round % 6), 1 + round % 3 * 20);
    Graph graph(size);
    for (const WeightedEdge& edge : edges) boost::add_edge(edge.a, edge.b, graph);
    std::vector<boost::graph_traits<Graph>::vertex_descriptor> mates(size);
    boost::edmonds_maximum_cardinality_matching(graph, mates.data());
    EXPECT_EQ(static_cast<size_t>(ValueOf(BestMatching(size, edges), edges).pairs),
              boost::matching_size(graph, mates.data()));
  }
}

}  // namespace
}  // namespace cleave
