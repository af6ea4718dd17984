// SPDX-License-Identifier: Apache-2.0
#include "server/inventory_log.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "discovery/inventory.h"
#include "policy/plan.h"

namespace cleave {
namespace {

using CardsByKey = std::map<std::string, const Card*>;

CardsByKey ByKey(const Inventory& inventory) {
  CardsByKey cards;
  for (const Card& card : inventory.cards) cards[card.profile + "/" + card.id] = &card;
  return cards;
}

void LogHealth(const Card& old, const Card& card) {
  if (old.health != card.health) {
    Log(card.health == Health::kUnhealthy ? LogLevel::kWarning : LogLevel::kInfo, "health of a card changed",
        {{"card", card.id},
         {"address", card.address},
         {"old", ToString(old.health)},
         {"new", ToString(card.health)},
         {"reason", card.reason}});
  }
  for (const std::string& warning : card.warnings) {
    // Texts hold values that move, so only the number of them tells that something began.
    if (card.warnings.size() <= old.warnings.size()) break;
    Log(LogLevel::kWarning, "a check of a card does not hold", {{"card", card.id}, {"reason", warning}});
  }
}

void LogNodes(const Card& old, const Card& card) {
  for (const auto& [role, path] : card.nodes) {
    auto same_role = std::find_if(old.nodes.begin(), old.nodes.end(),
                                  [&wanted = role](const auto& node) { return node.first == wanted; });
    if (same_role == old.nodes.end() || same_role->second == path) continue;
    Log(LogLevel::kWarning, "device node of a card changed, pods that run may hold the old one",
        {{"card", card.id}, {"address", card.address}, {"old", same_role->second}, {"new", path}});
  }
}

}  // namespace

void InventoryLog::NoteCards(const Inventory& before, const Inventory& now) const {
  CardsByKey old_cards = ByKey(before);
  for (const auto& [key, card] : ByKey(now)) {
    auto old = old_cards.find(key);
    if (old == old_cards.end()) {
      Log(LogLevel::kInfo, "card appeared",
          {{"card", card->id},
           {"address", card->address},
           {"profile", card->profile},
           {"health", ToString(card->health)}});
      continue;
    }
    if (old->second->present != card->present) {
      Log(card->present ? LogLevel::kInfo : LogLevel::kWarning,
          card->present ? "card is back" : "card is gone",
          {{"card", card->id}, {"address", card->address}, {"profile", card->profile}});
      if (!card->present) continue;
    }
    LogHealth(*old->second, *card);
    LogNodes(*old->second, *card);
  }
  CardsByKey cards = ByKey(now);
  for (const auto& [key, card] : old_cards) {
    if (!cards.contains(key))
      Log(LogLevel::kInfo, "card is forgotten", {{"card", card->id}, {"address", card->address}});
  }
}

void InventoryLog::Note(const Plan& plan) {
  const Inventory& now = *plan.inventory;
  if (before_ == nullptr) {
    std::map<std::string, int> counts;
    for (const Card& card : now.cards) ++counts[card.profile];
    for (const auto& [profile, count] : counts) {
      Log(LogLevel::kInfo, "cards found", {{"profile", profile}, {"count", fmt::format("{}", count)}});
    }
    for (const Card& card : now.cards) {
      if (card.health != Health::kHealthy) LogHealth(Card{}, card);
    }
  } else if (before_ != plan.inventory) {
    NoteCards(*before_, now);
  }
  before_ = plan.inventory;
  if (now.cards.empty() && !std::exchange(said_none_, true)) {
    Log(LogLevel::kInfo, "no cards found, waiting for them to appear");
  }
  // Said again only after it was otherwise.
  std::set<std::string> current;
  auto say = [&](LogLevel level, const std::string& message, const std::string& subject,
                 const std::string& reason) {
    std::string key = fmt::format("{} {} {}", message, subject, reason);
    if (!said_.contains(key)) Log(level, message, {{"subject", subject}, {"reason", reason}});
    current.insert(std::move(key));
  };
  for (const Oddity& oddity : now.oddities)
    say(LogLevel::kWarning, "something is odd", oddity.subject, oddity.text);
  for (const NotACard& other : now.not_cards) say(LogLevel::kInfo, "not usable", other.address, other.reason);
  for (const NotOffered& one : plan.not_offered)
    say(LogLevel::kInfo, "card is not offered", one.card, one.reason);
  said_ = std::move(current);
}

}  // namespace cleave
