// SPDX-License-Identifier: Apache-2.0
// Private to src/config.
#ifndef CLEAVE_CONFIG_PROFILE_PARSER_H_
#define CLEAVE_CONFIG_PROFILE_PARSER_H_

#include <toml++/toml.h>

#include <map>
#include <string>
#include <string_view>

#include "config/diagnostics.h"
#include "config/profile.h"

namespace cleave {

// One [entries] table.
Entries ParseEntries(const toml::table& table, const std::string& file, Diagnostics& diagnostics);

// A table of `when` and `reason`, both required; `where` names it in messages.
SkipRule ParseSkipRule(const toml::table& table, const std::string& where, const std::string& file,
                       Diagnostics& diagnostics);

// [tables] of a profile, [profile.NAME.tables] of the operator; `where` names it in messages.
std::map<std::string, std::map<std::string, std::string>> ParseTables(const toml::table& table,
                                                                      const std::string& where,
                                                                      const std::string& file,
                                                                      Diagnostics& diagnostics);

// Names of profiles, attributes and roles: small letters, digits, _ and -.
bool IsIdentifier(std::string_view text);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_PROFILE_PARSER_H_
