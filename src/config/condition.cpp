// SPDX-License-Identifier: Apache-2.0
#include "config/condition.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
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

// Built-in names whose values are whole numbers.
constexpr std::array<std::string_view, 7> kNumbers = {
    "index", "numa", "piece", "pieces", "pci.numa_node", "pci.iommu_peers", "pci.iommu_foreign"};

struct Comparison {
  std::string_view op;           // <, <=, >, >=
  std::optional<int64_t> limit;  // nullopt: what stands there is no number
};

// nullopt when the pattern is no comparison.
std::optional<Comparison> ComparisonOf(std::string_view pattern) {
  std::string_view op = pattern.substr(0, pattern.find_first_not_of("<>="));
  if (op != "<" && op != "<=" && op != ">" && op != ">=") return std::nullopt;
  return Comparison{op, ParseInt(Trim(pattern.substr(op.size())))};
}

bool Holds(const Comparison& comparison, const std::string& text) {
  std::optional<int64_t> value = ParseInt(text);
  if (!comparison.limit || !value) return false;
  if (comparison.op == "<") return *value < *comparison.limit;
  if (comparison.op == "<=") return *value <= *comparison.limit;
  if (comparison.op == ">") return *value > *comparison.limit;
  return *value >= *comparison.limit;
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

// fnmatch takes a '[' that nothing closes for the character itself.
bool HasOpenBracket(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      size_t first = i + 1;
      if (first < pattern.size() && (pattern[first] == '!' || pattern[first] == '^')) ++first;
      i = pattern.find(']', first + 1);  // a ']' right at the start is one of the characters
      if (i == std::string_view::npos) return true;
    }
  }
  return false;
}

bool MatchesOne(const std::string& pattern, const std::string& text) {
  if (std::optional<Comparison> comparison = ComparisonOf(pattern)) return Holds(*comparison, text);
  if (std::optional<std::pair<int64_t, int64_t>> range = RangeOf(pattern)) {
    std::optional<int64_t> value = ParseInt(text);
    if (value && *value >= range->first && *value <= range->second) return true;
  }
  return GlobMatch(pattern, text);
}

}  // namespace

std::string BadGlob(std::string_view pattern) {
  return HasOpenBracket(pattern) ? fmt::format("the pattern \"{}\" has a '[' without its ']'", pattern) : "";
}

std::string BadPattern(std::string_view name, std::string_view pattern) {
  if (pattern.starts_with('!')) pattern.remove_prefix(1);
  std::optional<Comparison> comparison = ComparisonOf(pattern);
  if (comparison && !comparison->limit) return fmt::format("\"{}\" compares with no number", pattern);
  if (std::string bad = BadGlob(pattern); !bad.empty()) return bad;
  std::optional<std::pair<int64_t, int64_t>> range = RangeOf(pattern);
  if (range && range->first > range->second)
    return fmt::format("the range \"{}\" ends before it begins", pattern);
  const bool is_number = std::find(kNumbers.begin(), kNumbers.end(), name) != kNumbers.end();
  const bool may_be_one =
      comparison || range || ParseInt(pattern) || pattern.find_first_of("*?[\\") != std::string_view::npos;
  if (!is_number || may_be_one) return "";
  return fmt::format("\"{}\" is no number, and '{}' is one: \"3\", \"0-3\", \"> 3\"", pattern, name);
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

bool Same(const Condition& a, const Condition& b) {
  return std::equal(a.tests.begin(), a.tests.end(), b.tests.begin(), b.tests.end(),
                    [](const AttributeTest& one, const AttributeTest& other) {
                      return one.name == other.name && one.patterns == other.patterns;
                    });
}

}  // namespace cleave
