// SPDX-License-Identifier: Apache-2.0
// A machine as columns, what stands above them, and rows: the part of svg_layout.h that knows no pixels.
// Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_COLUMNS_H_
#define CLEAVE_TOPOLOGY_SVG_COLUMNS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/svg_layout.h"

namespace cleave {

// A frame or bar before it is cut into rows.
struct Group {
  bool is_bar = false;
  Frame::Kind kind = Frame::Kind::kNumaNode;  // of a frame
  std::string board;
  std::vector<size_t> vertices;  // several: a chain of bridges
  size_t first = 0;
  size_t last = 0;
  size_t level = 0;  // bars above this one
};

// In the order of the tree; what has no NUMA node comes last. NUMA nodes without cards are columns, too,
// unless they are memory only. Network cards come after the cards of what they hang on: the lowest bridge
// above them that has cards below, else their NUMA node; those that have neither are left out.
std::vector<Column> MakeColumns(const Inventory& inventory, const Graph& graph,
                                const std::vector<size_t>& nics);

// Outer before inner.
std::vector<Group> MakeGroups(const Inventory& inventory, const Graph& graph,
                              const std::vector<Column>& columns);

// How wide a column is, in cards.
double Weight(const Column& column);

// First and last columns of each row: rows of about the same length, broken where little is torn apart.
// `wired`: rows are to come in pairs.
std::vector<std::pair<size_t, size_t>> BreakRows(const std::vector<Column>& all,
                                                 const std::vector<Group>& groups, bool wired);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_COLUMNS_H_
