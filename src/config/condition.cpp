// SPDX-License-Identifier: Apache-2.0
#include "config/condition.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/strings.h"

namespace cleave {
namespace {

// nullopt when the pattern is no comparison.
std::optional<bool> Compare(std::string_view pattern, const std::string& text) {
  size_t digits = pattern.find_first_not_of("<>=");
  std::string_view op = pattern.substr(0, digits);
  if (op != "<" && op != "<=" && op != ">" && op != ">=") return std::nullopt;
  std::optional<int64_t> limit = ParseInt(Trim(pattern.substr(op.size())));
  std::optional<int64_t> value = ParseInt(text);
  if (!limit || !value) return false;
  if (op == "<") return *value < *limit;
  if (op == "<=") return *value <= *limit;
  if (op == ">") return *value > *limit;
  return *value >= *limit;
}

// nullopt when the pattern is no range.
std::optional<std::pair<int64_t, int64_t>> RangeOf(std::string_view pattern) {
  size_t dash = pattern.find('-');
  if (dash == 0 || dash == std::string_view::npos) return std::nullopt;
  std::optional<int64_t> first = ParseInt(pattern.substr(0, dash));
  std::optional<int64_t> last = ParseInt(pattern.substr(dash + 1));
  if (!first || !last || *first < 0 || *last < 0) return std::nullopt;
  return std::pair(*first, *last);
}

bool MatchesOne(const std::string& pattern, const std::string& text) {
  if (std::optional<bool> compared = Compare(pattern, text)) return *compared;
  if (std::optional<std::pair<int64_t, int64_t>> range = RangeOf(pattern)) {
    std::optional<int64_t> value = ParseInt(text);
    if (value && *value >= range->first && *value <= range->second) return true;
  }
  return GlobMatch(pattern, text);
}

}  // namespace

std::string BadPattern(std::string_view pattern) {
  if (pattern.starts_with('!')) pattern.remove_prefix(1);
  std::optional<std::pair<int64_t, int64_t>> range = RangeOf(pattern);
  if (!range || range->first <= range->second) return "";
  return fmt::format("the range \"{}\" ends before it begins", pattern);
}

std::string ToText(const AttributeValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  return std::get<bool>(value) ? "true" : "false";
}

bool Matches(const AttributeTest& test, const std::optional<AttributeValue>& value) {
  std::string text = value ? ToText(*value) : "";
  bool wanted = false;
  bool has_positive = false;
  for (const std::string& pattern : test.patterns) {
    if (pattern.starts_with('!')) {
      if (value && MatchesOne(pattern.substr(1), text)) return false;
    } else {
      has_positive = true;
      wanted = wanted || (value && MatchesOne(pattern, text));
    }
  }
  return wanted || !has_positive;
}

bool Condition::Holds(const Lookup& lookup) const {
  return std::all_of(tests.begin(), tests.end(),
                     [&](const AttributeTest& test) { return Matches(test, lookup(test.name)); });
}

}  // namespace cleave
