// SPDX-License-Identifier: Apache-2.0
// The operator's file, cleave.toml. Every field says what it does, its unit and its default;
// docs/configuration.md is tested against the parser.
#ifndef CLEAVE_CONFIG_CONFIG_H_
#define CLEAVE_CONFIG_CONFIG_H_

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "config/profile.h"
#include "config/resource_spec.h"

namespace cleave {

// [affinity]: what a pair of cards is worth, by the nearest thing they share. The scale is the one NVML-based
// allocators made known, so results compare directly.
struct Weights {
  double other_socket = 10;  // nothing but the machine
  double same_socket = 15;   // NUMA nodes nearer than 20 (ACPI SLIT; 10 is the node itself)
  double same_numa = 20;
  double same_host_bridge = 30;
  double same_root_port = 40;
  double same_switch = 50;   // one switch between them
  double switch_step = 5;    // less for each further level of switches
  double switch_floor = 40;  // but not less than this
  double same_card = 80;     // pieces of one card
  double board = 60;         // on top, when a board joins them
  double link = 100;         // on top, for each unit of link width
};

struct Config {
  std::vector<std::string> profiles;  // names; empty: every default profile whose cards are present
  std::vector<std::string>
      profile_dirs;  // further directories of *.toml; a profile found there replaces a shipped one
  std::map<std::string, std::map<std::string, std::string>> settings;  // [profile.NAME]
  std::map<std::string, SourcePos> settings_pos;                       // of "NAME" and "NAME.setting"
  std::map<std::string, std::set<std::string>> settings_no_text;       // the same of those that are no text
  // [profile.NAME.tables]: added to those of the profile
  std::map<std::string, std::map<std::string, std::map<std::string, std::string>>> tables;
  std::map<std::string, SourcePos> tables_pos;  // by profile
  std::vector<LinkSource> links;
  std::vector<ResourceSpec> resources;
  std::vector<std::string> drop;   // shell patterns: resources of profiles that are not wanted
  std::vector<Condition> exclude;  // cards that are never offered
  Weights weights;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::string http_address;  // "HOST:PORT" for metrics and probes; "": no HTTP
  std::chrono::milliseconds rescan{
      5000};               // how often the machine is looked at when it says nothing; 1 s to 1 h
  SourcePos profiles_pos;  // of no file when there is no cleave.toml
  SourcePos profile_dirs_pos;
  SourcePos drop_pos;
};

// Reads cleave.toml. `file` names it in errors; relative paths in it start at the file's directory.
Config ParseConfig(std::string_view text, const std::string& file, Diagnostics& diagnostics);

// Forgets the [[links]] that are for other nodes.
void KeepLinksOf(const std::string& node_name, Config& config);

// Config and the profiles it works with, checked against each other.
struct Settings {
  Config config;
  std::vector<Profile> profiles;  // sorted by name
  // Profile `name`'s setting `key`: the operator's, else the default.
  std::string Value(const Profile& profile, const std::string& key) const;
  // All settings of a profile.
  std::map<std::string, std::string> Values(const Profile& profile) const;
  // True when the operator named the profile in `profiles`.
  bool Named(const Profile& profile) const;
  // True when the profile is in use: named, or a default one where none is named.
  bool Active(const Profile& profile) const;
};

struct LoadOptions {
  std::string config_file;                 // "": /etc/cleave/cleave.toml if it exists
  std::vector<std::string> profile_dirs;   // beside those in the file
  std::vector<std::string> profile_files;  // single profiles, read last
};

// Reads everything, reports everything. The only function here that reads files.
Settings LoadSettings(const LoadOptions& options, Diagnostics& diagnostics);

// The same for texts in memory (tests, fuzzing): `config_text` and more profiles beside the shipped
// ones.
Settings LoadSettingsFromText(std::string_view config_text, const std::string& file,
                              const std::vector<std::pair<std::string, std::string>>& more_profiles,
                              Diagnostics& diagnostics);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_CONFIG_H_
