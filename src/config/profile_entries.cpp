// SPDX-License-Identifier: Apache-2.0
// [entries] of a profile.
#include <fmt/core.h>
#include <re2/re2.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "config/profile_parser.h"
#include "config/text_template.h"
#include "config/toml_reader.h"

namespace cleave {
namespace {

PciMatch ParsePci(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  TableReader reader(table, "pci of [entries]", file, diagnostics);
  PciMatch match;
  if (auto vendor = reader.Int("vendor", 0, 0xffff)) match.vendor = static_cast<int>(*vendor);
  const toml::node* code = reader.Node("class");
  if (code != nullptr && code->is_integer()) {
    if (auto number = reader.Int("class", 0, 0xffffff)) match.classes = {fmt::format("0x{:06x}", *number)};
  } else if (code != nullptr) {
    match.classes = reader.Strings("class");
  }
  for (int64_t device : reader.Ints("device", 0, 0xffff)) match.devices.push_back(static_cast<int>(device));
  match.drivers = reader.Strings("driver");
  if (!match.vendor && match.classes.empty() && match.drivers.empty()) {
    reader.Error(reader.Pos(), "pci of [entries] needs a vendor, a class or a driver");
  }
  reader.Finish();
  return match;
}

UsbMatch ParseUsb(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  TableReader reader(table, "usb of [entries]", file, diagnostics);
  UsbMatch match;
  if (auto vendor = reader.Int("vendor", 0, 0xffff)) match.vendor = static_cast<int>(*vendor);
  for (int64_t product : reader.Ints("product", 0, 0xffff))
    match.products.push_back(static_cast<int>(product));
  if (!match.vendor) reader.Error(reader.Pos(), "usb of [entries] needs a vendor");
  reader.Finish();
  return match;
}

// A regular expression that may hold placeholders.
TextTemplate ParseHolds(TableReader& reader) {
  std::optional<TextTemplate> holds = reader.Template("holds");
  if (!holds) return {};
  auto anything = [](const std::string&) { return std::optional<std::string>("0"); };
  re2::RE2 expression(holds->Expand(anything).value_or(""), re2::RE2::Quiet);
  if (!expression.ok()) {
    reader.ErrorAt("holds", fmt::format("'holds' in {} is no regular expression: {}", reader.where(),
                                        expression.error()));
  }
  return *std::move(holds);
}

struct SourceKey {
  const char* key;
  AttributeSource source;
};
constexpr std::array<SourceKey, 9> kSources = {{{"name", AttributeSource::kName},
                                                {"path", AttributeSource::kPath},
                                                {"read", AttributeSource::kRead},
                                                {"link", AttributeSource::kLink},
                                                {"of", AttributeSource::kOf},
                                                {"text", AttributeSource::kText},
                                                {"find", AttributeSource::kFind},
                                                {"count", AttributeSource::kCount},
                                                {"exists", AttributeSource::kExists}}};

void ParseSource(TableReader& reader, const std::string& name, AttributeRule& rule) {
  std::vector<std::string> given;
  std::vector<std::string> all;
  for (const auto& [key, source] : kSources) {
    all.emplace_back(key);
    if (!reader.Has(key)) continue;
    given.emplace_back(key);
    rule.source = source;
    if (source == AttributeSource::kName || source == AttributeSource::kPath) {
      rule.match = reader.Regex(key).value_or("");
    } else {
      rule.from = reader.Template(key).value_or(TextTemplate());
    }
  }
  if (given.size() != 1) {
    reader.Error(reader.Pos(), fmt::format("attribute '{}' needs exactly one of {}", name, Join(all, ", ")));
  }
  rule.holds = ParseHolds(reader);
  bool searches = rule.source == AttributeSource::kFind || rule.source == AttributeSource::kCount;
  if (reader.Has("holds") && !searches)
    reader.ErrorAt("holds", fmt::format("'holds' in {} is for 'find' and 'count'", reader.where()));
}

void ParseChanges(TableReader& reader, AttributeRule& rule) {
  if (std::optional<std::string> match = reader.Regex("match")) rule.match = *match;
  rule.split = reader.String("split").value_or("");
  rule.join = reader.String("join").value_or("");
  if (reader.Has("join") && rule.split.empty())
    reader.ErrorAt("join", fmt::format("'join' in {} needs 'split'", reader.where()));
  if (rule.split.size() > 1)
    reader.ErrorAt("split", fmt::format("'split' in {} must be one character", reader.where()));
  if (reader.Has("bits")) {
    std::vector<int64_t> bits = reader.Ints("bits", 0, 62);
    if (bits.size() == 2 && bits[0] <= bits[1]) {
      rule.bits = {static_cast<int>(bits[0]), static_cast<int>(bits[1])};
    } else {
      reader.ErrorAt("bits", fmt::format("'bits' in {} must be [lowest, highest]", reader.where()));
    }
  }
  rule.hex = static_cast<int>(reader.Int("hex", 1, 16).value_or(0));
  rule.base64url = reader.OneOf("encode", {"base64url"}).has_value();
  rule.table = reader.String("table").value_or("");
  rule.is = reader.Regex("is").value_or("");
  rule.is_not = reader.Regex("not").value_or("");
  rule.when = reader.Tests("when");
}

AttributeRule ParseRule(TableReader& reader, const std::string& name) {
  AttributeRule rule;
  ParseSource(reader, name, rule);
  ParseChanges(reader, rule);
  auto read_map = [&](const char* key, auto&& store) {
    const toml::table* table = reader.Table(key);
    if (table == nullptr) return;
    for (auto&& [from, to] : *table) {
      std::optional<AttributeValue> value = ScalarOf(to);
      if (value) {
        store(std::string(from.str()), *value);
      } else {
        reader.Error(reader.PosOf(to),
                     fmt::format("'{}' of attribute '{}' maps to strings, numbers or truths", key, name));
      }
    }
  };
  read_map("alias",
           [&](const std::string& from, const AttributeValue& to) { rule.alias[from] = ToText(to); });
  read_map("map", [&](const std::string& from, const AttributeValue& to) { rule.map[from] = to; });
  return rule;
}

Attribute ParseAttribute(TableReader& parent, const std::string& name) {
  Attribute attribute;
  attribute.name = name;
  attribute.pos = parent.PosOfKey(name);
  for (const toml::table* table : parent.TableOrTables(name)) {
    TableReader reader(*table, fmt::format("attribute '{}'", name), parent.file(), parent.diagnostics());
    // The last of a list of alternatives may be the default alone.
    bool only_default = table->size() == 1 && table->contains("default") && !attribute.rules.empty();
    if (!only_default) attribute.rules.push_back(ParseRule(reader, name));
    if (auto wait = reader.Duration("wait")) attribute.wait = *wait;
    if (const toml::node* fallback = reader.Node("default")) {
      attribute.fallback = ScalarOf(*fallback);
      if (!attribute.fallback)
        reader.ErrorAt("default",
                       fmt::format("the default of attribute '{}' must be a string, number or truth", name));
    }
    reader.Finish();
  }
  return attribute;
}

// In the order of the file: an attribute may use those above it.
std::vector<std::string> KeysInFileOrder(const toml::table& table) {
  std::vector<std::pair<std::pair<unsigned, unsigned>, std::string>> keys;
  for (auto&& [key, value] : table) {
    keys.push_back({{key.source().begin.line, key.source().begin.column}, std::string(key.str())});
  }
  std::sort(keys.begin(), keys.end());
  std::vector<std::string> names;
  for (auto& [at, name] : keys) names.push_back(std::move(name));
  return names;
}

void ParseAttributes(const toml::table& table, TableReader& reader, Entries& entries) {
  TableReader inner(table, "[entries.attributes]", reader.file(), reader.diagnostics());
  for (const std::string& name : KeysInFileOrder(table)) {
    if (!IsIdentifier(name))
      inner.ErrorAt(name, fmt::format("'{}' is no attribute name: small letters, digits, _ and -", name));
    auto is_in = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (is_in(BuiltInNames()) || is_in(ContainerNames())) {
      inner.ErrorAt(name, fmt::format("attribute '{}' exists already: it is built in", name));
    }
    entries.attributes.push_back(ParseAttribute(inner, name));
  }
}

NodeSpec ParseNode(TableReader& nodes, const std::string& role, const toml::node& node) {
  NodeSpec spec;
  spec.role = role;
  if (const toml::table* table = node.as_table()) {
    TableReader reader(*table, fmt::format("node '{}'", role), nodes.file(), nodes.diagnostics());
    spec.path = reader.Template("path").value_or(TextTemplate());
    if (!reader.Has("path")) reader.Error(reader.Pos(), fmt::format("node '{}' needs a 'path'", role));
    spec.each = reader.Template("each").value_or(TextTemplate());
    spec.optional = reader.Bool("optional").value_or(false);
    spec.shared = reader.Bool("shared").value_or(false);
    static const std::vector<std::string> permissions = {"rw", "r", "w", "rwm"};
    spec.permissions = permissions[reader.OneOf("permissions", permissions).value_or(0)];
    spec.when = reader.Tests("when");
    reader.Finish();
  } else {
    spec.path = nodes.TemplateOf(node, role).value_or(TextTemplate());
  }
  if (!spec.path.empty() && !spec.path.source().starts_with("/dev/") && spec.path.source()[0] != '{') {
    nodes.Error(spec.path.pos, fmt::format("node '{}' must be a path under /dev", role));
  }
  return spec;
}

void ParseNodes(const toml::table& table, TableReader& reader, Entries& entries) {
  TableReader inner(table, "[entries.nodes]", reader.file(), reader.diagnostics());
  for (const std::string& role : KeysInFileOrder(table)) {
    if (!IsIdentifier(role))
      inner.ErrorAt(role, fmt::format("'{}' is no name for a node: small letters, digits, _ and -", role));
    const toml::node* node = inner.Node(role);
    if (const toml::array* list = node->as_array()) {
      for (const toml::node& item : *list) entries.nodes.push_back(ParseNode(inner, role, item));
    } else {
      entries.nodes.push_back(ParseNode(inner, role, *node));
    }
  }
}

// What an entry is: exactly one of class, path, usb and count, or pci alone.
void ParseWhatItIs(TableReader& reader, Entries& entries) {
  entries.class_name = reader.String("class").value_or("");
  if (entries.class_name.find('/') != std::string::npos || entries.class_name.starts_with('.'))
    reader.ErrorAt("class",
                   fmt::format("'class' of [entries] is the name of a folder in /sys/class, not \"{}\"",
                               entries.class_name));
  entries.paths = reader.Templates("path");
  for (const TextTemplate& path : entries.paths) {
    if (!path.source().starts_with('/') && !path.source().starts_with('{'))
      reader.Error(path.pos, fmt::format("'path' of [entries] must be absolute: \"{}\"", path.source()));
  }
  if (const toml::table* usb = reader.Table("usb"))
    entries.usb = ParseUsb(*usb, reader.file(), reader.diagnostics());
  if (const toml::node* count = reader.Node("count"); count != nullptr && count->is_integer()) {
    std::optional<int64_t> number = reader.Int("count", 0, 4096);
    if (number) entries.count = TextTemplate::Parse(fmt::format("{}", *number)).value_or(TextTemplate());
  } else {
    entries.count = reader.Template("count");
  }
  entries.name_pattern = reader.Regex("name").value_or("");
  if (const toml::table* pci = reader.Table("pci"))
    entries.pci = ParsePci(*pci, reader.file(), reader.diagnostics());
  int kinds = 0;
  for (const char* key : {"class", "path", "usb", "count"}) kinds += reader.Has(key) ? 1 : 0;
  if (kinds > 1 || (kinds == 0 && !reader.Has("pci")))
    reader.Error(reader.Pos(), "[entries] needs one of class, path, usb, count, or else pci");
}

void ParseUnsupported(TableReader& reader, Entries& entries) {
  const toml::table* unsupported = reader.Table("unsupported");
  if (unsupported == nullptr) return;
  for (auto&& [key, value] : *unsupported) {
    std::optional<int64_t> device = ParseInt(std::string(key.str()));
    std::optional<std::string> reason = value.value_exact<std::string>();
    if (device && *device >= 0 && *device <= 0xffff && reason) {
      entries.unsupported[static_cast<int>(*device)] = *reason;
    } else {
      reader.Error(reader.PosOf(value),
                   "'unsupported' of [entries] maps PCI device ids (\"0x1234\") to reasons");
    }
  }
}

Requirement ParseRequirement(TableReader& reader, const toml::node& node) {
  Requirement need;
  if (const toml::table* table = node.as_table()) {
    TableReader inner(*table, "require of [entries]", reader.file(), reader.diagnostics());
    need.file = inner.Template("file").value_or(TextTemplate());
    need.holds = ParseHolds(inner);
    need.when = inner.Tests("when");
    inner.Finish();
  } else {
    need.file = reader.TemplateOf(node, "require").value_or(TextTemplate());
  }
  if (!need.file.source().starts_with('/'))
    reader.Error(reader.PosOf(node), "'require' of [entries] needs the absolute path of a file");
  return need;
}

void ParseConditions(TableReader& reader, Entries& entries) {
  entries.when = reader.Tests("when");
  if (const toml::node* require = reader.Node("require")) {
    if (const toml::array* list = require->as_array()) {
      for (const toml::node& item : *list) entries.require.push_back(ParseRequirement(reader, item));
    } else {
      entries.require.push_back(ParseRequirement(reader, *require));
    }
  }
  for (const toml::table* table : reader.TableOrTables("skip"))
    entries.skip.push_back(ParseSkipRule(*table, "skip of [entries]", reader.file(), reader.diagnostics()));
}

}  // namespace

SkipRule ParseSkipRule(const toml::table& table, const std::string& where, const std::string& file,
                       Diagnostics& diagnostics) {
  TableReader reader(table, where, file, diagnostics);
  SkipRule rule;
  rule.pos = reader.Pos();
  rule.when = reader.Tests("when");
  rule.reason = reader.Template("reason").value_or(TextTemplate());
  for (const char* key : {"when", "reason"}) {
    if (!reader.Has(key)) reader.Error(reader.Pos(), fmt::format("{} needs '{}'", where, key));
  }
  reader.Finish();
  return rule;
}

bool IsIdentifier(std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), "[a-z][a-z0-9_-]*");
}

Entries ParseEntries(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  Entries entries;
  TableReader reader(table, "[entries]", file, diagnostics);
  entries.pos = reader.Pos();
  entries.kind = reader.String("kind").value_or(entries.kind);
  if (!IsIdentifier(entries.kind))
    reader.ErrorAt("kind", "the 'kind' of [entries] must be small letters, digits, _ and -");
  ParseWhatItIs(reader, entries);
  ParseConditions(reader, entries);
  ParseUnsupported(reader, entries);
  entries.address = reader.Template("address").value_or(TextTemplate());
  if (std::optional<TextTemplate> id = reader.Template("id")) {
    entries.id = *std::move(id);
  } else if (!reader.Has("id")) {
    reader.Error(reader.Pos(), "[entries] needs an 'id', such as \"{pci.address}\"");
  }
  entries.piece_of = reader.Templates("piece_of");
  entries.board = reader.Templates("board");
  if (const toml::table* attributes = reader.Table("attributes"))
    ParseAttributes(*attributes, reader, entries);
  if (const toml::table* nodes = reader.Table("nodes")) ParseNodes(*nodes, reader, entries);
  reader.Finish();
  return entries;
}

}  // namespace cleave
