// SPDX-License-Identifier: Apache-2.0
#include "topology/text_tree.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/inventory.h"

namespace cleave {
namespace {

constexpr size_t kLeastSteps = 3;  // fewer numbers with equal gaps are written out
constexpr size_t kNarrowest = 40;  // deep below the root lines get longer rather than narrower

// In characters; the bytes 10xxxxxx of UTF-8 continue one.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// `first` stands before the node's own line, `rest` before every other.
void Write(const TextTree& tree, const std::string& first, const std::string& rest, std::string& out) {
  const std::string below = tree.children.empty() ? rest + "   " : rest + "│  ";
  const size_t columns = std::max(kTextColumns - std::min(kTextColumns, Width(below)), kNarrowest);
  const std::vector<std::string> lines = Wrap(tree.text, columns, "  ");
  for (size_t i = 0; i < lines.size(); ++i) out += (i == 0 ? first : below) + lines[i] + "\n";
  for (const std::string& detail : tree.details) {
    for (const std::string& line : Wrap(detail, columns, "")) out += below + line + "\n";
  }
  for (const TextTree& child : tree.children) {
    bool is_last = &child == &tree.children.back();
    Write(child, rest + (is_last ? "└─ " : "├─ "), rest + (is_last ? "   " : "│  "), out);
  }
}

}  // namespace

std::string ToText(const TextTree& tree) {
  std::string out;
  Write(tree, "", "", out);
  return out;
}

std::vector<std::string> Wrap(std::string_view text, size_t columns, std::string_view indent) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    // A word and the blanks before it.
    size_t word = std::min(text.find_first_not_of(' '), text.size());
    size_t end = std::min(text.find(' ', word), text.size());
    std::string_view piece = text.substr(0, end);
    if (!line.empty() && Width(line) + Width(piece) > columns) {
      lines.push_back(line);
      line = std::string(indent) + std::string(text.substr(word, end - word));
    } else {
      line += piece;
    }
    text.remove_prefix(end);
  }
  lines.push_back(line);
  return lines;
}

void AddLine(const std::string& line, std::string& out) {
  for (const std::string& part : Wrap("  " + line, kTextColumns, "       ")) out += part + "\n";
}

std::string OdditiesText(const Inventory& inventory) {
  std::string out = inventory.oddities.empty() ? "" : "\noddities\n";
  for (const Oddity& oddity : inventory.oddities)
    AddLine(fmt::format("{}: {}", oddity.subject, oddity.text), out);
  return out;
}

std::string FormatRanges(const std::vector<int>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size(); ++i) {
    auto last_of = [&numbers, i](int step) {
      size_t end = i;
      while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + step) ++end;
      return end;
    };
    if (!text.empty()) text += ',';
    const int step = i + 1 < numbers.size() ? numbers[i + 1] - numbers[i] : 1;
    size_t end = last_of(1);
    if (step > 1 && last_of(step) >= i + kLeastSteps) {
      end = last_of(step);
      text += fmt::format("{}-{}:{}", numbers[i], numbers[end], step);
    } else {
      text += end == i ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[end]);
    }
    i = end;
  }
  return text;
}

}  // namespace cleave
