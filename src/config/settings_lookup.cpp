// SPDX-License-Identifier: Apache-2.0
#include "config/settings_lookup.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/condition.h"
#include "config/text_template.h"

namespace cleave {

const std::string* SettingOf(const std::map<std::string, std::string>* settings, const std::string& name) {
  constexpr std::string_view kSettings = "settings.";
  if (settings == nullptr || !name.starts_with(kSettings)) return nullptr;
  auto found = settings->find(name.substr(kSettings.size()));
  return found == settings->end() ? nullptr : &found->second;
}

TextTemplate::Lookup SettingsTextLookup(const std::map<std::string, std::string>* settings) {
  return [settings](const std::string& name) -> std::optional<std::string> {
    const std::string* value = SettingOf(settings, name);
    return value == nullptr ? std::nullopt : std::optional(*value);
  };
}

Condition::Lookup SettingsLookup(const std::map<std::string, std::string>* settings) {
  return [settings](const std::string& name) -> std::optional<AttributeValue> {
    const std::string* value = SettingOf(settings, name);
    return value == nullptr ? std::nullopt : std::optional<AttributeValue>(*value);
  };
}

}  // namespace cleave
