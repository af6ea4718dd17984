// SPDX-License-Identifier: Apache-2.0
#include "discovery/scanner.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/host_root.h"
#include "base/status.h"
#include "config/config.h"
#include "config/profile.h"
#include "discovery/entries.h"
#include "discovery/health.h"
#include "discovery/inventory.h"
#include "discovery/pci.h"

namespace cleave {
namespace {

constexpr std::chrono::milliseconds kWaitStep{1000};

bool IsActive(const Settings& settings, const Profile& profile) {
  return settings.config.profiles.empty() ? profile.is_default : settings.Named(profile);
}

// Attributes of before that are missing now: a driver that resets a device answers ENODATA for a while.
void KeepOldAttributes(const Card& old, Card& card) {
  for (const auto& [name, value] : old.attributes) card.attributes.try_emplace(name, value);
}

// Defaults for what is missing. True while an attribute may still come.
bool ApplyDefaults(const Profile& profile, bool live, std::chrono::milliseconds age, Card& card) {
  bool waiting = false;
  for (const Attribute& attribute : profile.entries.attributes) {
    if (card.attributes.contains(attribute.name)) continue;
    if (live && age < attribute.wait) {
      waiting = true;
    } else if (attribute.fallback) {
      card.attributes[attribute.name] = *attribute.fallback;
    }
  }
  return waiting;
}

// Pieces are numbered in the order of the cards, over those that are there.
void CountPieces(std::vector<Card>& cards) {
  std::map<std::pair<std::string, std::string>, std::vector<Card*>> whole;
  for (Card& card : cards) {
    if (!card.piece_of.empty()) whole[{card.profile, card.piece_of}].push_back(&card);
  }
  for (auto& [key, pieces] : whole) {
    int number = 0;
    for (Card* card : pieces) {
      card->piece = number++;
      card->pieces = static_cast<int>(pieces.size());
    }
  }
}

void CheckNodes(const HostRoot& root, Card& card) {
  for (const auto& [role, path] : card.nodes) {
    if (root.Exists(path)) continue;
    card.health = Health::kUnhealthy;
    card.reason = fmt::format("its device node {} is not there", path);
  }
}

}  // namespace

Inventory Scanner::Scan(Clock::time_point now) {
  Inventory inventory;
  inventory.numa_nodes = ReadNumaNodes(root_, inventory.oddities);
  inventory.functions = ReadFunctions(root_, functions_, inventory.oddities);
  if (options_.all_functions) {
    for (PciFunction& function : inventory.functions) ReadDetails(root_, inventory.numa_nodes, function);
  }
  look_again_.reset();
  for (auto& [key, known] : known_) known.seen = false;
  for (const Profile& profile : settings_->profiles) {
    if (IsActive(*settings_, profile)) ScanProfile(profile, now, inventory);
  }
  Remember(now, inventory);
  auto walk = [](const Card& card) { return std::tuple(PciAddress::Parse(card.address), card.profile); };
  std::stable_sort(inventory.cards.begin(), inventory.cards.end(),
                   [&](const Card& a, const Card& b) { return walk(a) < walk(b); });
  CountPieces(inventory.cards);
  std::sort(inventory.oddities.begin(), inventory.oddities.end());
  return inventory;
}

void Scanner::ScanProfile(const Profile& profile, Clock::time_point now, Inventory& inventory) {
  std::vector<Entry> entries = FindEntries(root_, profile, inventory);
  const std::map<std::string, std::string> settings = settings_->Values(profile);
  bool has_dev = root_.Exists("dev");  // a captured /sys alone says nothing about device nodes
  for (const Entry& entry : entries) {
    Card card;
    card.profile = profile.name;
    card.entry = entry.path;
    card.address = entry.address;
    if (const PciFunction* function = inventory.Function(entry.address)) {
      auto& writable = inventory.functions[static_cast<size_t>(function - inventory.functions.data())];
      if (!options_.all_functions) ReadDetails(root_, inventory.numa_nodes, writable);
      if (function->numa_nodes.size() == 1) card.numa_nodes = function->numa_nodes;
    }
    std::vector<Oddity> oddities;
    ReadAttributes(root_, profile, settings, inventory, card, oddities);
    if (absl::Status named = NameCard(root_, profile, settings, inventory, card); !named.ok()) {
      inventory.oddities.push_back({entry.name, "has no id yet: " + MessageOf(named)});
      look_again_ = kWaitStep;
      continue;
    }
    std::string key = HealthMonitor::KeyOf(card);
    auto [known, added] = known_.try_emplace(key);
    if (known->second.seen) {
      inventory.oddities.push_back({card.id, fmt::format("{} and {} are the same card; the first counts",
                                                         BaseName(known->second.card.entry), entry.name)});
      continue;
    }
    if (added) known->second.first_seen = now;
    if (!added) KeepOldAttributes(known->second.card, card);
    auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - known->second.first_seen);
    card.waiting = ApplyDefaults(profile, root_.live(), age, card);
    // Board, pieces and nodes may hang on an attribute that was kept or has a default.
    (void)NameCard(root_, profile, settings, inventory, card);
    for (Oddity& oddity : oddities) inventory.oddities.push_back({card.id, std::move(oddity.text)});
    health_.Assess(root_, profile, CardLookup(card, inventory, &settings), now, card);
    if (has_dev) CheckNodes(root_, card);
    if (card.waiting || health_.InDoubt(key)) look_again_ = kWaitStep;
    known->second.seen = true;
    known->second.card = card;
    inventory.cards.push_back(std::move(card));
  }
}

void Scanner::Remember(Clock::time_point now, Inventory& inventory) {
  std::set<std::string> active;
  for (const Profile& profile : settings_->profiles) {
    if (IsActive(*settings_, profile)) active.insert(profile.name);
  }
  std::erase_if(known_, [&](const auto& item) { return !active.contains(item.second.card.profile); });
  for (auto& [key, known] : known_) {
    if (known.seen) continue;
    // When it comes back it gets its time to wait anew, and its health is judged anew.
    known.first_seen = now;
    health_.Forget(key);
    Card card = known.card;
    card.present = false;
    card.waiting = false;
    card.health = Health::kUnhealthy;
    card.reason = "it is gone";
    for (const NotACard& other : inventory.not_cards) {
      if (other.address == card.address) card.reason = "it is gone: " + other.reason;
    }
    card.warnings.clear();
    inventory.cards.push_back(std::move(card));
  }
}

void Scanner::Forget(const std::string& card_id) {
  std::erase_if(known_,
                [&](const auto& item) { return item.second.card.id == card_id && !item.second.seen; });
}

}  // namespace cleave
