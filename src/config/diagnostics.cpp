// SPDX-License-Identifier: Apache-2.0
#include "config/diagnostics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "base/strings.h"

namespace cleave {
namespace {

std::vector<Diagnostic> Sorted(std::vector<Diagnostic> list) {
  std::stable_sort(list.begin(), list.end());
  auto same = [](const Diagnostic& a, const Diagnostic& b) { return !(a < b) && !(b < a); };
  list.erase(std::unique(list.begin(), list.end(), same), list.end());
  return list;
}

}  // namespace

std::string ToString(const SourcePos& pos) {
  if (pos.line == 0) return pos.file;
  if (pos.column == 0) return fmt::format("{}:{}", pos.file, pos.line);
  return fmt::format("{}:{}:{}", pos.file, pos.line, pos.column);
}

bool Diagnostic::operator<(const Diagnostic& other) const {
  return std::tie(pos.file, pos.line, pos.column, message) <
         std::tie(other.pos.file, other.pos.line, other.pos.column, other.message);
}

std::string ToString(const Diagnostic& diagnostic) {
  std::string where = ToString(diagnostic.pos);
  return where.empty() ? diagnostic.message : where + ": " + diagnostic.message;
}

std::vector<Diagnostic> Diagnostics::errors() const { return Sorted(errors_); }
std::vector<Diagnostic> Diagnostics::notes() const { return Sorted(notes_); }

std::string Diagnostics::Text() const {
  std::string text;
  for (const Diagnostic& error : errors()) {
    if (!text.empty()) text += '\n';
    text += ToString(error);
  }
  return text;
}

std::vector<std::string> Lines(const Diagnostics& diagnostics) {
  std::vector<std::string> lines;
  for (const Diagnostic& error : diagnostics.errors()) lines.push_back(ToString(error));
  for (const Diagnostic& note : diagnostics.notes())
    lines.push_back(ToString(Diagnostic{note.pos, "note: " + note.message}));
  return lines;
}

std::string DidYouMean(const std::string& word, const std::vector<std::string>& candidates) {
  std::string nearest = Nearest(word, candidates);
  return nearest.empty() ? "" : fmt::format(" (did you mean '{}'?)", nearest);
}

std::string NearOrAll(const std::string& word, const std::vector<std::string>& candidates) {
  std::string near = DidYouMean(word, candidates);
  if (!near.empty() || candidates.empty()) return near;
  constexpr size_t kMost = 20;
  if (candidates.size() <= kMost) return "; there is " + Join(candidates, ", ");
  const std::vector<std::string> first(candidates.begin(), candidates.begin() + kMost);
  return fmt::format("; there is {} and {} more", Join(first, ", "), candidates.size() - kMost);
}

}  // namespace cleave
