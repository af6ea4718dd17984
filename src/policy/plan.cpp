// SPDX-License-Identifier: Apache-2.0
#include "policy/plan.h"

#include <algorithm>
#include <string_view>

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

}  // namespace cleave
