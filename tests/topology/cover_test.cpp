// SPDX-License-Identifier: Apache-2.0
#include "topology/cover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Sets = std::vector<std::vector<size_t>>;

// An undirected graph: what its edges weigh, and what any two vertices are worth to each other beside.
struct Edges {
  explicit Edges(size_t count) : vertices(count) {}

  size_t vertices;
  std::map<std::pair<size_t, size_t>, double> weights;
  double beside = 1;

  void Join(size_t a, size_t b, double weight = 100) { weights[std::minmax(a, b)] = weight; }
  bool Joined(size_t a, size_t b) const { return weights.contains(std::minmax(a, b)); }
  double Worth(size_t a, size_t b) const {
    auto found = weights.find(std::minmax(a, b));
    return beside + (found == weights.end() ? 0 : found->second);
  }
  Sets Cover(size_t size) const {
    return BestCover({.vertices = vertices,
                      .size = size,
                      .joined = [this](size_t a, size_t b) { return Joined(a, b); },
                      .worth = [this](size_t a, size_t b) { return Worth(a, b); }});
  }
};

struct Value {
  size_t sets = 0;
  double worth = 0;
  auto operator<=>(const Value&) const = default;
};

bool HangsTogether(const Edges& edges, const std::vector<size_t>& set) {
  std::set<size_t> reached = {set.front()};
  for (size_t rounds = 0; rounds < set.size(); ++rounds) {
    for (size_t a : set) {
      for (size_t b : set) {
        if (reached.contains(a) && edges.Joined(a, b)) reached.insert(b);
      }
    }
  }
  return reached.size() == set.size();
}

Value ValueOf(const Edges& edges, size_t size, const Sets& sets) {
  Value value;
  std::set<size_t> used;
  for (const std::vector<size_t>& set : sets) {
    EXPECT_THAT(set, SizeIs(size));
    EXPECT_TRUE(HangsTogether(edges, set));
    for (size_t a : set) EXPECT_TRUE(used.insert(a).second) << a << " is in two sets";
    for (size_t i = 0; i < set.size(); ++i) {
      for (size_t j = 0; j < i; ++j) value.worth += edges.Worth(set[i], set[j]);
    }
    ++value.sets;
  }
  return value;
}

// Each vertex in turn joins any set that was begun, begins one, or stays out.
void TryAll(const Edges& edges, size_t size, size_t vertex, Sets& sets, Value& best) {
  if (vertex == edges.vertices) {
    for (const std::vector<size_t>& set : sets) {
      if (set.size() != size || !HangsTogether(edges, set)) return;
    }
    best = std::max(best, ValueOf(edges, size, sets));
    return;
  }
  TryAll(edges, size, vertex + 1, sets, best);
  for (size_t i = 0; i < sets.size(); ++i) {
    if (sets[i].size() == size) continue;
    sets[i].push_back(vertex);
    TryAll(edges, size, vertex + 1, sets, best);
    sets[i].pop_back();
  }
  sets.push_back({vertex});
  TryAll(edges, size, vertex + 1, sets, best);
  sets.pop_back();
}

TEST(Cover, IsTheBestOfAll) {
  std::mt19937 random(11);
  for (int round = 0; round < 120; ++round) {
    Edges edges(4 + random() % 5);
    for (size_t a = 0; a < edges.vertices; ++a) {
      for (size_t b = 0; b < a; ++b) {
        if (random() % 5 < 2) edges.Join(a, b, 10 * static_cast<double>(1 + random() % 4));
      }
    }
    for (size_t size = 2; size <= 5; ++size) {
      Value best;
      Sets none;
      TryAll(edges, size, 0, none, best);
      EXPECT_EQ(ValueOf(edges, size, edges.Cover(size)), best) << "round " << round << ", size " << size;
    }
  }
}

// The first triple that a walk in order finds, 0-1-2, leaves 3 and 4 to themselves, and 5 behind them.
TEST(Cover, IsNotTheFirst) {
  Edges edges(6);
  edges.Join(0, 1);
  edges.Join(1, 2);
  edges.Join(0, 3);
  edges.Join(3, 4);
  edges.Join(2, 5);
  EXPECT_THAT(edges.Cover(3), ElementsAre(ElementsAre(0, 3, 4), ElementsAre(1, 2, 5)));
}

// The heaviest pairs lie across the two heavy quads: pairs of best pairs are not the best quads.
TEST(Cover, QuadsAreMoreThanPairsOfBestPairs) {
  Edges edges(8);
  for (size_t i = 0; i < 4; ++i) {
    edges.Join(i, i + 4, 130);
    for (size_t j = 0; j < i; ++j) {
      edges.Join(i, j, 100);
      edges.Join(i + 4, j + 4, 100);
    }
  }
  EXPECT_THAT(edges.Cover(2),
              ElementsAre(ElementsAre(0, 4), ElementsAre(1, 5), ElementsAre(2, 6), ElementsAre(3, 7)));
  EXPECT_THAT(edges.Cover(4), ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(4, 5, 6, 7)));
}

Edges Mesh(size_t rows, size_t columns) {
  Edges edges(rows * columns);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      size_t here = row * columns + column;
      if (column + 1 < columns) edges.Join(here, here + 1);
      if (row + 1 < rows) edges.Join(here, here + columns);
    }
  }
  return edges;
}

Edges Shuffled(const Edges& edges, size_t vertices, std::mt19937& random) {
  std::vector<size_t> names(vertices);
  for (size_t i = 0; i < names.size(); ++i) names[i] = i;
  std::shuffle(names.begin(), names.end(), random);
  Edges shuffled(vertices);
  for (const auto& [edge, weight] : edges.weights)
    shuffled.Join(names[edge.first], names[edge.second], weight);
  return shuffled;
}

// A Galaxy: 4 by 8. A block of a by b has a(b-1) + b(a-1) links, and no set of so many cards has more (F.
// Harary, H. Harborth, "Extremal animals", 1976).
void ExpectBlocks(const Edges& mesh) {
  for (auto [size, links] : {std::pair<size_t, double>{4, 4}, {8, 10}, {16, 24}}) {
    Value value = ValueOf(mesh, size, mesh.Cover(size));
    EXPECT_EQ(value.sets, 32 / size);
    double pairs = static_cast<double>(size * (size - 1)) / 2;
    EXPECT_EQ(value.worth, static_cast<double>(32 / size) * (100 * links + pairs)) << size;
  }
}

TEST(Cover, AMeshIsCutIntoBlocks) { ExpectBlocks(Mesh(4, 8)); }

// The same whatever the numbers of the cards are.
TEST(Cover, AMeshWithOtherNumbersToo) {
  std::mt19937 random(17);
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    ExpectBlocks(Shuffled(Mesh(4, 8), 32, random));
  }
}

// Numbers shuffled and sizes that are no power of two: nothing is promised but disjoint joined sets, and that
// hardly a card is left over.
TEST(Cover, AnySizeOfALargeGraph) {
  std::mt19937 random(5);
  Edges shuffled = Shuffled(Mesh(8, 8), 64, random);
  for (size_t size : {3, 5, 6, 7, 12, 24, 32}) {
    Value value = ValueOf(shuffled, size, shuffled.Cover(size));
    EXPECT_GE(value.sets + 1, 64 / size) << size;
    EXPECT_EQ(ValueOf(shuffled, size, shuffled.Cover(size)), value) << "not the same again";
  }
  EXPECT_THAT(shuffled.Cover(65), IsEmpty());
}

}  // namespace
}  // namespace cleave
