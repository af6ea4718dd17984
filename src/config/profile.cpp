// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"

#include <fmt/core.h>
#include <re2/re2.h>
#include <toml++/toml.h>

#include <algorithm>
#include <chrono>
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
#include "config/resource_parser.h"
#include "config/resource_spec.h"
#include "config/text_template.h"
#include "config/toml_reader.h"

namespace cleave {
namespace {

constexpr int64_t kSchema = 1;

PciMatch ParsePci(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  TableReader reader(table, "pci of [entries]", file, diagnostics);
  PciMatch match;
  if (auto vendor = reader.Int("vendor", 0, 0xffff)) match.vendor = static_cast<int>(*vendor);
  if (auto code = reader.Int("class", 0, 0xffffff)) match.class_code = static_cast<int>(*code);
  for (int64_t device : reader.Ints("device", 0, 0xffff)) match.devices.push_back(static_cast<int>(device));
  match.drivers = reader.Strings("driver");
  if (!match.vendor && !match.class_code && match.drivers.empty()) {
    reader.Error(reader.Pos(), "pci of [entries] needs a vendor, a class or a driver");
  }
  reader.Finish();
  return match;
}

AttributeRule ParseRule(TableReader& reader, const std::string& name) {
  AttributeRule rule;
  std::vector<std::string> sources;
  auto take = [&](const char* key, AttributeSource source, bool regex) {
    std::optional<std::string> text = regex ? reader.Regex(key) : reader.String(key);
    if (reader.Has(key)) sources.emplace_back(key);
    if (!text) return;
    rule.source = source;
    (regex ? rule.match : rule.from) = *text;
  };
  take("name", AttributeSource::kName, true);
  take("read", AttributeSource::kRead, false);
  take("link", AttributeSource::kLink, false);
  take("of", AttributeSource::kOf, false);
  if (sources.size() != 1) {
    reader.Error(reader.Pos(), fmt::format("attribute '{}' needs exactly one of name, read, link, of", name));
  }
  if (std::optional<std::string> match = reader.Regex("match")) rule.match = *match;
  rule.is = reader.Regex("is").value_or("");
  rule.is_not = reader.Regex("not").value_or("");
  rule.when = reader.Tests("when");
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
    attribute.rules.push_back(ParseRule(reader, name));
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

bool IsIdentifier(std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), "[a-z][a-z0-9_-]*");
}

Entries ParseEntries(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  Entries entries;
  TableReader reader(table, "[entries]", file, diagnostics);
  entries.class_name = reader.String("class").value_or("");
  entries.name_pattern = reader.Regex("name").value_or("");
  if (const toml::table* pci = reader.Table("pci")) entries.pci = ParsePci(*pci, file, diagnostics);
  if (entries.class_name.empty() && !entries.pci)
    reader.Error(reader.Pos(), "[entries] needs 'class' or 'pci'");
  if (const toml::table* unsupported = reader.Table("unsupported")) {
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
  if (std::optional<TextTemplate> id = reader.Template("id")) {
    entries.id = *std::move(id);
  } else if (!reader.Has("id")) {
    reader.Error(reader.Pos(), "[entries] needs an 'id', such as \"{pci.address}\"");
  }
  entries.piece_of = reader.Templates("piece_of");
  entries.board = reader.Templates("board");
  if (const toml::table* attributes = reader.Table("attributes")) {
    TableReader inner(*attributes, "[entries.attributes]", file, diagnostics);
    for (const std::string& name : KeysInFileOrder(*attributes)) {
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
  if (const toml::table* nodes = reader.Table("nodes")) {
    TableReader inner(*nodes, "[entries.nodes]", file, diagnostics);
    for (const std::string& role : KeysInFileOrder(*nodes)) {
      std::optional<TextTemplate> path = inner.Template(role);
      if (!IsIdentifier(role))
        inner.ErrorAt(role, fmt::format("'{}' is no name for a node: small letters, digits, _ and -", role));
      if (path && !path->source().starts_with("/dev/"))
        inner.ErrorAt(role, fmt::format("node '{}' must be a path under /dev", role));
      if (path) entries.nodes.emplace_back(role, *std::move(path));
    }
  }
  reader.Finish();
  return entries;
}

HealthCheck ParseHealth(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  HealthCheck check;
  TableReader reader(table, "[[health]]", file, diagnostics);
  check.pos = reader.Pos();
  for (auto [key, target] : {std::pair{"name", &check.name}, std::pair{"read", &check.read}}) {
    std::optional<std::string> text = reader.String(key);
    if (!text && !reader.Has(key)) reader.Error(reader.Pos(), fmt::format("[[health]] needs '{}'", key));
    *target = text.value_or("");
  }
  if (reader.Has("bytes")) {
    std::vector<int64_t> bytes = reader.Ints("bytes", 0, 65536);
    if (bytes.size() == 2 && bytes[1] > 0 && bytes[1] <= 64) {
      check.bytes = {static_cast<int>(bytes[0]), static_cast<int>(bytes[1])};
    } else {
      reader.ErrorAt("bytes", "'bytes' in [[health]] must be [offset, number], at most 64 bytes");
    }
  }
  check.is = reader.Regex("is").value_or("");
  check.is_not = reader.Regex("not").value_or("");
  if (reader.OneOf("must", {"change"})) check.must_change = true;
  check.within = reader.Duration("within").value_or(std::chrono::milliseconds(0));
  check.below = reader.String("below").value_or("");
  check.above = reader.String("above").value_or("");
  int questions = (check.is.empty() ? 0 : 1) + (check.is_not.empty() ? 0 : 1) + (check.must_change ? 1 : 0) +
                  (check.below.empty() ? 0 : 1) + (check.above.empty() ? 0 : 1);
  if (questions != 1)
    reader.Error(reader.Pos(), "[[health]] needs exactly one of is, not, must, below, above");
  if (check.must_change != (check.within.count() > 0)) {
    reader.Error(reader.Pos(), "[[health]]: must = \"change\" and within = \"4s\" go together");
  }
  check.strikes = static_cast<int>(reader.Int("strikes", 1, 1000).value_or(check.strikes));
  check.recover = static_cast<int>(reader.Int("recover", 1, 1000).value_or(check.recover));
  check.absent_is_bad = reader.OneOf("absent", {"unknown", "bad"}).value_or(0) == 1;
  check.when = reader.Tests("when");
  check.level =
      reader.OneOf("level", {"fail", "warn"}).value_or(0) == 1 ? HealthLevel::kWarn : HealthLevel::kFail;
  reader.Finish();
  return check;
}

std::map<std::string, Setting> ParseSettings(const toml::table& table, const std::string& file,
                                             Diagnostics& diagnostics) {
  std::map<std::string, Setting> settings;
  TableReader reader(table, "[settings]", file, diagnostics);
  for (auto&& [key, node] : table) {
    std::string name(key.str());
    const toml::table* inner = reader.Table(name);
    if (inner == nullptr) continue;
    TableReader one(*inner, fmt::format("setting '{}'", name), file, diagnostics);
    Setting setting;
    setting.pos = reader.PosOfKey(name);
    setting.values = one.Strings("values");
    setting.fallback = one.String("default").value_or("");
    bool listed =
        std::find(setting.values.begin(), setting.values.end(), setting.fallback) != setting.values.end();
    if (!setting.values.empty() && !listed)
      one.Error(one.Pos(), fmt::format("the default of setting '{}' is none of its values", name));
    one.Finish();
    settings[name] = std::move(setting);
  }
  return settings;
}

}  // namespace

const std::vector<std::string>& BuiltInNames() {
  static const std::vector<std::string> names = {"id",
                                                 "name",
                                                 "address",
                                                 "numa",
                                                 "pci.address",
                                                 "pci.vendor",
                                                 "pci.device",
                                                 "pci.class",
                                                 "pci.driver",
                                                 "pci.iommu_group",
                                                 "pci.numa_node",
                                                 "pci.physfn",
                                                 "pieces",
                                                 "piece",
                                                 "profile",
                                                 "card",
                                                 "board"};
  return names;
}

const std::vector<std::string>& ContainerNames() {
  static const std::vector<std::string> names = {"count", "position", "resource", "node"};
  return names;
}

Profile ParseProfile(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  Profile profile;
  profile.file = file;
  bool had_errors = !diagnostics.ok();
  toml::table table = ParseToml(text, file, diagnostics);
  if (table.empty() && !had_errors && !diagnostics.ok()) return profile;  // the syntax error says it all
  TableReader reader(table, "the profile", file, diagnostics);
  std::optional<int64_t> schema = reader.Int("schema", kSchema, kSchema);
  if (!schema && !reader.Has("schema")) reader.Error({file, 0, 0}, "the profile needs schema = 1");
  profile.name = reader.String("name").value_or("");
  if (!IsIdentifier(profile.name))
    reader.ErrorAt("name", "the profile needs a 'name': small letters, digits, _ and -");
  profile.summary = reader.String("summary").value_or("");
  profile.is_default = reader.Bool("default").value_or(true);
  if (const toml::table* entries = reader.Table("entries")) {
    profile.entries = ParseEntries(*entries, file, diagnostics);
  } else if (!reader.Has("entries")) {
    reader.Error({file, 0, 0}, "the profile needs [entries]");
  }
  if (const toml::table* settings = reader.Table("settings"))
    profile.settings = ParseSettings(*settings, file, diagnostics);
  reader.Tables("health", [&](const toml::table& item) {
    HealthCheck check = ParseHealth(item, file, diagnostics);
    bool twice = std::any_of(profile.health.begin(), profile.health.end(),
                             [&](const HealthCheck& other) { return other.name == check.name; });
    if (twice) diagnostics.Error(check.pos, fmt::format("two [[health]] are called '{}'", check.name));
    profile.health.push_back(std::move(check));
  });
  if (const toml::table* container = reader.Table("container")) {
    profile.container = ParseContainer(*container, "[container]", file, diagnostics);
  }
  reader.Tables("resource", [&](const toml::table& item) {
    ResourceSpec spec = ParseResource(item, file, diagnostics);
    spec.profile = profile.name;
    profile.resources.push_back(std::move(spec));
  });
  reader.Finish();
  return profile;
}

}  // namespace cleave
