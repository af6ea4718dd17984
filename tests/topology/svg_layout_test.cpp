// SPDX-License-Identifier: Apache-2.0
// Things of a picture do not lie on one another.
#include "topology/svg_layout.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/topology/machines.h"
#include "topology/svg_columns.h"
#include "topology/svg_wires.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

struct Machine {
  Inventory inventory;
  std::vector<Link> links;
};

// Eight root buses with eight cards each, joined to a torus of 8 x 8.
Machine Torus() {
  Machine machine;
  testing::AddNode(machine.inventory, 0, 4, {10, 21});
  testing::AddNode(machine.inventory, 1, 4, {21, 10});
  for (int bus = 0; bus < 8; ++bus) {
    for (int slot = 1; slot <= 8; ++slot) {
      testing::AddCard(
          machine.inventory,
          {fmt::format("pci0000:{:x}0", 2 * bus), fmt::format("0000:{:x}0:{:02x}.0", 2 * bus, slot),
           fmt::format("0000:{:x}{}:00.0", 2 * bus, slot)},
          bus / 4);
    }
  }
  for (size_t i = 0; i < 64; ++i) {
    const size_t right = i / 8 * 8 + (i + 1) % 8;
    const size_t below = (i + 8) % 64;
    machine.links.push_back({std::min(i, right), std::max(i, right), "mesh", 2, 0});
    machine.links.push_back({std::min(i, below), std::max(i, below), "mesh", 4, 0});
  }
  return machine;
}

Machine Small() {
  Machine machine{testing::SmallMachine(),
                  {{0, 7, "a", 1, 0}, {1, 2, "b", 1, 0}, {2, 5, "a", 4, 0}, {0, 4, "a", 1, 0}}};
  machine.inventory.cards[0].board = machine.inventory.cards[1].board = "B";
  return machine;
}

// Two rows of eight; the wire that goes far comes from the same place as the one that ends soon, of the other
// row.
Machine Crossed() {
  Machine machine;
  for (int i = 1; i <= 16; ++i) {
    testing::AddCard(machine.inventory, {"pci0000:00", "0000:00:01.0", fmt::format("0000:{:02x}:00.0", i)},
                     0);
  }
  machine.links = {{0, 11, "a", 1, 0}, {1, 8, "a", 1, 0}};
  return machine;
}

Machine Galaxy() {
  testing::Captured captured = testing::Scan("tt-galaxy-bh",
                                             "[[links]]\nsource = \"tt-cluster-descriptor\"\npath = "
                                             "\"cluster-descriptors/blackhole_galaxy.yaml\"\n");
  return {std::move(captured.inventory), std::move(captured.links)};
}

struct Drawn {
  Layout layout;
  std::vector<Wire> wires;
  std::vector<Route> routes;
};

// Those above and every captured one.
std::vector<Machine> Every() {
  std::vector<Machine> machines = {Torus(), Small(), Crossed(), Galaxy()};
  for (const std::string& name : testing::MachineNames()) {
    testing::Captured captured = testing::Scan(name);
    machines.push_back({std::move(captured.inventory), std::move(captured.links)});
  }
  return machines;
}

Drawn Draw(const Machine& machine) {
  const Graph graph(machine.inventory, machine.links, Weights{});
  Drawn drawn{MakeLayout(machine.inventory, graph, {}, !machine.links.empty(), true), {}, {}};
  drawn.wires = MakeWires(graph, drawn.layout);
  const Router router(drawn.layout, drawn.wires);
  const std::vector<double> lanes = PlaceRows(drawn.layout, 50, router.lane_heights());
  drawn.routes = router.Routes(lanes, 0);
  return drawn;
}

bool Overlap(const Box& a, const Box& b) {
  constexpr double kSlack = 0.01;
  return a.x < b.right() - kSlack && b.x < a.right() - kSlack && a.y < b.bottom() - kSlack &&
         b.y < a.bottom() - kSlack;
}

bool Contains(const Box& outer, const Box& inner) {
  return outer.x <= inner.x && inner.right() <= outer.right() && outer.y <= inner.y &&
         inner.bottom() <= outer.bottom();
}

// A level or upright part of a wire.
struct Segment {
  bool level = false;
  double at = 0;
  double from = 0;
  double to = 0;
};

// Of path data with the commands M, L, Q, H and V; the round corners do not count.
std::vector<Segment> Segments(std::string path) {
  for (char command : {'M', 'L', 'Q', 'H', 'V'}) {
    for (size_t at = path.find(command); at != std::string::npos; at = path.find(command, at + 2)) {
      path.replace(at, 1, std::string(" ") + command + " ");
      ++at;
    }
  }
  std::istringstream in(path);
  std::vector<Segment> segments;
  double x = 0;
  double y = 0;
  for (char command = 0; in >> command;) {
    const double old_x = x;
    const double old_y = y;
    double skipped = 0;
    if (command == 'Q') in >> skipped >> skipped;
    if (command != 'V') in >> x;
    if (command != 'H') in >> y;
    if (command == 'M' || command == 'Q') continue;
    EXPECT_TRUE(old_x == x || old_y == y) << path;
    const bool level = old_y == y;
    segments.push_back(level ? Segment{true, y, std::min(x, old_x), std::max(x, old_x)}
                             : Segment{false, x, std::min(y, old_y), std::max(y, old_y)});
  }
  return segments;
}

TEST(SvgLayout, NothingOverlaps) {
  for (const Machine& machine : Every()) {
    SCOPED_TRACE(machine.inventory.cards.empty() ? "no cards" : machine.inventory.cards.front().id);
    const Drawn drawn = Draw(machine);
    const Layout& layout = drawn.layout;
    for (size_t i = 0; i < layout.columns.size(); ++i) {
      for (size_t j = 0; j < i; ++j)
        EXPECT_FALSE(Overlap(layout.columns[i].box, layout.columns[j].box)) << i << " " << j;
      for (const Bar& bar : layout.bars) EXPECT_FALSE(Overlap(layout.columns[i].box, bar.box)) << i;
      EXPECT_TRUE(Contains(layout.rows[layout.columns[i].row].box, {layout.columns[i].box})) << i;
    }
    for (size_t i = 0; i < layout.bars.size(); ++i) {
      for (size_t j = 0; j < i; ++j)
        EXPECT_FALSE(Overlap(layout.bars[i].box, layout.bars[j].box)) << i << " " << j;
    }
    for (size_t i = 0; i < layout.frames.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        const Box& inner = layout.frames[i].box;
        const Box& outer = layout.frames[j].box;
        EXPECT_TRUE(!Overlap(outer, inner) || Contains(outer, inner)) << i << " " << j;
      }
    }
    for (const Frame& frame : layout.frames) {
      for (size_t i = frame.first; i <= frame.last; ++i)
        EXPECT_TRUE(Contains(frame.box, layout.columns[i].box)) << i;
    }
  }
}

TEST(SvgLayout, WiresDoNotRunOnOneAnother) {
  for (const Machine& machine : {Torus(), Small(), Crossed(), Galaxy()}) {
    const Drawn drawn = Draw(machine);
    ASSERT_FALSE(drawn.wires.empty());
    std::vector<std::vector<Segment>> wires;
    for (const Route& route : drawn.routes) {
      wires.push_back(Segments(route.path));
      EXPECT_GE(wires.back().size(), 3U) << route.path;
    }
    for (size_t i = 0; i < wires.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        for (const Segment& a : wires[i]) {
          for (const Segment& b : wires[j]) {
            const bool apart =
                a.level != b.level || std::abs(a.at - b.at) > 2 || a.from >= b.to || b.from >= a.to;
            EXPECT_TRUE(apart) << drawn.routes[i].path << " and " << drawn.routes[j].path;
          }
        }
      }
    }
  }
}

TEST(SvgLayout, RowsAreBrokenBetweenBuses) {
  const Machine machine = Torus();
  const Graph graph(machine.inventory, {}, Weights{});
  const std::vector<Column> columns = MakeColumns(machine.inventory, graph, {});
  const std::vector<Group> groups = MakeGroups(machine.inventory, graph, columns);
  EXPECT_THAT(BreakRows(columns, groups, false),
              ElementsAre(Pair(0, 15), Pair(16, 31), Pair(32, 47), Pair(48, 63)));
  EXPECT_TRUE(BreakRows(std::vector<Column>(0), {}, true).empty());
  EXPECT_THAT(BreakRows(std::vector<Column>(8), {}, true), ElementsAre(Pair(0, 7)));
  EXPECT_EQ(BreakRows(std::vector<Column>(48), {}, false).size(), 3U);
  EXPECT_EQ(BreakRows(std::vector<Column>(48), {}, true).size(), 4U) << "rows with wires come in pairs";
}

TEST(SvgLayout, PiecesThatTakeTurnsAreOneColumnEach) {
  Inventory inventory;
  for (int i = 0; i < 6; ++i) {
    testing::AddCard(inventory, {"pci0000:00", "0000:00:01.0", fmt::format("0000:01:02.{}", i)}, 0).piece_of =
        i == 5 ? "" : fmt::format("0000:01:00.{}", i % 2);
  }
  testing::AddCard(inventory, {"pci0000:00", "0000:00:02.0", "0000:02:02.0"}, 0).piece_of = "0000:01:00.0";
  const std::vector<Column> columns = MakeColumns(inventory, Graph(inventory, {}, Weights{}), {});
  ASSERT_EQ(columns.size(), 4U);
  EXPECT_THAT(columns[0].cards, ElementsAre(0U, 2U, 4U));
  EXPECT_THAT(columns[1].cards, ElementsAre(1U, 3U));
  EXPECT_THAT(columns[2].cards, ElementsAre(5U));
  EXPECT_THAT(columns[3].cards, ElementsAre(6U)) << "below another port";
}

TEST(SvgLayout, EmptyNodesAreShownMemoryIsNot) {
  Inventory inventory = testing::SmallMachine();
  testing::AddNode(inventory, 7, 0);
  const std::vector<Column> columns = MakeColumns(inventory, Graph(inventory, {}, Weights{}), {});
  ASSERT_EQ(columns.size(), 9U);
  EXPECT_TRUE(columns[7].cards.empty()) << "NUMA node 3";
  EXPECT_THAT(columns[8].cards, ElementsAre(7U)) << "NUMA node unknown";
}

}  // namespace
}  // namespace cleave
