// SPDX-License-Identifier: Apache-2.0
#include "server/ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "server/kubelet_client.h"

namespace cleave {
namespace {

// Pieces of one card are one: in which pieces a card is cut is a matter of the whole of it.
std::string NameOf(const Card& card) {
  return card.profile + " " + (card.piece_of.empty() ? card.id : card.piece_of);
}

std::set<std::string> CardsOf(const Plan& plan, const Unit& unit) {
  std::set<std::string> names;
  for (size_t card : unit.cards) names.insert(NameOf(plan.inventory->cards[card]));
  return names;
}

std::string ReasonFor(const std::string& card, const std::string& resource, const std::string& id,
                      const std::string& pod) {
  return fmt::format("card {} is in use as {}: device {}, {}", card.substr(card.find(' ') + 1), resource, id,
                     pod.empty() ? "given a moment ago" : "pod " + pod);
}

bool Overlaps(const Resource& resource) { return resource.overlap == Overlap::kExclusive; }

}  // namespace

void Ledger::SetHeld(const HeldIds& held, Clock::time_point asked, bool incomplete) {
  known_ = true;
  if (incomplete) {
    for (const auto& [resource, ids] : held) {
      for (const auto& [id, pod] : ids) listed_[resource][id] = pod;
    }
  } else {
    listed_ = held;
  }
  std::erase_if(given_, [&](const auto& item) {
    const auto& [unit, when] = item;
    if (when >= asked) return false;
    auto resource = held.find(unit.first);
    bool listed = resource != held.end() && resource->second.contains(unit.second);
    return listed || asked - when > patience_;
  });
}

void Ledger::Give(const std::string& resource, const std::vector<std::string>& ids, Clock::time_point now) {
  for (const std::string& id : ids) given_[{resource, id}] = now;
}

Ledger::Users Ledger::FindUsers(const Plan& plan, bool is_new) {
  std::map<UnitKey, std::string> pods;  // of all units in use
  for (const auto& [resource, ids] : listed_) {
    for (const auto& [id, pod] : ids) pods[{resource, id}] = pod;
  }
  for (const auto& [unit, when] : given_) pods.try_emplace(unit, "");
  std::erase_if(cards_, [&](const auto& item) { return !pods.contains(item.first); });
  Users users;
  for (const auto& [key, pod] : pods) {
    auto known = cards_.find(key);
    if (is_new || known == cards_.end()) {
      const Resource* resource = plan.Find(key.first);
      const Unit* unit = resource == nullptr ? nullptr : resource->Find(key.second);
      if (unit != nullptr && !unit->cards.empty())
        known = cards_.insert_or_assign(key, CardsOf(plan, *unit)).first;
    }
    if (known == cards_.end()) continue;
    for (const std::string& card : known->second) users.try_emplace(card, User{key, pod});
  }
  return users;
}

std::shared_ptr<const Plan> Ledger::Withhold(const std::shared_ptr<const Plan>& plan) {
  if (std::none_of(plan->resources.begin(), plan->resources.end(), Overlaps)) {
    said_.clear();
    base_ = nullptr;
    return plan;
  }
  Users users = FindUsers(*plan, plan != base_);
  std::set<UnitKey> others;
  for (const auto& [unit, cards] : cards_) {
    for (const std::string& card : cards) {
      if (users.at(card).unit.first != unit.first) others.insert(unit);
    }
  }
  if (plan == base_ && users == users_ && others == others_) return marked_;
  base_ = plan;
  users_ = std::move(users);
  others_ = std::move(others);
  marked_ = plan;
  std::shared_ptr<Plan> marked;
  std::vector<Users::const_iterator> user_of;  // by card
  for (const Card& card : plan->inventory->cards) user_of.emplace_back(users_.find(NameOf(card)));
  std::map<std::string, int> by_card;
  Users shapes;  // cards in use that have other shapes
  for (size_t r = 0; r < plan->resources.size(); ++r) {
    const Resource& resource = plan->resources[r];
    if (!Overlaps(resource)) continue;
    for (size_t u = 0; u < resource.units.size(); ++u) {
      const Unit& unit = resource.units[u];
      bool is_withheld = false;
      for (size_t index : unit.cards) {
        auto user = user_of[index];
        if (user == users_.end()) continue;
        const auto& [card, by] = *user;
        shapes.try_emplace(card, by);
        const auto& [name, id] = by.unit;
        // What is in use itself stays as it is, whoever came first.
        if (name == resource.name || is_withheld || unit.health == Health::kUnhealthy ||
            others_.contains({resource.name, unit.id}))
          continue;
        if (marked == nullptr) marked = std::make_shared<Plan>(*plan);
        Unit& withheld = marked->resources[r].units[u];
        withheld.health = Health::kUnhealthy;
        withheld.withheld = true;
        withheld.reason = ReasonFor(card, name, id, by.pod);
        ++by_card[card];
        is_withheld = true;
      }
    }
  }
  Say(shapes, by_card);
  if (marked != nullptr) marked_ = std::move(marked);
  return marked_;
}

void Ledger::Say(const Users& users, const std::map<std::string, int>& withheld) {
  std::map<std::string, UnitKey> now;
  for (const auto& [card, user] : users) {
    now[card] = user.unit;
    auto before = said_.find(card);
    if (before != said_.end() && before->second.first == user.unit.first) continue;
    auto count = withheld.find(card);
    Log(LogLevel::kInfo, "card is in use, its other shapes are withheld",
        {{"card", card.substr(card.find(' ') + 1)},
         {"resource", user.unit.first},
         {"device", user.unit.second},
         {"withheld", fmt::format("{}", count == withheld.end() ? 0 : count->second)}});
  }
  for (const auto& [card, unit] : said_) {
    if (now.contains(card)) continue;
    Log(LogLevel::kInfo, "card is free again, all its shapes are offered",
        {{"card", card.substr(card.find(' ') + 1)}, {"resource", unit.first}});
  }
  said_ = std::move(now);
}

}  // namespace cleave
