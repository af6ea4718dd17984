// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <fmt/core.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/http_address.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "config/profile_parser.h"
#include "config/resource_parser.h"
#include "config/resource_spec.h"
#include "config/toml_reader.h"

namespace cleave {
namespace {

std::string BesideFile(const std::string& path, const std::string& file) {
  if (path.empty() || path.starts_with('/')) return path;
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

Weights ParseWeights(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  Weights weights;
  TableReader reader(table, "[affinity]", file, diagnostics);
  const std::array<std::pair<const char*, double*>, 11> fields = {
      {{"other_socket", &weights.other_socket},
       {"same_socket", &weights.same_socket},
       {"same_numa", &weights.same_numa},
       {"same_host_bridge", &weights.same_host_bridge},
       {"same_root_port", &weights.same_root_port},
       {"same_switch", &weights.same_switch},
       {"switch_step", &weights.switch_step},
       {"switch_floor", &weights.switch_floor},
       {"same_card", &weights.same_card},
       {"board", &weights.board},
       {"link", &weights.link}}};
  for (auto [key, field] : fields) {
    std::optional<double> value = reader.Number(key);
    if (!value) continue;
    *field = *value;
  }
  // The tree answer is exact only when nearer never counts less.
  const std::array<std::array<const char*, 2>, 7> order = {{{"other_socket", "same_socket"},
                                                            {"same_socket", "same_numa"},
                                                            {"same_numa", "same_host_bridge"},
                                                            {"same_host_bridge", "same_root_port"},
                                                            {"same_root_port", "switch_floor"},
                                                            {"switch_floor", "same_switch"},
                                                            {"same_switch", "same_card"}}};
  std::map<std::string, double> values;
  for (auto [key, field] : fields) values[key] = *field;
  for (auto [far, near] : order) {
    if (values[near] >= values[far]) continue;
    reader.Error(reader.Pos(), fmt::format("[affinity]: '{}' ({:g}) must not be less than '{}' ({:g})", near,
                                           values[near], far, values[far]));
  }
  reader.Finish();
  return weights;
}

LinkSource ParseLinks(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  LinkSource links;
  TableReader reader(table, "[[links]]", file, diagnostics);
  links.pos = reader.Pos();
  std::optional<std::string> source = reader.String("source");
  if (source ? source->empty() : !reader.Has("source"))
    reader.Error(reader.Pos(), "[[links]] needs a 'source'");
  links.source = source.value_or("");
  links.path = BesideFile(reader.String("path").value_or(""), file);
  links.kind = reader.String("kind").value_or(links.kind);
  const toml::node* between = reader.Node("between");
  const toml::array* pairs = between == nullptr ? nullptr : between->as_array();
  const bool tables = pairs != nullptr && std::all_of(pairs->begin(), pairs->end(),
                                                      [](const toml::node& item) { return item.is_table(); });
  if (between != nullptr && !tables) {
    links.broken = true;
    reader.ErrorAt(
        "between",
        "'between' in [[links]] must be a list of tables: between = [{ from = \"CARD\", to = \"CARD\" }]");
  }
  auto read_pair = [&](const toml::table& item) {
    TableReader pair_reader(item, "between of [[links]]", file, diagnostics);
    LinkSource::Pair pair;
    pair.from = pair_reader.String("from").value_or("");
    pair.to = pair_reader.String("to").value_or("");
    pair.pos = pair_reader.Pos();
    pair.from_pos = pair_reader.PosOfKey("from");
    pair.to_pos = pair_reader.PosOfKey("to");
    pair.width = pair_reader.Number("width").value_or(1);
    if (pair.from.empty() || pair.to.empty())
      pair_reader.Error(pair_reader.Pos(),
                        "a link needs 'from' and 'to': ids, addresses or serials of cards");
    if (pair.width <= 0) pair_reader.ErrorAt("width", "the width of a link must be more than 0");
    pair_reader.Finish();
    links.pairs.push_back(std::move(pair));
  };
  if (tables) reader.Tables("between", read_pair);
  links.nodes = reader.Patterns("nodes");
  reader.Finish();
  return links;
}

void ParseLog(const toml::table& table, const std::string& file, Config& config, Diagnostics& diagnostics) {
  TableReader reader(table, "[log]", file, diagnostics);
  if (auto level = reader.OneOf("level", {"debug", "info", "warning", "error"}))
    config.log_level = static_cast<LogLevel>(*level);
  if (auto format = reader.OneOf("format", {"text", "json"}))
    config.log_format = static_cast<LogFormat>(*format);
  reader.Finish();
}

void ParseProfileSettings(const toml::table& table, const std::string& file, Config& config,
                          Diagnostics& diagnostics) {
  TableReader reader(table, "[profile]", file, diagnostics);
  for (auto&& [key, node] : table) {
    std::string name(key.str());
    const toml::table* inner = reader.Table(name);
    if (inner == nullptr) continue;
    config.settings_pos[name] = reader.PosOfKey(name);
    config.settings.try_emplace(name);  // so that the name is looked at
    TableReader one(*inner, fmt::format("[profile.{}]", name), file, diagnostics);
    for (auto&& [setting, value] : *inner) {
      std::string setting_name(setting.str());
      if (setting_name == "tables" && value.is_table()) {
        config.tables[name] =
            ParseTables(*value.as_table(), fmt::format("[profile.{}.tables]", name), file, diagnostics);
        config.tables_pos[name] = one.PosOfKey("tables");
        continue;
      }
      if (std::optional<std::string> text = value.value_exact<std::string>()) {
        config.settings[name][setting_name] = *std::move(text);
      } else {
        config.settings_no_text[name].insert(setting_name);
      }
      config.settings_pos[name + "." + setting_name] = one.PosOfKey(setting_name);
    }
  }
}

}  // namespace

void KeepLinksOf(const std::string& node_name, Config& config) {
  std::erase_if(config.links, [&](const LinkSource& links) {
    return !links.nodes.empty() &&
           std::none_of(links.nodes.begin(), links.nodes.end(),
                        [&](const std::string& pattern) { return GlobMatch(pattern, node_name); });
  });
}

Config ParseConfig(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  Config config;
  toml::table table = ParseToml(text, file, diagnostics);
  TableReader reader(table, "cleave.toml", file, diagnostics);
  config.profiles = reader.Strings("profiles");
  config.profiles_pos = reader.PosOfKey("profiles");
  config.profile_dirs_pos = reader.PosOfKey("profile_dirs");
  for (const std::string& dir : reader.Strings("profile_dirs")) {
    if (dir.empty())
      reader.ErrorAt("profile_dirs", "'profile_dirs' in cleave.toml holds the empty name of a directory");
    else
      config.profile_dirs.push_back(BesideFile(dir, file));
  }
  config.drop = reader.Patterns("drop");
  config.drop_pos = reader.PosOfKey("drop");
  reader.Tables("exclude", [&](const toml::table& item) {
    // Read as the value of a key, so that the tests keep their positions.
    toml::table holder;
    holder.insert("exclude", item);
    TableReader inner(holder, "cleave.toml", file, diagnostics);
    if (item.empty())
      reader.Error(reader.PosOf(item),
                   "[[exclude]] needs a test, such as address = \"0000:01:00.0\"; without one it would "
                   "exclude every card");
    config.exclude.push_back(inner.Tests("exclude"));
  });
  if (const toml::table* profile = reader.Table("profile"))
    ParseProfileSettings(*profile, file, config, diagnostics);
  reader.Tables(
      "links", [&](const toml::table& item) { config.links.push_back(ParseLinks(item, file, diagnostics)); });
  reader.Tables("resource", [&](const toml::table& item) {
    ResourceSpec spec = ParseResource(item, file, diagnostics);
    spec.from_operator = true;
    config.resources.push_back(std::move(spec));
  });
  if (const toml::table* affinity = reader.Table("affinity"))
    config.weights = ParseWeights(*affinity, file, diagnostics);
  if (const toml::table* log = reader.Table("log")) ParseLog(*log, file, config, diagnostics);
  config.http_address = reader.String("http").value_or("");
  if (!config.http_address.empty()) {
    absl::Status good = ParseHttpAddress(config.http_address).status();
    if (!good.ok()) reader.ErrorAt("http", "'http' in cleave.toml: " + MessageOf(good));
  }
  if (auto rescan = reader.Duration("rescan")) {
    config.rescan = *rescan;
    if (*rescan < std::chrono::seconds(1) || *rescan > std::chrono::hours(1)) {
      reader.ErrorAt("rescan", "'rescan' in cleave.toml must be from 1s to 1h");
    }
  }
  reader.Finish();
  return config;
}

}  // namespace cleave
