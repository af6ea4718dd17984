// SPDX-License-Identifier: Apache-2.0
#include "policy/claims.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "discovery/inventory.h"

namespace cleave {

void CheckClaims(const Settings& settings, const Inventory& inventory, Diagnostics& diagnostics) {
  std::map<std::string, const Card*> claimed_by;
  std::map<std::pair<std::string, std::string>, std::set<std::string>> both;
  auto claim = [&](const std::string& what, const Card& card) {
    const Card& other = *claimed_by.try_emplace(what, &card).first->second;
    if (other.profile != card.profile) both[std::minmax(other.profile, card.profile)].insert(what);
  };
  for (const Card& card : inventory.cards) {
    if (!card.address.empty()) claim(card.address, card);
    for (const auto& [role, path] : card.nodes) {
      const std::vector<std::string>& shared = card.shared_nodes;
      if (std::find(shared.begin(), shared.end(), path) == shared.end()) claim(path, card);
    }
  }
  for (const auto& [profiles, what] : both) {
    SourcePos pos = settings.config.profiles_pos;
    for (const Profile& profile : settings.profiles) {
      bool claims = profile.name == profiles.first || profile.name == profiles.second;
      if (pos.file.empty() && claims && !profile.shipped) pos = {profile.file, 0, 0};
    }
    diagnostics.Error(
        std::move(pos),
        fmt::format("profiles '{}' and '{}' both claim {}: name the wanted ones in 'profiles' of "
                    "cleave.toml",
                    profiles.first, profiles.second, Join({what.begin(), what.end()}, ", ")));
  }
}

}  // namespace cleave
