// SPDX-License-Identifier: Apache-2.0
#include "policy/plan.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "config/condition.h"
#include "discovery/inventory.h"

namespace cleave {

const Unit* Resource::Find(std::string_view id) const {
  auto found = std::find_if(units.begin(), units.end(), [&](const Unit& one) { return one.id == id; });
  return found == units.end() ? nullptr : &*found;
}

const Resource* Plan::Find(std::string_view name) const {
  auto found = std::find_if(resources.begin(), resources.end(),
                            [&](const Resource& resource) { return resource.name == name; });
  return found == resources.end() ? nullptr : &*found;
}

const std::map<std::string, std::string>* Plan::SettingsOf(const std::string& profile) const {
  auto found = settings.find(profile);
  return found == settings.end() ? nullptr : &found->second;
}

bool IsCalled(const Card& card, const std::string& name) {
  if (card.id == name || ToLower(card.address) == ToLower(name)) return true;
  auto serial = card.attributes.find("serial");
  return serial != card.attributes.end() && ToText(serial->second) == name;
}

}  // namespace cleave
