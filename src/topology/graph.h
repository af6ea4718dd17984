// SPDX-License-Identifier: Apache-2.0
// How a machine is connected. Boost.Graph stays inside the .cpp files.
#ifndef CLEAVE_TOPOLOGY_GRAPH_H_
#define CLEAVE_TOPOLOGY_GRAPH_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"

namespace cleave {

// What two devices share, by the deepest thing that stands strictly above both.
enum class Relation {
  kSelf,
  kSameCard,        // pieces of one card
  kSameBoard,       // cards whose profile names one board
  kSameDevice,      // two functions of one device (domain:bus:device); functions only
  kAncestor,        // one is a bridge above the other; functions only
  kSameSwitch,      // a bridge that is not on the root bus
  kSameRootPort,    // a bridge on the root bus
  kSameHostBridge,  // the root bus
  kSameNuma,
  kCrossNuma,
  kNumaUnknown,  // different root buses, and a node is not known or not single
};
std::string ToString(Relation relation);  // "same_switch"

// Something faster than PCIe between two cards.
struct Link {
  size_t from = 0;  // index into Inventory::cards; from < to
  size_t to = 0;
  std::string kind;   // "board", "ethernet", ...
  double width = 1;   // number of lanes, cables or channels side by side
  double weight = 0;  // what it adds to the affinity of the pair
  bool operator==(const Link&) const = default;
};

enum class VertexKind { kMachine, kSocket, kNumaNode, kHostBridge, kRootPort, kSwitch, kFunction, kCard };

// One vertex of the tree that holds the machine together. Vertex 0 is the machine; a parent comes before its
// children.
struct Vertex {
  VertexKind kind = VertexKind::kMachine;
  std::string name;   // "pci0000:30", "0000:30:02.0", "0" for NUMA node 0, the id of a card
  size_t parent = 0;  // of vertex 0: itself
  int depth = 0;
  int card = -1;  // index into Inventory::cards, for kCard
};

// Immutable. Threads: any.
class Graph {
 public:
  // Links refer to inventory.cards; board links are added here. Links between a card and itself are dropped.
  Graph(const Inventory& inventory, std::vector<Link> links, const Weights& weights);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  size_t cards() const;
  Relation CardRelation(size_t a, size_t b) const;
  // What `closest` adds up over pairs, links included; 0 for a == b.
  double CardAffinity(size_t a, size_t b) const;
  // Of the PCI/NUMA tree alone.
  double TreeAffinity(size_t a, size_t b) const;
  const std::vector<Link>& links() const;

  // Of two entries of Inventory::functions.
  Relation FunctionRelation(size_t a, size_t b) const;
  // Of a card and an entry of Inventory::functions that is not the card itself; kNumaUnknown for a card
  // without a function.
  Relation ToFunction(size_t card, size_t function) const;

  // What the nearest of the network cards is worth to a card, by what they have in common: as much as another
  // card there; 0 when that is not even a NUMA node. `kinds`: "net" (any), "infiniband" (RDMA). For a card
  // that is a network card itself, it.
  double NicAffinity(size_t card, const std::vector<std::string>& kinds) const;
  // Entries of Inventory::functions, in their order.
  std::vector<size_t> Nics(const std::vector<std::string>& kinds) const;

  // Machine, sockets, NUMA nodes, host bridges, bridges above cards, functions of cards, cards.
  const std::vector<Vertex>& tree() const;
  // The vertex of a card.
  size_t CardVertex(size_t card) const;

  // Disjoint sets among `cards` that links of at least `min_width` join, board links aside: of `size` cards
  // (2 or more) as many as possible, among those the ones with the greatest sum of affinities, see
  // topology/cover.h; without `size` everything that hangs together. Cards that find no place are left out.
  std::vector<std::vector<size_t>> LinkedGroups(const std::vector<size_t>& cards, std::optional<size_t> size,
                                                double min_width) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_GRAPH_H_
