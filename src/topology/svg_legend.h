// SPDX-License-Identifier: Apache-2.0
// What the signs of a picture mean: only those that appear in it. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_LEGEND_H_
#define CLEAVE_TOPOLOGY_SVG_LEGEND_H_

#include <cstddef>
#include <map>
#include <string>

#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/svg_canvas.h"
#include "topology/svg_layout.h"

namespace cleave {

// Kinds of links, numbered for their colours and dashes.
using LinkKinds = std::map<std::string, size_t>;

// How a link of a numbered kind is drawn where there are `wires`, for Canvas::Path().
std::string StrokeAttributes(size_t kind, double width, size_t wires);

struct LegendLinks {
  const LinkKinds& kinds;
  size_t wires = 0;
  bool every_two = false;  // some wire joins more than two cards
};

struct LegendMarks {
  bool used = false;         // something is marked as in use
  bool not_offered = false;  // or as not offered
};

// From the top of `place` down, in lines of its width. Returns its bottom.
double DrawLegend(const Inventory& inventory, const Graph& graph, const Layout& layout,
                  const LegendLinks& links, const LegendMarks& marks, const Box& place, Canvas& canvas);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_LEGEND_H_
