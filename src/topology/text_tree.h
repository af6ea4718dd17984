// SPDX-License-Identifier: Apache-2.0
// Text for terminals: trees, wrapped lines, number ranges. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_TEXT_TREE_H_
#define CLEAVE_TOPOLOGY_TEXT_TREE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/inventory.h"

namespace cleave {

// How wide text is made, where a single word does not need more.
inline constexpr size_t kTextColumns = 100;

struct TextTree {
  std::string text;
  std::vector<std::string> details;  // lines below it, before its children
  std::vector<TextTree> children;
};

// The tree, a line for each node; lines that are too long go on below.
std::string ToText(const TextTree& tree);

// `text` in lines of at most `columns`, broken at blanks; lines after the first begin with `indent`.
std::vector<std::string> Wrap(std::string_view text, size_t columns, std::string_view indent);

// Adds `line`, indented, as one entry of a list below a heading.
void AddLine(const std::string& line, std::string& out);

// The list of what is odd, with its heading; "" when nothing is.
std::string OdditiesText(const Inventory& inventory);

// "0-27,56-83", or "0-78:2" for every second one, as taskset(1) writes it; the numbers must be sorted.
std::string FormatRanges(const std::vector<int>& numbers);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_TEXT_TREE_H_
