// SPDX-License-Identifier: Apache-2.0
// From files to checked Settings.
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/embedded.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "config/resource_spec.h"
#include "config/text_template.h"

namespace cleave {
namespace {

constexpr const char* kDefaultFile = "/etc/cleave/cleave.toml";

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

using NamedText = std::pair<std::string, std::string>;  // file, text

// Names that templates and conditions of one resource or profile may use.
class Names {
 public:
  explicit Names(const std::vector<const Profile*>& profiles) {
    for (const std::string& name : BuiltInNames()) known_.insert(name);
    for (const Profile* profile : profiles) {
      for (const Entries& entries : profile->entries) AddEntries(entries);
      for (const auto& [name, setting] : profile->settings) known_.insert("settings." + name);
    }
  }

  // What the entries of one kind know, beside the built-in names and the settings.
  Names(const Profile& profile, const Entries& entries) {
    for (const std::string& name : BuiltInNames()) known_.insert(name);
    for (const auto& [name, setting] : profile.settings) known_.insert("settings." + name);
    AddEntries(entries);
  }

  // The settings alone.
  static Names OfSettings(const Profile& profile) {
    Names names;
    for (const auto& [name, setting] : profile.settings) names.known_.insert("settings." + name);
    return names;
  }

  Names With(const std::string& name) const {
    Names names = *this;
    names.known_.insert(name);
    return names;
  }

  // The same, and what is known of a container.
  Names InContainer() const {
    Names names = *this;
    names.known_.insert(ContainerNames().begin(), ContainerNames().end());
    names.known_.insert("nodes.*");
    return names;
  }

  void Check(const TextTemplate& text, Diagnostics& diagnostics) const {
    for (const std::string& name : text.Placeholders()) CheckName(name, text.pos, "placeholder", diagnostics);
  }
  // In [entries] a placeholder may also be a file below the entry: its name has a slash.
  void CheckEntry(const TextTemplate& text, Diagnostics& diagnostics) const {
    for (const std::string& name : text.Placeholders()) {
      if (name.find('/') == std::string::npos) CheckName(name, text.pos, "placeholder", diagnostics);
    }
  }
  void Check(const Condition& condition, Diagnostics& diagnostics) const {
    for (const AttributeTest& test : condition.tests)
      CheckName(test.name, test.pos, "attribute", diagnostics);
  }
  void CheckName(const std::string& name, const SourcePos& pos, std::string_view what,
                 Diagnostics& diagnostics) const {
    if (known_.contains(name)) return;
    diagnostics.Error(pos, fmt::format("no {} is called '{}'{}", what, name,
                                       DidYouMean(name, {known_.begin(), known_.end()})));
  }

 private:
  Names() = default;
  void AddEntries(const Entries& entries) {
    for (const Attribute& attribute : entries.attributes) known_.insert(attribute.name);
    for (const NodeSpec& node : entries.nodes) known_.insert("nodes." + node.role);
  }

  std::set<std::string> known_;
};

void CheckContainer(const ContainerSpec& container, const Names& card_names, Diagnostics& diagnostics) {
  Names names = card_names.InContainer();
  for (const TextTemplate& device : container.devices) {
    names.Check(device, diagnostics);
    if (device.source() != "{nodes.*}" && device.source().find("{nodes.*}") != std::string::npos) {
      diagnostics.Error(device.pos, "{nodes.*} stands for several paths and must stand alone");
    }
  }
  for (const std::vector<NamedValue>* list : {&container.env, &container.annotations}) {
    for (const NamedValue& value : *list) {
      names.Check(value.name, diagnostics);
      for (const ValueChoice& choice : value.choices) {
        names.Check(choice.value, diagnostics);
        names.Check(choice.when, diagnostics);
      }
    }
  }
  if (container.cdi) names.Check(container.cdi->by, diagnostics);
  for (const MountSpec& mount : container.mounts) {
    names.Check(mount.host, diagnostics);
    names.Check(mount.container, diagnostics);
    names.Check(mount.when, diagnostics);
  }
}

void CheckResource(const ResourceSpec& spec, const Names& names, Diagnostics& diagnostics) {
  names.Check(spec.name, diagnostics);
  names.Check(spec.where, diagnostics);
  names.Check(spec.except, diagnostics);
  for (const AttributeTest& test : spec.when.tests) {
    if (!test.name.starts_with("settings.")) {
      diagnostics.Error(
          test.pos,
          fmt::format("'when' of [[resource]] tests settings only, not '{}': use 'where'", test.name));
    }
  }
  names.Check(spec.when, diagnostics);
  if (spec.id) names.Check(*spec.id, diagnostics);
  if (spec.count) names.Check(*spec.count, diagnostics);
  if (spec.shares.otherwise) names.Check(*spec.shares.otherwise, diagnostics);
  for (const ShareNumbers::OfCard& one : spec.shares.of_cards) names.Check(one.number, diagnostics);
  if (spec.unit == UnitKind::kShare && spec.memory != "memory")
    names.CheckName(spec.memory, spec.pos, "attribute", diagnostics);
  for (const std::string& name : spec.group_by) {
    if (name != "links") names.CheckName(name, spec.pos, "attribute", diagnostics);
  }
  CheckContainer(spec.container, names, diagnostics);
}

void CheckAttributes(const Profile& profile, const Entries& entries, Diagnostics& diagnostics) {
  Names names(profile, entries);
  std::set<std::string> above(BuiltInNames().begin(), BuiltInNames().end());
  for (const Attribute& attribute : entries.attributes) {
    auto check_order = [&](const std::string& name) {
      if (above.contains(name) || name == attribute.name || name.find('.') != std::string::npos) return;
      diagnostics.Error(attribute.pos, fmt::format("attribute '{}' uses '{}', which must stand above it",
                                                   attribute.name, name));
    };
    for (const AttributeRule& rule : attribute.rules) {
      names.Check(rule.when, diagnostics);
      if (!rule.table.empty() && !profile.tables.contains(rule.table)) {
        diagnostics.Error(attribute.pos,
                          fmt::format("attribute '{}' looks into table '{}': there is no [tables.{}]",
                                      attribute.name, rule.table, rule.table));
      }
      if (rule.source == AttributeSource::kOf) {
        names.CheckName(rule.from.source(), attribute.pos, "attribute", diagnostics);
        check_order(rule.from.source());
        continue;
      }
      for (const TextTemplate* text : {&rule.from, &rule.holds}) {
        names.Check(*text, diagnostics);
        for (const std::string& name : text->Placeholders()) check_order(name);
      }
    }
    above.insert(attribute.name);
  }
}

void CheckEntries(const Profile& profile, const Entries& entries, Diagnostics& diagnostics) {
  Names names(profile, entries);
  Names settings = Names::OfSettings(profile);
  settings.Check(entries.when, diagnostics);
  for (const TextTemplate& path : entries.paths) settings.Check(path, diagnostics);
  if (entries.count) settings.Check(*entries.count, diagnostics);
  for (const Requirement& need : entries.require) {
    settings.Check(need.file, diagnostics);
    settings.Check(need.holds, diagnostics);
    settings.Check(need.when, diagnostics);
  }
  names.CheckEntry(entries.id, diagnostics);
  names.Check(entries.address, diagnostics);
  for (const std::vector<TextTemplate>* list : {&entries.piece_of, &entries.board}) {
    for (const TextTemplate& text : *list) names.CheckEntry(text, diagnostics);
  }
  for (const NodeSpec& node : entries.nodes) {
    (node.each.empty() ? names : names.With("item")).CheckEntry(node.path, diagnostics);
    names.Check(node.each, diagnostics);
    names.Check(node.when, diagnostics);
  }
  for (const SkipRule& rule : entries.skip) {
    names.Check(rule.when, diagnostics);
    names.Check(rule.reason, diagnostics);
  }
  CheckAttributes(profile, entries, diagnostics);
}

void CheckProfile(const Profile& profile, Diagnostics& diagnostics) {
  Names names({&profile});
  for (const Entries& entries : profile.entries) CheckEntries(profile, entries, diagnostics);
  CheckContainer(profile.container, names, diagnostics);
  for (const HealthCheck& check : profile.health) {
    names.Check(check.read, diagnostics);
    names.Check(check.when, diagnostics);
  }
  for (const ResourceSpec& spec : profile.resources) CheckResource(spec, names, diagnostics);
}

void CheckSettings(const Settings& settings, Diagnostics& diagnostics) {
  std::vector<std::string> profile_names;
  std::vector<const Profile*> all;
  for (const Profile& profile : settings.profiles) {
    profile_names.push_back(profile.name);
    all.push_back(&profile);
  }
  auto find = [&](const std::string& name) {
    auto found =
        std::find_if(all.begin(), all.end(), [&](const Profile* profile) { return profile->name == name; });
    return found == all.end() ? nullptr : *found;
  };
  for (const std::string& name : settings.config.profiles) {
    if (find(name) == nullptr) {
      diagnostics.Error(settings.config.profiles_pos,
                        fmt::format("there is no profile '{}'{}", name, DidYouMean(name, profile_names)));
    }
  }
  for (const auto& [name, values] : settings.config.settings) {
    const Profile* profile = find(name);
    if (profile == nullptr) {
      diagnostics.Error(settings.config.settings_pos.at(name),
                        fmt::format("there is no profile '{}'{}", name, DidYouMean(name, profile_names)));
      continue;
    }
    std::vector<std::string> declared;
    for (const auto& [key, setting] : profile->settings) declared.push_back(key);
    for (const auto& [key, value] : values) {
      const SourcePos& pos = settings.config.settings_pos.at(name + "." + key);
      auto setting = profile->settings.find(key);
      if (setting == profile->settings.end()) {
        diagnostics.Error(
            pos, fmt::format("profile '{}' has no setting '{}'{}", name, key, DidYouMean(key, declared)));
        continue;
      }
      const std::vector<std::string>& allowed = setting->second.values;
      if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
        diagnostics.Error(pos, fmt::format("'{}' must be one of {}, not '{}'{}", key, Join(allowed, ", "),
                                           value, DidYouMean(value, allowed)));
      }
    }
  }
  for (const ResourceSpec& spec : settings.config.resources) {
    if (spec.profile.empty()) {
      CheckResource(spec, Names(all), diagnostics);
    } else if (const Profile* profile = find(spec.profile)) {
      CheckResource(spec, Names({profile}), diagnostics);
    } else {
      diagnostics.Error(spec.pos, fmt::format("there is no profile '{}'{}", spec.profile,
                                              DidYouMean(spec.profile, profile_names)));
    }
  }
  for (const Condition& condition : settings.config.exclude) Names(all).Check(condition, diagnostics);
}

// Profiles read later replace those of the same name.
void AddProfile(const NamedText& file, std::vector<Profile>& profiles, Diagnostics& diagnostics) {
  Diagnostics own;
  Profile profile = ParseProfile(file.second, file.first, own);
  if (own.ok()) CheckProfile(profile, own);
  for (const Diagnostic& error : own.errors()) diagnostics.Error(error.pos, error.message);
  if (!own.ok()) return;
  std::erase_if(profiles, [&](const Profile& other) { return other.name == profile.name; });
  profiles.push_back(std::move(profile));
}

// The operator's lines go over those of the profile.
void AddTables(Settings& settings, Diagnostics& diagnostics) {
  for (const auto& [name, tables] : settings.config.tables) {
    const SourcePos& pos = settings.config.tables_pos.at(name);
    for (Profile& profile : settings.profiles) {
      if (profile.name != name) continue;
      std::vector<std::string> known;
      for (const auto& [table, values] : profile.tables) known.push_back(table);
      for (const auto& [table, values] : tables) {
        if (!profile.tables.contains(table)) {
          diagnostics.Error(
              pos, fmt::format("profile '{}' has no table '{}'{}", name, table, DidYouMean(table, known)));
        }
        for (const auto& [from, to] : values) profile.tables[table][from] = to;
      }
    }
  }
}

Settings Assemble(Config config, const std::vector<NamedText>& more_profiles, Diagnostics& diagnostics) {
  Settings settings;
  settings.config = std::move(config);
  for (const EmbeddedFile& file : EmbeddedProfiles()) {
    AddProfile({"profiles/" + std::string(file.name), std::string(file.bytes)}, settings.profiles,
               diagnostics);
  }
  for (const NamedText& file : more_profiles) AddProfile(file, settings.profiles, diagnostics);
  std::sort(settings.profiles.begin(), settings.profiles.end(),
            [](const Profile& a, const Profile& b) { return a.name < b.name; });
  AddTables(settings, diagnostics);
  CheckSettings(settings, diagnostics);
  return settings;
}

void ReadProfile(const std::string& path, std::vector<NamedText>& profiles, Diagnostics& diagnostics) {
  if (std::optional<std::string> text = ReadFile(path)) {
    profiles.emplace_back(path, *std::move(text));
  } else {
    diagnostics.Error({path, 0, 0}, "cannot be read");
  }
}

void ReadProfileDir(const std::string& dir, std::vector<NamedText>& profiles, Diagnostics& diagnostics) {
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().extension() == ".toml") paths.push_back(entry.path().string());
  }
  if (error) diagnostics.Error({dir, 0, 0}, "profiles cannot be read: " + error.message());
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) ReadProfile(path, profiles, diagnostics);
}

}  // namespace

std::string Settings::Value(const Profile& profile, const std::string& key) const {
  if (auto own = config.settings.find(profile.name); own != config.settings.end()) {
    if (auto value = own->second.find(key); value != own->second.end()) return value->second;
  }
  auto setting = profile.settings.find(key);
  return setting == profile.settings.end() ? "" : setting->second.fallback;
}

std::map<std::string, std::string> Settings::Values(const Profile& profile) const {
  std::map<std::string, std::string> values;
  for (const auto& [key, setting] : profile.settings) values[key] = Value(profile, key);
  return values;
}

bool Settings::Named(const Profile& profile) const {
  return std::find(config.profiles.begin(), config.profiles.end(), profile.name) != config.profiles.end();
}

bool Settings::Active(const Profile& profile) const {
  return config.profiles.empty() ? profile.is_default : Named(profile);
}

Settings LoadSettings(const LoadOptions& options, Diagnostics& diagnostics) {
  std::string file = options.config_file.empty() ? kDefaultFile : options.config_file;
  std::optional<std::string> text = ReadFile(file);
  std::error_code ignored;
  // Only the default place may be empty.
  if (!text && (!options.config_file.empty() || std::filesystem::exists(file, ignored))) {
    diagnostics.Error({file, 0, 0}, "cannot be read");
  }
  Config config = ParseConfig(text.value_or(""), file, diagnostics);
  std::vector<NamedText> profiles;
  for (const std::string& dir : config.profile_dirs) ReadProfileDir(dir, profiles, diagnostics);
  for (const std::string& dir : options.profile_dirs) ReadProfileDir(dir, profiles, diagnostics);
  for (const std::string& path : options.profile_files) ReadProfile(path, profiles, diagnostics);
  Settings settings = Assemble(std::move(config), profiles, diagnostics);
  // Who names a file wants it: a profile is written by trial.
  for (Profile& profile : settings.profiles) {
    const std::vector<std::string>& named = options.profile_files;
    if (std::find(named.begin(), named.end(), profile.file) != named.end()) profile.is_default = true;
  }
  return settings;
}

Settings LoadSettingsFromText(std::string_view config_text, const std::string& file,
                              const std::vector<NamedText>& more_profiles, Diagnostics& diagnostics) {
  return Assemble(ParseConfig(config_text, file, diagnostics), more_profiles, diagnostics);
}

}  // namespace cleave
