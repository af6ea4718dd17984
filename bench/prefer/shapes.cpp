// SPDX-License-Identifier: Apache-2.0
#include "prefer/shapes.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

#include "policy/choose.h"

namespace cleave::bench {
namespace {

constexpr double kLink = 100;  // for each unit of width: docs/configuration.md, [affinity]

void Set(UnitTopology& topology, size_t a, size_t b, double value) {
  topology.affinity[a * topology.Places() + b] = topology.affinity[b * topology.Places() + a] = value;
}

void AddLink(UnitTopology& topology, size_t a, size_t b, double width) {
  Set(topology, a, b, topology.Affinity(a, b) + kLink * width);
}

// Two sockets of two NUMA nodes; below each host bridges with two switches of four places. `each` units in a
// place.
UnitTopology Tree(size_t places, size_t each) {
  UnitTopology topology;
  topology.size = places * each;
  topology.places = places;
  for (size_t unit = 0; each > 1 && unit < topology.size; ++unit) topology.place.push_back(unit / each);
  topology.affinity.assign(places * places, 0);
  // Places in a socket, a NUMA node, a host bridge, a switch, a card; each a multiple of the next.
  size_t node = places <= 32 ? std::max<size_t>(1, places / 4) : (places + 31) / 32 * 8;
  std::vector<size_t> blocks = {node * 2, node, std::min<size_t>(node, 8), std::min<size_t>(node, 4), 1};
  std::vector<double> worth = {15, 20, 30, 50, 80};
  for (size_t a = 0; a < places; ++a) {
    for (size_t b = 0; b <= a; ++b) {
      double value = 10;
      for (size_t level = 0; level < blocks.size(); ++level) {
        if (a / blocks[level] == b / blocks[level]) value = std::max(value, worth[level]);
      }
      Set(topology, a, b, value);
    }
  }
  for (size_t block : blocks) {
    topology.subtrees.emplace_back();
    for (size_t first = 0; first < places && block < places; first += block) {
      size_t last = std::min(places, first + block);
      std::vector<size_t> units((last - first) * each);
      std::iota(units.begin(), units.end(), first * each);
      if (units.size() > 1) topology.subtrees.back().push_back(std::move(units));
    }
  }
  return topology;
}

UnitTopology PlainTree(size_t n) {
  UnitTopology topology = Tree(n, 1);
  FindTree(topology);
  return topology;
}

// Shares of 32 cards, or of 125 for ten thousand.
UnitTopology Shares(size_t n) {
  UnitTopology topology = Tree(n % 125 == 0 ? 125 : 32, n % 125 == 0 ? n / 125 : n / 32);
  FindTree(topology);
  return topology;
}

// Boards of eight, wired as in a DGX-1 with V100 (github.com/NVIDIA/go-gpuallocator,
// gpuallocator/common_test.go), each linked one to one with the next board.
UnitTopology HybridMesh(size_t n) {
  static const std::vector<std::tuple<size_t, size_t, double>> kBoard = {
      {0, 1, 1}, {0, 2, 1}, {0, 3, 2}, {0, 4, 2}, {1, 2, 2}, {1, 3, 1}, {1, 5, 2}, {2, 3, 2},
      {2, 6, 1}, {3, 7, 1}, {4, 5, 1}, {4, 6, 1}, {4, 7, 2}, {5, 6, 2}, {5, 7, 1}, {6, 7, 2}};
  UnitTopology topology = Tree(n, 1);
  for (size_t board = 0; board + 8 <= n; board += 8) {
    for (auto [a, b, width] : kBoard) AddLink(topology, board + a, board + b, width);
    for (size_t i = 0; n > 8 && i < 8; ++i)
      AddLink(topology, board + i, (board + 8 + i) % n, n > 16 ? 1 : 0.5);
  }
  FindTree(topology);
  return topology;
}

// As square as it gets, Galaxy's 8 x 4 among them.
UnitTopology Grid(size_t n, bool closed) {
  UnitTopology topology = Tree(n, 1);
  size_t columns = 1;
  for (size_t width = 1; width * width <= n; ++width) {
    if (n % width == 0) columns = width;
  }
  size_t rows = n / columns;
  for (size_t i = 0; i < n; ++i) {
    size_t row = i / columns;
    size_t column = i % columns;
    if (column + 1 < columns || (closed && columns > 2))
      AddLink(topology, i, row * columns + (column + 1) % columns, 1);
    if (row + 1 < rows || (closed && rows > 2)) AddLink(topology, i, (row + 1) % rows * columns + column, 1);
  }
  FindTree(topology);
  return topology;
}
UnitTopology Mesh(size_t n) { return Grid(n, false); }
UnitTopology Torus(size_t n) { return Grid(n, true); }

// A link between every fourth pair, of any width from 1 to 4.
UnitTopology RandomLinks(size_t n) {
  UnitTopology topology = Tree(n, 1);
  std::mt19937 random(static_cast<unsigned>(n));
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (random() % 4 == 0) AddLink(topology, a, b, static_cast<double>(1 + random() % 4));
    }
  }
  FindTree(topology);
  return topology;
}

// Every pair is worth something else.
UnitTopology RandomAll(size_t n) {
  UnitTopology topology = Tree(n, 1);
  std::mt19937 random(static_cast<unsigned>(n));
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < a; ++b) Set(topology, a, b, static_cast<double>(random() % 1000));
  }
  FindTree(topology);
  return topology;
}

// Shares of cards that are linked as a torus.
UnitTopology LinkedShares(size_t n) {
  size_t cards = 32;
  UnitTopology topology = Tree(cards, n / cards);
  for (size_t i = 0; i < cards; ++i) {
    for (size_t other : {i / 4 * 4 + (i + 1) % 4, (i + 4) % cards}) {
      double& value = topology.affinity[i * cards + other];
      topology.affinity[other * cards + i] = value = value + kLink / 4;
    }
  }
  FindTree(topology);
  return topology;
}

// Boards of five whose cards are anywhere in the tree, joined by cables of several widths.
UnitTopology Boards(size_t n) {
  UnitTopology topology = Tree(n, 1);
  std::mt19937 random(static_cast<unsigned>(n));
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i / 5 * 5; j < i; ++j)
      AddLink(topology, order[i], order[j], 0.5 * static_cast<double>(1 + random() % 6));
  }
  FindTree(topology);
  return topology;
}

// The Clebsch graph: numbers of four bits, linked where one bit or all differ. Every card and every pair
// looks like any other, which is the worst for a proof.
UnitTopology Clebsch(size_t n) {
  UnitTopology topology = Tree(n, 1);
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < n; ++b) Set(topology, a, b, 10);
    for (size_t bits : {1, 2, 4, 8, 15}) Set(topology, a, a ^ bits, 10 + kLink);
  }
  topology.subtrees.clear();
  FindTree(topology);
  return topology;
}

}  // namespace

const std::vector<Shape>& Shapes() {
  static const std::vector<Shape> kShapes = {
      {"tree", {8, 16, 32, 64, 128, 1024}, PlainTree},
      {"shares", {64, 128, 1024, 10'000}, Shares},
      {"hybrid mesh", {8, 16, 32, 64, 128, 1024}, HybridMesh},
      {"mesh", {8, 16, 32, 64, 128, 1024}, Mesh},
      {"torus", {8, 16, 32, 64, 128, 1024}, Torus},
      {"random links", {8, 16, 32, 64, 128, 1024}, RandomLinks},
      {"random weights", {8, 16, 32, 64, 128}, RandomAll},
      {"boards", {16, 32, 40, 64, 128}, Boards},
      {"clebsch", {16}, Clebsch},
      {"linked shares", {128, 1024, 9984}, LinkedShares},
  };
  return kShapes;
}

}  // namespace cleave::bench
