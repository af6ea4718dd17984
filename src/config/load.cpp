// SPDX-License-Identifier: Apache-2.0
// From files to checked Settings.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/embedded.h"
#include "base/files.h"
#include "base/regex.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/check_names.h"
#include "config/condition.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "config/profile.h"
#include "config/resource_spec.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"

namespace cleave {
namespace {

constexpr const char* kDefaultFile = "/etc/cleave/cleave.toml";

using NamedText = std::pair<std::string, std::string>;  // file, text

// What the operator's settings make together: values that exclude each other, where the last of them stands,
// and patterns that are none.
void CheckTogether(const Settings& settings, const Profile& profile, Diagnostics& diagnostics) {
  const std::map<std::string, std::string> values = settings.Values(profile);
  auto own_pos = [&](const std::string& name) {
    auto own = settings.config.settings_pos.find(profile.name + name.substr(name.find('.')));
    return own == settings.config.settings_pos.end() ? SourcePos() : own->second;
  };
  for (const SkipRule& rule : profile.conflicts) {
    if (!rule.when.Holds(SettingsLookup(&values))) continue;
    SourcePos pos;
    for (const AttributeTest& test : rule.when.tests) pos = std::max(pos, own_pos(test.name));
    diagnostics.Error(pos, rule.reason.Expand(SettingsTextLookup(&values)).value_or(rule.reason.source()));
  }
  for (const Entries& entries : profile.entries) {
    for (const TextTemplate& path : entries.paths) {
      const std::string bad = BadGlob(path.Expand(SettingsTextLookup(&values)).value_or(""));
      SourcePos pos;
      for (const std::string& name : path.Placeholders()) pos = std::max(pos, own_pos(name));
      if (!bad.empty()) diagnostics.Error(pos, bad);
    }
  }
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
                        fmt::format("there is no profile '{}'{}", name, NearOrAll(name, profile_names)));
    }
  }
  for (const auto& [name, values] : settings.config.settings) {
    const Profile* profile = find(name);
    if (profile == nullptr) {
      diagnostics.Error(settings.config.settings_pos.at(name),
                        fmt::format("there is no profile '{}'{}", name, NearOrAll(name, profile_names)));
      continue;
    }
    std::vector<std::string> declared;
    for (const auto& [key, setting] : profile->settings) declared.push_back(key);
    auto declares = [&, &name = name](const std::string& key, const SourcePos& pos) {
      if (profile->settings.contains(key)) return true;
      diagnostics.Error(
          pos, fmt::format("profile '{}' has no setting '{}'{}", name, key, NearOrAll(key, declared)));
      return false;
    };
    if (auto wrong = settings.config.settings_no_text.find(name);
        wrong != settings.config.settings_no_text.end()) {
      for (const std::string& key : wrong->second) {
        const SourcePos& pos = settings.config.settings_pos.at(name + "." + key);
        if (declares(key, pos))
          diagnostics.Error(pos, fmt::format("'{}' in [profile.{}] must be a string", key, name));
      }
    }
    for (const auto& [key, value] : values) {
      const SourcePos& pos = settings.config.settings_pos.at(name + "." + key);
      if (!declares(key, pos)) continue;
      auto setting = profile->settings.find(key);
      const std::vector<std::string>& allowed = setting->second.values;
      if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
        diagnostics.Error(pos, fmt::format("'{}' must be one of {}, not '{}'{}", key, Join(allowed, ", "),
                                           value, DidYouMean(value, allowed)));
      }
      const std::string& match = setting->second.match;
      if (!match.empty() && !Fits(match, value))
        diagnostics.Error(pos, fmt::format("'{}' must be {}, not '{}'", key, setting->second.what, value));
    }
    if (!profile->broken) CheckTogether(settings, *profile, diagnostics);
  }
  for (const ResourceSpec& spec : settings.config.resources) {
    if (spec.profile.empty()) {
      CheckResource(spec, all, diagnostics);
    } else if (const Profile* profile = find(spec.profile)) {
      CheckResource(spec, {profile}, diagnostics);
    } else {
      diagnostics.Error(spec.pos, fmt::format("there is no profile '{}'{}", spec.profile,
                                              NearOrAll(spec.profile, profile_names)));
    }
  }
  for (const Condition& condition : settings.config.exclude) CheckTests(condition, all, diagnostics);
}

// Profiles read later replace those of the same name. One with errors stays, so that what is wrong with its
// resources is told in the same breath, but finds no cards.
void AddProfile(const NamedText& file, std::vector<Profile>& profiles, Diagnostics& diagnostics) {
  Diagnostics own;
  Profile profile = ParseProfile(file.second, file.first, own);
  if (own.ok() || !profile.entries.empty()) CheckProfile(profile, own);
  diagnostics.Add(own);
  if (profile.name.empty()) return;
  profile.broken = !own.ok();
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
              pos, fmt::format("profile '{}' has no table '{}'{}", name, table, NearOrAll(table, known)));
        }
        for (const auto& [from, to] : values) profile.tables[table][from] = to;
      }
    }
  }
}

void AddLinks(Settings& settings) {
  std::vector<LinkSource>& links = settings.config.links;
  for (const Profile& profile : settings.profiles) {
    if (!settings.Active(profile)) continue;
    for (const LinkSource& own : profile.links) {
      bool there = std::any_of(links.begin(), links.end(),
                               [&](const LinkSource& other) { return other.source == own.source; });
      if (!there) links.push_back(own);
    }
  }
}

Settings Assemble(Config config, const std::vector<NamedText>& more_profiles, Diagnostics& diagnostics) {
  Settings settings;
  settings.config = std::move(config);
  for (const EmbeddedFile& file : EmbeddedProfiles()) {
    AddProfile({"profiles/" + std::string(file.name), std::string(file.bytes)}, settings.profiles,
               diagnostics);
    settings.profiles.back().shipped = true;
  }
  for (const NamedText& file : more_profiles) AddProfile(file, settings.profiles, diagnostics);
  std::sort(settings.profiles.begin(), settings.profiles.end(),
            [](const Profile& a, const Profile& b) { return a.name < b.name; });
  AddTables(settings, diagnostics);
  AddLinks(settings);
  CheckSettings(settings, diagnostics);
  return settings;
}

void ReadProfile(const std::string& path, std::vector<NamedText>& profiles, Diagnostics& diagnostics) {
  if (absl::StatusOr<std::string> text = ReadFile(path); text.ok()) {
    profiles.emplace_back(path, *std::move(text));
  } else {
    diagnostics.Error({path, 0, 0}, MessageOf(text.status()));
  }
}

// `pos`: where the directory is named; none: on the command line.
void ReadProfileDir(const std::string& dir, const SourcePos* pos, std::vector<NamedText>& profiles,
                    Diagnostics& diagnostics) {
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().extension() == ".toml") paths.push_back(entry.path().string());
  }
  const std::string problem = "profiles cannot be read: " + error.message();
  if (error && pos == nullptr) diagnostics.Error({dir, 0, 0}, problem);
  if (error && pos != nullptr) diagnostics.Error(*pos, fmt::format("{}: {}", dir, problem));
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
  if (profile.broken) return false;
  return config.profiles.empty() ? profile.is_default : Named(profile);
}

Settings LoadSettings(const LoadOptions& options, Diagnostics& diagnostics) {
  std::string file = options.config_file.empty() ? kDefaultFile : options.config_file;
  absl::StatusOr<std::string> text = ReadFile(file);
  // Only the default place may be empty.
  if (!text.ok() && !(options.config_file.empty() && absl::IsNotFound(text.status())))
    diagnostics.Error({file, 0, 0}, MessageOf(text.status()));
  Config config = ParseConfig(text.value_or(""), file, diagnostics);
  if (!text.ok()) config.profiles_pos = {};
  std::vector<NamedText> profiles;
  for (const std::string& dir : config.profile_dirs)
    ReadProfileDir(dir, &config.profile_dirs_pos, profiles, diagnostics);
  for (const std::string& dir : options.profile_dirs) ReadProfileDir(dir, nullptr, profiles, diagnostics);
  for (const std::string& path : options.profile_files) ReadProfile(path, profiles, diagnostics);
  Settings settings = Assemble(std::move(config), profiles, diagnostics);
  // Who names a file wants it: a profile is written by trial.
  for (Profile& profile : settings.profiles) {
    const std::vector<std::string>& named = options.profile_files;
    if (std::find(named.begin(), named.end(), profile.file) == named.end()) continue;
    profile.is_default = true;
    if (settings.Active(profile) || profile.broken) continue;
    diagnostics.Note(settings.config.profiles_pos,
                     fmt::format("'profiles' does not name '{}' of --profile {}, so it is not in use",
                                 profile.name, profile.file));
  }
  return settings;
}

Settings LoadSettingsFromText(std::string_view config_text, const std::string& file,
                              const std::vector<NamedText>& more_profiles, Diagnostics& diagnostics) {
  return Assemble(ParseConfig(config_text, file, diagnostics), more_profiles, diagnostics);
}

}  // namespace cleave
