// SPDX-License-Identifier: Apache-2.0
// Reading a TOML table with errors that have positions. Private to src/config.
#ifndef CLEAVE_CONFIG_TOML_READER_H_
#define CLEAVE_CONFIG_TOML_READER_H_

#include <toml++/toml.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/text_template.h"

namespace cleave {

// Parses `text`; a syntax error is added to `diagnostics` and an empty table returned.
toml::table ParseToml(std::string_view text, const std::string& file, Diagnostics& diagnostics);

// One table. Every getter marks its key as known; Finish() reports the others. A getter returns nullopt (or
// an empty list) when the key is absent or wrong; what is wrong has been reported.
class TableReader {
 public:
  // `where` names the table in messages, as a person would write it: "[[resource]]".
  TableReader(const toml::table& table, std::string where, const std::string& file, Diagnostics& diagnostics)
      : table_(table), where_(std::move(where)), file_(file), diagnostics_(diagnostics) {}

  bool Has(std::string_view key);
  std::optional<std::string> String(std::string_view key);
  std::optional<int64_t> Int(std::string_view key, int64_t least, int64_t most);
  std::optional<double> Number(std::string_view key);  // from 0 to 1000000
  std::optional<bool> Bool(std::string_view key);
  // "500ms", "2s", "1m", "1h"
  std::optional<std::chrono::milliseconds> Duration(std::string_view key);
  // A string or a list of strings.
  std::vector<std::string> Strings(std::string_view key);
  // A shell pattern or a list of them.
  std::vector<std::string> Patterns(std::string_view key);
  // A number or a list of numbers.
  std::vector<int64_t> Ints(std::string_view key, int64_t least, int64_t most);
  std::optional<TextTemplate> Template(std::string_view key);
  std::vector<TextTemplate> Templates(std::string_view key);
  // Of a node in the value of `key`.
  std::optional<TextTemplate> TemplateOf(const toml::node& node, std::string_view key);
  // A regular expression that RE2 accepts.
  std::optional<std::string> Regex(std::string_view key);
  // A table of tests, or a string: the name of an attribute that must be true.
  Condition Tests(std::string_view key);
  std::optional<size_t> OneOf(std::string_view key, const std::vector<std::string>& values);
  const toml::table* Table(std::string_view key);
  // An array of tables; each is read by `read`.
  void Tables(std::string_view key, const std::function<void(const toml::table&)>& read);
  // A table or an array of tables.
  std::vector<const toml::table*> TableOrTables(std::string_view key);
  const toml::node* Node(std::string_view key);

  SourcePos Pos() const { return PosOf(table_); }
  SourcePos PosOf(const toml::node& node) const;
  // Of the key itself, else of the table.
  SourcePos PosOfKey(std::string_view key) const;
  void Error(SourcePos pos, std::string message) { diagnostics_.Error(std::move(pos), std::move(message)); }
  void ErrorAt(std::string_view key, std::string message) {
    diagnostics_.Error(PosOfKey(key), std::move(message));
  }
  const std::string& file() const { return file_; }
  const std::string& where() const { return where_; }
  Diagnostics& diagnostics() { return diagnostics_; }

  // Reports keys that nobody asked for.
  void Finish();

 private:
  void WrongType(std::string_view key, std::string_view wanted);

  const toml::table& table_;
  const std::string where_;
  const std::string& file_;
  Diagnostics& diagnostics_;
  std::vector<std::string> known_;
};

// A value of a condition or map: text, number or truth; nullopt for anything else.
std::optional<AttributeValue> ScalarOf(const toml::node& node);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_TOML_READER_H_
