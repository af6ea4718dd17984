// SPDX-License-Identifier: Apache-2.0
#include "config/toml_reader.h"

#include <fmt/core.h>
#include <re2/re2.h>
#include <toml++/toml.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/text_template.h"

namespace cleave {

toml::table ParseToml(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  try {
    return toml::parse(text, std::string_view(file));
  } catch (const toml::parse_error& error) {
    SourcePos pos{file, static_cast<int>(error.source().begin.line),
                  static_cast<int>(error.source().begin.column)};
    diagnostics.Error(std::move(pos), std::string(error.description()));
    return {};
  }
}

SourcePos TableReader::PosOf(const toml::node& node) const {
  return {file_, static_cast<int>(node.source().begin.line), static_cast<int>(node.source().begin.column)};
}

SourcePos TableReader::PosOfKey(std::string_view key) const {
  auto found = table_.find(key);
  if (found == table_.end()) return Pos();
  const toml::source_position& at = found->first.source().begin;
  return {file_, static_cast<int>(at.line), static_cast<int>(at.column)};
}

const toml::node* TableReader::Node(std::string_view key) {
  known_.emplace_back(key);
  return table_.get(key);
}

bool TableReader::Has(std::string_view key) { return Node(key) != nullptr; }

void TableReader::WrongType(std::string_view key, std::string_view wanted) {
  ErrorAt(key, fmt::format("'{}' in {} must be {}", key, where_, wanted));
}

std::optional<std::string> TableReader::String(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr) return std::nullopt;
  std::optional<std::string> value = node->value_exact<std::string>();
  if (!value && (node->is_integer() || node->is_floating_point())) {
    WrongType(key, "a string: write it in quotes");
  } else if (!value) {
    WrongType(key, "a string");
  }
  return value;
}

std::optional<int64_t> TableReader::Int(std::string_view key, int64_t least, int64_t most) {
  const toml::node* node = Node(key);
  if (node == nullptr) return std::nullopt;
  std::optional<int64_t> value = node->value_exact<int64_t>();
  if (value && *value >= least && *value <= most) return value;
  WrongType(key, least == most ? fmt::format("{}", least)
                               : fmt::format("a whole number from {} to {}{}", least, most,
                                             node->is_string() ? ", without quotes" : ""));
  return std::nullopt;
}

std::optional<double> TableReader::Number(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr) return std::nullopt;
  std::optional<double> value = node->is_number() ? node->value<double>() : std::nullopt;
  // Not negative, not NaN, and small enough that sums over thousands of pairs stay exact.
  if (value && *value >= 0 && *value <= 1e6) return value;
  WrongType(key, "a number from 0 to 1000000");
  return std::nullopt;
}

std::optional<bool> TableReader::Bool(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr) return std::nullopt;
  std::optional<bool> value = node->value_exact<bool>();
  if (!value) WrongType(key, "true or false");
  return value;
}

std::optional<std::chrono::milliseconds> TableReader::Duration(std::string_view key) {
  std::optional<std::string> text = String(key);
  if (!text) return std::nullopt;
  size_t digits = text->find_first_not_of("0123456789");
  std::optional<int64_t> number = ParseInt(std::string_view(*text).substr(0, digits));
  std::string unit = digits == std::string::npos ? "" : text->substr(digits);
  if (number && *number <= 1'000'000) {
    if (unit == "ms") return std::chrono::milliseconds(*number);
    if (unit == "s") return std::chrono::seconds(*number);
    if (unit == "m") return std::chrono::minutes(*number);
    if (unit == "h") return std::chrono::hours(*number);
  }
  WrongType(key, R"(a duration such as "500ms", "5s", "2m" or "1h")");
  return std::nullopt;
}

std::vector<std::string> TableReader::Strings(std::string_view key) {
  std::vector<std::string> values;
  const toml::node* node = Node(key);
  if (node == nullptr) return values;
  if (std::optional<std::string> one = node->value_exact<std::string>()) return {*one};
  if (const toml::array* list = node->as_array()) {
    // To leave the key out says the same more clearly, and most often something else was meant.
    if (list->empty()) ErrorAt(key, fmt::format("'{}' in {} is an empty list: leave it out", key, where_));
    for (const toml::node& item : *list) {
      std::optional<std::string> value = item.value_exact<std::string>();
      if (value) {
        values.push_back(*value);
      } else {
        Error(PosOf(item), fmt::format("'{}' in {} must hold strings only", key, where_));
      }
    }
    return values;
  }
  WrongType(key, "a string or a list of strings");
  return values;
}

std::vector<std::string> TableReader::Patterns(std::string_view key) {
  std::vector<std::string> patterns = Strings(key);
  for (const std::string& pattern : patterns) {
    if (std::string bad = BadGlob(pattern); !bad.empty())
      ErrorAt(key, fmt::format("'{}' in {}: {}", key, where_, bad));
  }
  return patterns;
}

std::vector<int64_t> TableReader::Ints(std::string_view key, int64_t least, int64_t most) {
  std::vector<int64_t> values;
  const toml::node* node = Node(key);
  if (node == nullptr) return values;
  auto take = [&](const toml::node& item) {
    std::optional<int64_t> value = item.value_exact<int64_t>();
    if (value && *value >= least && *value <= most) {
      values.push_back(*value);
    } else {
      Error(PosOf(item),
            fmt::format("'{}' in {} must be whole numbers from {} to {}", key, where_, least, most));
    }
  };
  if (const toml::array* list = node->as_array()) {
    for (const toml::node& item : *list) take(item);
  } else {
    take(*node);
  }
  return values;
}

std::optional<TextTemplate> TableReader::TemplateOf(const toml::node& node, std::string_view key) {
  std::optional<std::string> text = node.value_exact<std::string>();
  if (!text) {
    Error(PosOf(node), fmt::format("'{}' in {} must be a string", key, where_));
    return std::nullopt;
  }
  absl::StatusOr<TextTemplate> parsed = TextTemplate::Parse(*text);
  if (!parsed.ok()) {
    Error(PosOf(node), fmt::format("'{}' in {}: {}", key, where_, MessageOf(parsed.status())));
    return std::nullopt;
  }
  parsed->pos = PosOf(node);
  return *parsed;
}

std::optional<TextTemplate> TableReader::Template(std::string_view key) {
  const toml::node* node = Node(key);
  return node == nullptr ? std::nullopt : TemplateOf(*node, key);
}

std::vector<TextTemplate> TableReader::Templates(std::string_view key) {
  std::vector<TextTemplate> values;
  const toml::node* node = Node(key);
  if (node == nullptr) return values;
  auto take = [&](const toml::node& item) {
    if (std::optional<TextTemplate> value = TemplateOf(item, key)) values.push_back(*std::move(value));
  };
  if (const toml::array* list = node->as_array()) {
    for (const toml::node& item : *list) take(item);
  } else {
    take(*node);
  }
  return values;
}

std::optional<std::string> TableReader::Regex(std::string_view key) {
  std::optional<std::string> text = String(key);
  if (!text) return std::nullopt;
  re2::RE2 expression(*text, re2::RE2::Quiet);
  if (!expression.ok()) {
    ErrorAt(key, fmt::format("'{}' in {} is no regular expression: {}", key, where_, expression.error()));
    return std::nullopt;
  }
  return text;
}

std::optional<AttributeValue> ScalarOf(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return *text;
  if (auto number = node.value_exact<int64_t>()) return *number;
  if (auto truth = node.value_exact<bool>()) return *truth;
  return std::nullopt;
}

Condition TableReader::Tests(std::string_view key) {
  Condition condition;
  const toml::node* node = Node(key);
  if (node == nullptr) return condition;
  if (std::optional<std::string> name = node->value_exact<std::string>()) {
    condition.tests.push_back({*name, {"true"}, PosOf(*node)});
    return condition;
  }
  const toml::table* table = node->as_table();
  if (table == nullptr) {
    WrongType(key, "a table of tests such as { card_type = \"x*\" }, or the name of an attribute");
    return condition;
  }
  for (auto&& [name, value] : *table) {
    SourcePos pos{file_, static_cast<int>(name.source().begin.line),
                  static_cast<int>(name.source().begin.column)};
    AttributeTest test{std::string(name.str()), {}, std::move(pos)};
    auto take = [&](const toml::node& item) {
      std::optional<AttributeValue> scalar = ScalarOf(item);
      if (scalar) {
        test.patterns.push_back(ToText(*scalar));
        if (std::string bad = BadPattern(test.name, test.patterns.back()); !bad.empty()) Error(test.pos, bad);
      } else {
        Error(PosOf(item),
              fmt::format("a test in '{}' of {} must be a string, number or truth, or a list of them", key,
                          where_));
      }
    };
    if (const toml::array* list = value.as_array()) {
      for (const toml::node& item : *list) take(item);
      if (list->empty())
        Error(test.pos, fmt::format("the list for '{}' in '{}' of {} is empty", test.name, key, where_));
    } else {
      take(value);
    }
    condition.tests.push_back(std::move(test));
  }
  return condition;
}

std::optional<size_t> TableReader::OneOf(std::string_view key, const std::vector<std::string>& values) {
  std::optional<std::string> text = String(key);
  if (!text) return std::nullopt;
  auto found = std::find(values.begin(), values.end(), *text);
  if (found != values.end()) return static_cast<size_t>(found - values.begin());
  ErrorAt(key, fmt::format("'{}' in {} must be one of {}, not '{}'{}", key, where_, Join(values, ", "), *text,
                           DidYouMean(*text, values)));
  return std::nullopt;
}

const toml::table* TableReader::Table(std::string_view key) {
  const toml::node* node = Node(key);
  if (node == nullptr) return nullptr;
  if (!node->is_table()) WrongType(key, "a table");
  return node->as_table();
}

std::vector<const toml::table*> TableReader::TableOrTables(std::string_view key) {
  std::vector<const toml::table*> tables;
  const toml::node* node = Node(key);
  if (node == nullptr) return tables;
  if (const toml::table* one = node->as_table()) return {one};
  const toml::array* list = node->as_array();
  if (list == nullptr) {
    WrongType(key, "a table or a list of tables");
    return tables;
  }
  for (const toml::node& item : *list) {
    if (const toml::table* table = item.as_table()) {
      tables.push_back(table);
    } else {
      Error(PosOf(item), fmt::format("'{}' in {} must hold tables only", key, where_));
    }
  }
  return tables;
}

void TableReader::Tables(std::string_view key, const std::function<void(const toml::table&)>& read) {
  const toml::node* node = Node(key);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) {
    WrongType(key, fmt::format("a list of tables: write [[{}]]", key));
    return;
  }
  for (const toml::node& item : *list) {
    if (const toml::table* table = item.as_table()) {
      read(*table);
    } else {
      Error(PosOf(item), fmt::format("'{}' in {} must hold tables only", key, where_));
    }
  }
}

void TableReader::Finish() {
  for (auto&& [key, value] : table_) {
    std::string name(key.str());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    ErrorAt(name, fmt::format("unknown key '{}' in {}{}", name, where_, DidYouMean(name, known_)));
  }
}

}  // namespace cleave
