// SPDX-License-Identifier: Apache-2.0
// Colours and style sheet of the picture. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_STYLE_H_
#define CLEAVE_TOPOLOGY_SVG_STYLE_H_

#include <cstddef>
#include <string>

namespace cleave {

// The content of <style>: light colours as they are and as CSS variables, dark ones in a media query.
// `cards`: for how many the pointer over a card lets only its own wires stand out.
std::string StyleSheet(size_t cards);

// Of the n-th kind of link: colours repeat after a while, dashes tell them apart without colours.
size_t KindColour(size_t n);
std::string KindDashes(size_t n);  // stroke-dasharray; "": a full line

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_STYLE_H_
