// SPDX-License-Identifier: Apache-2.0
// Settings of a profile, as templates and conditions see them.
#ifndef CLEAVE_CONFIG_SETTINGS_LOOKUP_H_
#define CLEAVE_CONFIG_SETTINGS_LOOKUP_H_

#include <map>
#include <string>

#include "config/condition.h"
#include "config/text_template.h"

namespace cleave {

// Of "settings.NAME"; null for any other name, and without a value. `settings` may be null.
const std::string* SettingOf(const std::map<std::string, std::string>* settings, const std::string& name);

// Lookups of settings.NAME alone, where there is no card. They keep `settings`, which may be null.
Condition::Lookup SettingsLookup(const std::map<std::string, std::string>* settings);
TextTemplate::Lookup SettingsTextLookup(const std::map<std::string, std::string>* settings);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_SETTINGS_LOOKUP_H_
