// SPDX-License-Identifier: Apache-2.0
// A card, or the pieces of one, as drawn. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_CARD_H_
#define CLEAVE_TOPOLOGY_SVG_CARD_H_

#include <set>
#include <string>

#include "discovery/inventory.h"
#include "topology/svg_canvas.h"
#include "topology/svg_layout.h"

namespace cleave {

void DrawColumn(const Inventory& inventory, const Column& column, const CardLook& look,
                const std::set<std::string>& in_use, Canvas& canvas);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_CARD_H_
