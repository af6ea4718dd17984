// SPDX-License-Identifier: Apache-2.0
// The picture of a node: `cleave topology --svg` and `--dot`.
#ifndef CLEAVE_TOPOLOGY_RENDER_SVG_H_
#define CLEAVE_TOPOLOGY_RENDER_SVG_H_

#include <set>
#include <string>
#include <vector>

#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/render.h"

namespace cleave {

struct SvgOptions {
  std::string title;             // stands on top, such as the name of the node; "": "this node"
  std::set<std::string> in_use;  // ids of cards that carry the mark "in use"
  NotOfferedCards not_offered = {};
  std::vector<std::string> nics = {"infiniband"};  // network cards that are drawn: see Graph::NicAffinity()
};
// "not offered: why"; "" for a card that is.
std::string NotOfferedText(const SvgOptions& options, const Card& card);

// Both functions: `graph` was made of `inventory`. The same question has the same answer, byte by byte.
// Names, attributes and ids may hold any bytes: what is no UTF-8, or no character that XML allows, becomes
// U+FFFD. Threads: any.

// A self-contained SVG 1.1 document: no scripts, no fonts or images from elsewhere. Light or dark as the
// reader prefers, by a media query over CSS variables (--cleave-...) that a page which embeds it may set;
// programs that know neither draw it light. NUMA nodes are panels, bridges bars above the cards that they
// hold, links wires in a lane of their own.
std::string RenderSvg(const Inventory& inventory, const Graph& graph, const SvgOptions& options);

// An undirected graph for Graphviz's `dot`: NUMA nodes are clusters, links edges that do not bend the tree.
// Of the options it knows which cards are offered and which network cards are shown.
std::string RenderDot(const Inventory& inventory, const Graph& graph, const SvgOptions& options = {});

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_RENDER_SVG_H_
