// SPDX-License-Identifier: Apache-2.0
// The tree that holds cards together. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_MACHINE_TREE_H_
#define CLEAVE_TOPOLOGY_MACHINE_TREE_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "discovery/inventory.h"
#include "topology/graph.h"

namespace cleave {

// True for what stands between a host bridge and a card.
bool IsBridge(VertexKind kind);

struct MachineTree {
  std::vector<Vertex> vertices;     // see Graph::tree()
  std::vector<size_t> card_vertex;  // by card

  // What a card hangs on: its function, its NUMA node, or the machine when neither is known.
  size_t Place(size_t card) const { return vertices[card_vertex[card]].parent; }
  // The deepest vertex that holds both; one may be the other.
  size_t Common(size_t a, size_t b) const;
};

// A root bus stands under the NUMA node of the cards below it, when those that know theirs agree; when none
// does, under that of the bridges above them; else directly under the machine. Linear in cards and NUMA
// nodes.
MachineTree BuildMachineTree(const Inventory& inventory);

// Network cards, entries of Inventory::functions, with the vertex of graph.tree() that each hangs on: the
// lowest bridge above it that is there, else its NUMA node. Those that have neither or are cards are left
// out.
std::vector<std::pair<size_t, size_t>> PlaceNics(const Inventory& inventory, const Graph& graph,
                                                 const std::vector<size_t>& nics);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_MACHINE_TREE_H_
