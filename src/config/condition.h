// SPDX-License-Identifier: Apache-2.0
// Tests on the attributes of a card: where = { card_type = ["p150*", "!p150b"], chips = "> 1" }.
#ifndef CLEAVE_CONFIG_CONDITION_H_
#define CLEAVE_CONFIG_CONDITION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/diagnostics.h"

namespace cleave {

// What an attribute of a card can be. Text read from files stays text.
using AttributeValue = std::variant<std::string, int64_t, bool>;

std::string ToText(const AttributeValue& value);

// One named value against a list of patterns. It holds when a positive pattern matches (or there is none) and
// no pattern that begins with "!" does. A pattern is a shell pattern, or a comparison with a number ("> 1",
// ">= 2", "< 4", "<= 4") or a range of whole numbers ("0-3", both ends included). A value that is absent
// matches nothing, so only "!..." lists hold.
struct AttributeTest {
  std::string name;
  std::vector<std::string> patterns;
  SourcePos pos;
};

// Why a shell pattern is none; "" when it is one.
std::string BadGlob(std::string_view pattern);
// Why a pattern of a test on `name` can never match; "" when it may. Built-in names such as index are
// numbers.
std::string BadPattern(std::string_view name, std::string_view pattern);

// All tests must hold; an empty condition always holds.
struct Condition {
  using Lookup = std::function<std::optional<AttributeValue>(const std::string& name)>;

  std::vector<AttributeTest> tests;

  bool empty() const { return tests.empty(); }
  bool Holds(const Lookup& lookup) const;
};

// The same tests, wherever they were written.
bool Same(const Condition& a, const Condition& b);

// One test alone.
bool Matches(const AttributeTest& test, const std::optional<AttributeValue>& value);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_CONDITION_H_
