// SPDX-License-Identifier: Apache-2.0
// Texts and numbers for pictures. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_TEXT_H_
#define CLEAVE_TOPOLOGY_SVG_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cleave {

// `text` as UTF-8 that is well-formed in XML 1.0: white space becomes a blank; other controls, marks that
// turn the direction of writing, and bytes that are no UTF-8 become U+FFFD.
std::string CleanText(std::string_view text);

// CleanText() with & < > " ' escaped: for element content and for attributes in either quotes.
std::string EscapeXml(std::string_view text);

struct Font {
  double size = 11;  // pixels
  bool mono = false;
  bool bold = false;
};

// How wide `text` will be, in pixels. Nobody knows the reader's fonts, so this assumes a wide one.
double TextWidth(std::string_view text, const Font& font);

// CleanText(), with "…" for what does not fit `width`; "" when nothing does.
std::string Ellipsize(std::string_view text, const Font& font, double width);
// The same, but it is the beginning that goes: of an address the end tells it from others.
std::string EllipsizeFront(std::string_view text, const Font& font, double width);

// CleanText() in at most `lines` lines, broken at blanks; what is too much goes as in Ellipsize().
std::vector<std::string> WrapText(std::string_view text, const Font& font, double width, size_t lines);

// A coordinate with at most one decimal: "12", "12.5".
std::string Number(double value);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_TEXT_H_
