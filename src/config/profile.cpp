// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"

#include <fmt/core.h>
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

#include "base/regex.h"
#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "config/profile_parser.h"
#include "config/resource_parser.h"
#include "config/resource_spec.h"
#include "config/text_template.h"
#include "config/toml_reader.h"

namespace cleave {
namespace {

constexpr int64_t kSchema = 1;

HealthCheck ParseHealth(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  HealthCheck check;
  TableReader reader(table, "[[health]]", file, diagnostics);
  check.pos = reader.Pos();
  check.name = reader.String("name").value_or("");
  check.read = reader.Template("read").value_or(TextTemplate());
  for (const char* key : {"name", "read"}) {
    if (!reader.Has(key)) reader.Error(reader.Pos(), fmt::format("[[health]] needs '{}'", key));
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
  check.match = reader.Regex("match").value_or("");
  check.below = reader.String("below").value_or("");
  check.above = reader.String("above").value_or("");
  const bool asks_change = reader.Has("must");  // also when it is written wrong, which was said
  int questions = (check.is.empty() ? 0 : 1) + (check.is_not.empty() ? 0 : 1) + (asks_change ? 1 : 0) +
                  (check.below.empty() ? 0 : 1) + (check.above.empty() ? 0 : 1);
  if (questions != 1)
    reader.Error(reader.Pos(), "[[health]] needs exactly one of is, not, must, below, above");
  if (asks_change != (check.within.count() > 0)) {
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
    setting.match = one.Regex("match").value_or("");
    setting.what = one.String("what").value_or("");
    if (setting.match.empty() != setting.what.empty() || (!setting.match.empty() && !setting.values.empty()))
      one.Error(one.Pos(), fmt::format("setting '{}' needs 'values', or 'match' and 'what' together", name));
    if (!setting.match.empty() && !Fits(setting.match, setting.fallback))
      one.Error(one.Pos(), fmt::format("the default of setting '{}' is not {}", name, setting.what));
    one.Finish();
    settings[name] = std::move(setting);
  }
  return settings;
}

void ReadEntries(TableReader& reader, Profile& profile) {
  for (const toml::table* table : reader.TableOrTables("entries")) {
    Entries entries = ParseEntries(*table, reader.file(), reader.diagnostics());
    for (const Entries& other : profile.entries) {
      if (other.kind != entries.kind) continue;
      reader.Error(entries.pos, fmt::format("two [[entries]] are of kind '{}'", entries.kind));
    }
    profile.entries.push_back(std::move(entries));
  }
}

}  // namespace

std::map<std::string, std::map<std::string, std::string>> ParseTables(const toml::table& table,
                                                                      const std::string& where,
                                                                      const std::string& file,
                                                                      Diagnostics& diagnostics) {
  std::map<std::string, std::map<std::string, std::string>> tables;
  TableReader reader(table, where, file, diagnostics);
  for (auto&& [key, node] : table) {
    std::string name(key.str());
    const toml::table* inner = reader.Table(name);
    if (inner == nullptr) continue;
    TableReader one(*inner, fmt::format("{} of {}", name, where), file, diagnostics);
    std::map<std::string, std::string>& values = tables[name];
    for (auto&& [from, to] : *inner) {
      if (std::optional<std::string> text = one.String(from.str())) values[std::string(from.str())] = *text;
    }
  }
  return tables;
}

const std::vector<std::string>& BuiltInNames() {
  static const std::vector<std::string> names = {"id",
                                                 "name",
                                                 "kind",
                                                 "path",
                                                 "address",
                                                 "numa",
                                                 "pci.address",
                                                 "pci.vendor",
                                                 "pci.device",
                                                 "pci.class",
                                                 "pci.driver",
                                                 "pci.iommu_group",
                                                 "pci.iommu_peers",
                                                 "pci.iommu_foreign",
                                                 "pci.numa_node",
                                                 "pci.physfn",
                                                 "pieces",
                                                 "piece",
                                                 "profile",
                                                 "card",
                                                 "index",
                                                 "board"};
  return names;
}

const std::vector<std::string>& ContainerNames() {
  static const std::vector<std::string> names = {"count", "position",      "resource",     "resource.env",
                                                 "node",  "share.percent", "share.memory", "share.index"};
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
  if (!schema && !reader.Has("schema")) reader.Error({file, 1, 1}, "the profile needs schema = 1");
  profile.name = reader.String("name").value_or("");
  if (!IsIdentifier(profile.name))
    reader.ErrorAt("name", "the profile needs a 'name': small letters, digits, _ and -");
  profile.summary = reader.String("summary").value_or("");
  profile.is_default = reader.Bool("default").value_or(true);
  ReadEntries(reader, profile);
  if (const toml::table* settings = reader.Table("settings"))
    profile.settings = ParseSettings(*settings, file, diagnostics);
  reader.Tables("conflict", [&](const toml::table& item) {
    profile.conflicts.push_back(ParseSkipRule(item, "[[conflict]]", file, diagnostics));
  });
  if (const toml::table* tables = reader.Table("tables"))
    profile.tables = ParseTables(*tables, "[tables]", file, diagnostics);
  for (const std::string& source : reader.Strings("links")) {
    LinkSource links;
    links.source = source;
    links.of_profile = true;
    links.pos = reader.PosOfKey("links");
    profile.links.push_back(std::move(links));
  }
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
  // Without hardware behind them devices can only be counted.
  bool only_counts = !profile.resources.empty() &&
                     std::all_of(profile.resources.begin(), profile.resources.end(),
                                 [](const ResourceSpec& spec) { return spec.unit == UnitKind::kCount; });
  if (!reader.Has("entries") && !only_counts) reader.Error({file, 1, 1}, "the profile needs [entries]");
  reader.Finish();
  return profile;
}

}  // namespace cleave
