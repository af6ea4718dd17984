// SPDX-License-Identifier: Apache-2.0
// A card, or the pieces of one, as drawn. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_CARD_H_
#define CLEAVE_TOPOLOGY_SVG_CARD_H_

#include <cstddef>
#include <vector>

#include "discovery/inventory.h"
#include "topology/render_svg.h"
#include "topology/svg_canvas.h"
#include "topology/svg_layout.h"

namespace cleave {

// `nics`: all network cards of the picture, by whose order they are called N0, N1, ...
void DrawColumn(const Inventory& inventory, const std::vector<size_t>& nics, const Column& column,
                const CardLook& look, const SvgOptions& options, Canvas& canvas);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_CARD_H_
