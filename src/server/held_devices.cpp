// SPDX-License-Identifier: Apache-2.0
#include "server/held_devices.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/config.h"
#include "config/profile.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "server/kubelet_client.h"
#include "server/messages.h"

namespace cleave {
namespace {

// A shell pattern for everything that a template may become.
std::string PatternOf(std::string_view source) {
  std::string pattern;
  for (size_t i = 0; i < source.size(); ++i) {
    bool doubled = i + 1 < source.size() && source[i + 1] == source[i];
    if ((source[i] == '{' || source[i] == '}') && doubled) {
      pattern += source[i++];
    } else if (source[i] == '{') {
      pattern += '*';
      while (i < source.size() && source[i] != '}') ++i;
    } else {
      pattern += source[i];
    }
  }
  return pattern;
}

// Of a share its card.
std::string CardOf(const std::string& id) { return id.substr(0, id.find("::")); }

bool Names(const std::vector<ResourceSpec>& specs, const std::string& node_name,
           const std::string& resource) {
  return std::any_of(specs.begin(), specs.end(), [&](const ResourceSpec& spec) {
    return IsForNode(spec, node_name) && GlobMatch(PatternOf(spec.name.source()), resource);
  });
}

}  // namespace

bool CouldOffer(const Settings& settings, const std::string& node_name, std::string_view resource) {
  std::string name(resource);
  if (!BadResourceName(resource).empty()) return false;
  if (Names(settings.config.resources, node_name, name)) return true;
  for (const std::string& pattern : settings.config.drop) {
    if (GlobMatch(pattern, name)) return false;
  }
  return std::any_of(settings.profiles.begin(), settings.profiles.end(), [&](const Profile& profile) {
    return settings.Active(profile) && Names(profile.resources, node_name, name);
  });
}

bool HeldDevices::IsHeld(const std::string& resource, const std::string& id) const {
  auto found = held_.find(resource);
  return found != held_.end() && found->second.contains(id);
}

void HeldDevices::SetHeld(HeldIds held, Clock::time_point asked) {
  held_ = std::move(held);
  asked_ = asked;
  std::erase_if(left_, [&](const auto& item) {
    return item.second + linger_ < asked && !IsHeld(item.first.first, item.first.second);
  });
  std::erase_if(dropped_, [&](const auto& item) {
    return item.second + linger_ < asked && !held_.contains(item.first);
  });
}

void HeldDevices::Complete(Plan& plan, const Plan* before, const Settings& settings, Clock::time_point now) {
  std::map<std::string, Resource> resources;
  for (Resource& resource : plan.resources) resources.emplace(resource.name, std::move(resource));
  auto offered = [&](const std::string& name) {
    return resources.contains(name) || CouldOffer(settings, plan.node_name, name);
  };
  std::erase_if(dropped_, [&](const auto& item) { return offered(item.first); });
  // One that cannot be offered takes what it has left with it.
  std::erase_if(left_, [&](const auto& item) { return !offered(item.first.first); });
  auto note = [&](const Resource& old) {
    for (const Unit& unit : old.units) {
      // One that is gone was added here, and is remembered already.
      if (unit.gone || resources[old.name].Find(unit.id) != nullptr) continue;
      left_.try_emplace({old.name, unit.id}, now);
    }
  };
  if (before != nullptr) {
    for (const Resource& old : before->resources) {
      if (!offered(old.name)) {
        dropped_.try_emplace(old.name, now);
        continue;
      }
      Resource& resource = resources[old.name];
      resource.name = old.name;
      note(old);
    }
  }
  std::erase_if(left_, [&](const auto& item) {
    return resources[item.first.first].Find(item.first.second) != nullptr;
  });
  std::map<std::string, std::set<std::string>> ghosts;
  std::map<std::string, std::set<std::string>>
      elsewhere;  // what a pod holds of what is offered otherwise now
  for (const auto& [key, since] : left_) ghosts[key.first].insert(key.second);
  for (const auto& [name, ids] : held_) {
    // Never a resource of its own: it may be another plugin's, which registering would push out.
    auto resource = resources.find(name);
    const bool could_be_ours = offered(name) || dropped_.contains(name);
    for (const auto& [id, pod] : ids) {
      if (resource != resources.end()) {
        if (resource->second.Find(id) != nullptr) continue;
        ghosts[name].insert(id);
      }
      if (could_be_ours || PciAddress::Parse(CardOf(id))) elsewhere[name].insert(id);
    }
  }
  ghosts_ = 0;
  plan.resources.clear();
  for (auto& [name, resource] : resources) {
    resource.name = name;
    ghosts_ += WithholdWhatIsHeld(elsewhere, *plan.inventory, resource);
    AddGhosts(ghosts[name], resource);
    plan.resources.push_back(std::move(resource));
  }
}

void HeldDevices::AddGhosts(const std::set<std::string>& ids, Resource& resource) {
  if (ids.empty()) return;
  size_t bytes = 0;
  for (const Unit& unit : resource.units) bytes += BytesInList(unit);
  for (const bool held : {true, false}) {
    for (const std::string& id : ids) {
      if (IsHeld(resource.name, id) != held) continue;
      Unit unit;
      unit.id = id;
      unit.health = Health::kUnhealthy;
      unit.gone = true;
      unit.reason = "it is gone, and a pod may hold it";
      bytes += BytesInList(unit);
      if (!held && bytes > kLongestMessage) return;
      resource.units.push_back(std::move(unit));
      ++ghosts_;
    }
  }
}

// The host has cut a card anew, say, or the operator has renamed its resource: a pod may still have the nodes
// of what is now offered under another name. Returns how many units that are.
size_t HeldDevices::WithholdWhatIsHeld(const std::map<std::string, std::set<std::string>>& elsewhere,
                                       const Inventory& inventory, Resource& resource) const {
  std::map<std::string, std::string> reasons;  // by card
  for (const auto& [name, ids] : elsewhere) {
    if (name == resource.name) continue;
    for (const std::string& id : ids) {
      std::string card = CardOf(id);
      reasons[card] =
          fmt::format("card {} is in use as {}: device {}, pod {}", card, name, id, held_.at(name).at(id));
    }
  }
  if (reasons.empty()) return 0;
  size_t withheld = 0;
  for (Unit& unit : resource.units) {
    for (size_t card : unit.cards) {
      auto found = reasons.find(inventory.cards[card].id);
      if (found == reasons.end() || unit.health == Health::kUnhealthy || IsHeld(resource.name, unit.id))
        continue;
      unit.health = Health::kUnhealthy;
      unit.withheld = true;
      unit.reason = found->second;
      ++withheld;
    }
  }
  return withheld;
}

std::vector<std::string> HeldDevices::CardsToForget(const Plan& plan, Clock::time_point now) {
  std::vector<std::string> forget;
  std::map<std::string, Clock::time_point> gone;
  const std::vector<Card>& cards = plan.inventory->cards;
  for (size_t i = 0; i < cards.size(); ++i) {
    if (cards[i].present) continue;
    std::string key = cards[i].profile + "/" + cards[i].id;
    auto known = gone_.find(key);
    Clock::time_point since = known == gone_.end() ? now : known->second;
    gone.emplace(key, since);
    bool held = std::any_of(plan.resources.begin(), plan.resources.end(), [&](const Resource& resource) {
      return std::any_of(resource.units.begin(), resource.units.end(), [&](const Unit& unit) {
        return std::find(unit.cards.begin(), unit.cards.end(), i) != unit.cards.end() &&
               IsHeld(resource.name, unit.id);
      });
    });
    if (!held && since + linger_ < asked_) forget.push_back(cards[i].id);
  }
  gone_ = std::move(gone);
  return forget;
}

}  // namespace cleave
