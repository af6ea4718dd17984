// SPDX-License-Identifier: Apache-2.0
#include "bench/day/node.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "policy/units.h"
#include "topology/graph.h"

namespace cleave::day {
namespace {

// Adds cards to an inventory in PCI-walk order.
class Machine {
 public:
  explicit Machine(const Weights& weights) : weights_(weights) {
    // Two sockets, one NUMA node each.
    inventory_.numa_nodes = {{.id = 0, .cpus = {0, 1}, .distances = {10, 21}},
                             {.id = 1, .cpus = {2, 3}, .distances = {21, 10}}};
  }

  // A new root bus, or a new bridge below `above`.
  static std::vector<std::string> Below(std::vector<std::string> above, std::string name) {
    above.push_back(std::move(name));
    return above;
  }
  std::vector<std::string> RootBus() const { return {fmt::format("pci0000:{:02x}", bus_)}; }
  std::vector<std::string> Bridge(const std::vector<std::string>& above) {
    return Below(above, fmt::format("0000:{:02x}:00.0", bus_++));
  }

  // A card behind a bridge of its own: a root port, or the downstream port of a switch.
  void AddCard(const std::vector<std::string>& above, int numa_node) {
    PciFunction function;
    function.above = Bridge(above);
    function.address = fmt::format("0000:{:02x}:00.0", bus_++);
    function.pci = PciAddress::Parse(function.address).value();
    function.numa_node = numa_node;
    function.numa_nodes = {numa_node};
    Card card;
    card.id = card.address = function.address;
    card.profile = "day";
    card.numa_nodes = {numa_node};
    inventory_.functions.push_back(std::move(function));
    inventory_.cards.push_back(std::move(card));
  }

  void AddLink(size_t a, size_t b, double width) {
    links_.push_back({.from = std::min(a, b), .to = std::max(a, b), .kind = "link", .width = width});
  }

  // The node as the daemon would see it.
  Node Finish(std::string name, std::string title) const;

 private:
  Inventory inventory_;
  std::vector<Link> links_;
  Weights weights_;
  int bus_ = 1;
};

// go-gpuallocator, besteffort_policy.go: 10 other CPU, 20 same CPU, 30 host bridge, 40 several switches, 50
// one switch, 100 on top for each NVLink.
int NvidiaScore(const Graph& graph, size_t a, size_t b, double width) {
  int score = 10;
  switch (graph.CardRelation(a, b)) {
    case Relation::kSameSwitch:
      score = graph.TreeAffinity(a, b) >= 50 ? 50 : 40;
      break;
    case Relation::kSameRootPort:
      score = 40;
      break;
    case Relation::kSameHostBridge:
      score = 30;
      break;
    case Relation::kSameNuma:
      score = 20;
      break;
    default:
      break;
  }
  return score + static_cast<int>(100 * width);
}

// ROCm k8s-device-plugin, internal/pkg/allocator/device.go: 20 for different devices; XGMI 10, PCIe 40; same
// NUMA node 10, other 20. A pair without an entry in the KFD topology weighs nothing there; here every such
// pair has its PCIe link.
int AmdWeight(bool same_node, bool linked) { return 20 + (linked ? 10 : 40) + (same_node ? 10 : 20); }

void FindFull(Node& node, size_t index, Set chosen, Set candidates) {
  if (Count(chosen) == kSizes[index]) {
    node.full[index].push_back(chosen);
    return;
  }
  while (candidates != 0) {
    size_t card = Lowest(candidates);
    candidates &= ~Only(card);
    FindFull(node, index, chosen | Only(card), candidates & node.linked[card]);
  }
}

Node Machine::Finish(std::string name, std::string title) const {
  Graph graph(inventory_, links_, weights_);
  std::vector<Unit> units;
  for (size_t i = 0; i < inventory_.cards.size(); ++i) {
    const Card& card = inventory_.cards[i];
    Unit unit;
    unit.id = card.id;
    unit.cards = {i};
    unit.numa_nodes = card.numa_nodes;
    units.push_back(std::move(unit));
  }
  Node node;
  node.name = std::move(name);
  node.title = std::move(title);
  node.cards = units.size();
  node.all = static_cast<Set>((uint64_t{1} << node.cards) - 1);
  node.topology = MakeUnitTopology(graph, units, {});
  node.numa.assign(inventory_.numa_nodes.size(), 0);
  node.linked.assign(node.cards, 0);
  node.has_links = !links_.empty();
  std::vector<double> widths(node.cards * node.cards, 0);
  for (const Link& link : graph.links()) {
    node.linked[link.from] |= Only(link.to);
    node.linked[link.to] |= Only(link.from);
    widths[link.from * node.cards + link.to] = widths[link.to * node.cards + link.from] = link.width;
  }
  node.nvidia.assign(node.cards * node.cards, 0);
  node.amd.assign(node.cards * node.cards, 0);
  for (size_t a = 0; a < node.cards; ++a) {
    node.numa[static_cast<size_t>(units[a].numa_nodes.front())] |= Only(a);
    for (size_t b = 0; b < node.cards; ++b) {
      if (a == b) continue;
      double width = widths[a * node.cards + b];
      bool same_node = units[a].numa_nodes == units[b].numa_nodes;
      node.nvidia[a * node.cards + b] = NvidiaScore(graph, a, b, width);
      node.amd[a * node.cards + b] = AmdWeight(same_node, width > 0);
    }
  }
  for (size_t index = 1; index < kSizeCount; ++index) FindFull(node, index, 0, node.all);
  return node;
}

// Two switches of two cards at each socket, each on its own root bus.
Node Pairs(const Weights& weights) {
  Machine machine(weights);
  for (int numa_node : {0, 0, 1, 1}) {
    std::vector<std::string> above = machine.Bridge(machine.Bridge(machine.RootBus()));
    for (int card = 0; card < 2; ++card) machine.AddCard(above, numa_node);
  }
  return machine.Finish("pairs-8", "8 cards, 2 NUMA nodes, PCIe switches of 2, no links");
}

// The NVLink matrix of DGX-1 with V100 (NVIDIA's white paper; `nvidia-smi topo -m` of AWS p3.16xlarge); PCIe:
// two switches of two cards on one root bus at each socket.
Node CubeMesh(const Weights& weights) {
  Machine machine(weights);
  for (int numa_node : {0, 1}) {
    std::vector<std::string> root_bus = machine.RootBus();
    for (int i = 0; i < 2; ++i) {
      std::vector<std::string> above = machine.Bridge(machine.Bridge(root_bus));
      for (int card = 0; card < 2; ++card) machine.AddCard(above, numa_node);
    }
  }
  const std::vector<std::vector<size_t>> links = {
      {0, 1, 1}, {0, 2, 1}, {0, 3, 2}, {0, 4, 2}, {1, 2, 2}, {1, 3, 1}, {1, 5, 2}, {2, 3, 2},
      {2, 6, 1}, {3, 7, 1}, {4, 5, 1}, {4, 6, 1}, {4, 7, 2}, {5, 6, 2}, {5, 7, 1}, {6, 7, 2}};
  for (const std::vector<size_t>& link : links)
    machine.AddLink(link[0], link[1], static_cast<double>(link[2]));
  return machine.Finish("cube-mesh-8", "8 cards, hybrid cube mesh of links (DGX-1 V100), PCIe switches of 2");
}

// The PCIe tree of tests/machines/dgx2h: four root ports, a switch over two switches of two cards below each.
Node SwitchTrees(const Weights& weights) {
  Machine machine(weights);
  for (int numa_node : {0, 0, 1, 1}) {
    std::vector<std::string> upper = machine.Bridge(machine.Bridge(machine.RootBus()));
    for (int lower = 0; lower < 2; ++lower) {
      std::vector<std::string> above = machine.Bridge(machine.Bridge(upper));
      for (int card = 0; card < 2; ++card) machine.AddCard(above, numa_node);
    }
  }
  return machine.Finish("switch-trees-16", "16 cards, four two-level switch trees (DGX-2H without NVLink)");
}

// Four quads, every pair of a quad linked; switches of two cards on root buses of their own, two quads at
// each socket. `across`: a quad takes one card of each of its socket's four switches, so links cut across the
// tree.
Node Quads(const Weights& weights, bool across) {
  Machine machine(weights);
  for (int numa_node : {0, 0, 0, 0, 1, 1, 1, 1}) {
    std::vector<std::string> above = machine.Bridge(machine.Bridge(machine.RootBus()));
    for (int card = 0; card < 2; ++card) machine.AddCard(above, numa_node);
  }
  auto quad = [&](size_t card) { return across ? card / 8 * 2 + card % 2 : card / 4; };
  for (size_t a = 0; a < 16; ++a) {
    for (size_t b = a + 1; b < 16; ++b) {
      if (quad(a) == quad(b)) machine.AddLink(a, b, 1);
    }
  }
  if (across)
    return machine.Finish("quads-across-16", "16 cards, four fully linked quads, each over four switches");
  return machine.Finish("quads-16", "16 cards, four fully linked quads of two switches each");
}

// Galaxy: a mesh of 8 rows of 4 with links of width 2, four trays (two rows, one root bus each), two at each
// socket. A ring closes the rows' direction (row 7 to row 0), a torus the other one as well.
Node Galaxy(const Weights& weights, bool torus) {
  Machine machine(weights);
  for (int numa_node : {0, 0, 1, 1}) {
    std::vector<std::string> root_bus = machine.RootBus();
    for (int card = 0; card < 8; ++card) machine.AddCard(root_bus, numa_node);
  }
  for (size_t row = 0; row < 8; ++row) {
    for (size_t column = 0; column < 4; ++column) {
      size_t card = row * 4 + column;
      machine.AddLink(card, (row + 1) % 8 * 4 + column, 2);
      if (column < 3 || torus) machine.AddLink(card, row * 4 + (column + 1) % 4, 2);
    }
  }
  if (torus) return machine.Finish("galaxy-torus-32", "32 cards, 4 x 8 torus of links, trays of 8");
  return machine.Finish("galaxy-ring-32", "32 cards, 4 x 8 mesh of links closed to a ring, trays of 8");
}

// Everything in `inside` that links join to `start`.
Set Reach(const Node& node, Set start, Set inside) {
  Set reached = start;
  for (Set edge = start; edge != 0;) {
    Set next = 0;
    for (; edge != 0; edge &= edge - 1) next |= node.linked[Lowest(edge)];
    edge = next & inside & ~reached;
    reached |= edge;
  }
  return reached;
}

}  // namespace

bool Node::InOneNumaNode(Set set) const {
  return std::any_of(numa.begin(), numa.end(), [&](Set node) { return (set & ~node) == 0; });
}

bool Node::NumaNodeWith(Set free, size_t k) const {
  return std::any_of(numa.begin(), numa.end(), [&](Set node) { return Count(free & node) >= k; });
}

bool Node::Connected(Set set) const { return set == 0 || Reach(*this, Only(Lowest(set)), set) == set; }

bool Node::ConnectedWith(Set free, size_t k) const {
  while (Count(free) >= k) {
    Set island = Reach(*this, Only(Lowest(free)), free);
    if (Count(island) >= k) return true;
    free &= ~island;
  }
  return false;
}

bool Node::FullyLinked(Set set) const {
  for (Set rest = set; rest != 0; rest &= rest - 1) {
    size_t card = Lowest(rest);
    if ((set & ~Only(card) & ~linked[card]) != 0) return false;
  }
  return true;
}

bool Node::FullyLinkedWith(Set free, size_t size_index) const {
  return std::any_of(full[size_index].begin(), full[size_index].end(),
                     [&](Set set) { return (set & ~free) == 0; });
}

std::vector<Node> AllNodes(const Weights& weights) {
  std::vector<Node> nodes;
  nodes.push_back(Pairs(weights));
  nodes.push_back(CubeMesh(weights));
  nodes.push_back(SwitchTrees(weights));
  nodes.push_back(Quads(weights, false));
  nodes.push_back(Quads(weights, true));
  nodes.push_back(Galaxy(weights, false));
  nodes.push_back(Galaxy(weights, true));
  return nodes;
}

}  // namespace cleave::day
