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
#include "absl/status/statusor.h"
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

// A host that makes other pieces of a card takes the old ones away first: so long their number stays.
constexpr std::chrono::seconds kPiecesSettle{5};

// Attributes of before that are missing now: a driver that resets a device answers ENODATA for a while.
// `absent`: those that are not merely unreadable.
void KeepOldAttributes(const Card& old, const std::set<std::string>& absent, Card& card) {
  for (const auto& [name, value] : old.attributes) {
    if (!absent.contains(name)) card.attributes.try_emplace(name, value);
  }
}

// Defaults for what is missing. True while an attribute may still come.
bool ApplyDefaults(const Entries& entries, bool live, std::chrono::milliseconds age, Card& card) {
  bool waiting = false;
  for (const Attribute& attribute : entries.attributes) {
    if (card.attributes.contains(attribute.name)) continue;
    if (live && age < attribute.wait) {
      waiting = true;
    } else if (attribute.fallback) {
      card.attributes[attribute.name] = *attribute.fallback;
    }
  }
  return waiting;
}

// Cards are numbered in their order, over those that are there and those that were.
void CountCards(std::vector<Card>& cards) {
  std::map<std::string, int> next;
  std::map<std::pair<std::string, std::string>, int> whole;
  for (Card& card : cards) {
    int& count = next[card.profile];
    if (card.piece_of.empty()) {
      card.index = count++;
      continue;
    }
    auto [known, added] = whole.try_emplace({card.profile, card.piece_of}, count);
    if (added) ++count;
    card.index = known->second;
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
  inventory.numa_nodes = ReadNumaNodes(*root_, inventory.oddities);
  inventory.functions = ReadFunctions(*root_, functions_, inventory.oddities);
  if (options_.all_functions) {
    for (PciFunction& function : inventory.functions)
      ReadDetails(*root_, inventory.numa_nodes, function, inventory.oddities);
  }
  look_again_.reset();
  for (auto& [key, known] : known_) known.seen = false;
  for (const Profile& profile : settings_->profiles) {
    if (!settings_->Active(profile)) continue;
    const std::map<std::string, std::string> settings = settings_->Values(profile);
    std::set<std::string> taken;
    for (const Entries& entries : profile.entries) {
      for (const Entry& entry : FindEntries(*root_, profile, entries, settings, inventory)) {
        taken.insert(entry.near);
        taken.insert(Look(profile, entries, settings, entry, now, inventory));
      }
    }
    NoteOthers(profile, settings, taken, inventory);
    health_.FindSilent(profile, inventory);
  }
  Remember(now, inventory);
  auto walk = [](const Card& card) { return std::tuple(PciAddress::Parse(card.address), card.profile); };
  std::stable_sort(inventory.cards.begin(), inventory.cards.end(),
                   [&](const Card& a, const Card& b) { return walk(a) < walk(b); });
  CountCards(inventory.cards);
  CountPieces(now, inventory);
  std::vector<Oddity>& oddities = inventory.oddities;
  std::sort(oddities.begin(), oddities.end());
  oddities.erase(std::unique(oddities.begin(), oddities.end()), oddities.end());
  return inventory;
}

// The function of an entry whose profile says itself how to find it, with the attributes that hang on it.
// False when it is not one that the profile asks for.
bool Scanner::FindFunction(const Profile& profile, const Entries& entries,
                           const std::map<std::string, std::string>& settings, Inventory& inventory,
                           Card& card, AttributeGaps& gaps, std::vector<Oddity>& oddities) {
  gaps = ReadAttributes(*root_, profile, entries, settings, inventory, card, oddities);
  if (entries.address.empty()) return true;
  absl::StatusOr<std::string> address = entries.address.Expand(CardTextLookup(card, inventory, &settings));
  if (const PciFunction* function = address.ok() ? inventory.Function(*address) : nullptr) {
    if (entries.pci && !Matches(*entries.pci, *function)) return false;
    card.address = function->address;
    TakeNuma(card.address, inventory, card);
    oddities.clear();
    gaps = ReadAttributes(*root_, profile, entries, settings, inventory, card, oddities);
  } else if (entries.pci) {
    (void)Skip(entries, settings, inventory, card);
    return false;
  }
  return true;
}

void Scanner::TakeNuma(const std::string& address, Inventory& inventory, Card& card) {
  const PciFunction* function = inventory.Function(address);
  if (function == nullptr) return;
  if (!function->class_code) inventory.oddities.push_back({address, "its class cannot be read"});
  auto& writable = inventory.functions[static_cast<size_t>(function - inventory.functions.data())];
  if (!options_.all_functions) ReadDetails(*root_, inventory.numa_nodes, writable, inventory.oddities);
  if (function->numa_nodes.size() == 1) card.numa_nodes = function->numa_nodes;
}

// Returns the address of its function, "" when there is none.
std::string Scanner::Look(const Profile& profile, const Entries& entries,
                          const std::map<std::string, std::string>& settings, const Entry& entry,
                          Clock::time_point now, Inventory& inventory) {
  Card card;
  card.profile = profile.name;
  card.kind = entries.kind;
  card.entry = entry.path;
  card.address = entry.address;
  TakeNuma(entry.near, inventory, card);
  std::vector<Oddity> oddities;
  AttributeGaps gaps;
  if (!FindFunction(profile, entries, settings, inventory, card, gaps, oddities)) return "";
  if (absl::Status named = NameCard(*root_, entries, settings, inventory, card); !named.ok()) {
    if (Skip(entries, settings, inventory, card)) return card.address;
    inventory.oddities.push_back({entry.name, "has no id yet: " + MessageOf(named)});
    look_again_ = kWaitStep;
    return card.address;
  }
  std::string key = HealthMonitor::KeyOf(card);
  auto known = known_.find(key);
  if (known != known_.end() && known->second.seen) {
    inventory.oddities.push_back({card.id, fmt::format("{} and {} are the same card; the first counts",
                                                       BaseName(known->second.card.entry), entry.name)});
    return card.address;
  }
  if (known != known_.end()) KeepOldAttributes(known->second.card, gaps.absent, card);
  for (const auto& [name, text] : gaps.rejected) {
    if (!card.attributes.contains(name))
      oddities.push_back({card.id, fmt::format("{}: '{}' was read, which is no value for it", name, text)});
  }
  auto first_seen = known == known_.end() ? now : known->second.first_seen;
  auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - first_seen);
  card.waiting = ApplyDefaults(entries, root_->live(), age, card);
  // Board, pieces and nodes may hang on an attribute that was kept or has a default.
  (void)NameCard(*root_, entries, settings, inventory, card);
  if (Skip(entries, settings, inventory, card)) return card.address;
  for (Oddity& oddity : oddities) inventory.oddities.push_back({card.id, std::move(oddity.text)});
  health_.Assess(*root_, profile, CardLookup(card, inventory, &settings), now, card);
  if (!gaps.hangs.empty()) {
    card.health = Health::kUnhealthy;
    card.reason = gaps.hangs;
  }
  if (root_->Exists("dev"))
    CheckNodes(*root_, card);  // a captured /sys alone says nothing about device nodes
  if (card.waiting || health_.InDoubt(key)) look_again_ = kWaitStep;
  known_[key] = {.first_seen = first_seen, .last_seen = now, .card = card, .seen = true};
  inventory.cards.push_back(card);
  return card.address;
}

// True when the profile says that this entry is not offered.
bool Scanner::Skip(const Entries& entries, const std::map<std::string, std::string>& settings,
                   Inventory& inventory, const Card& card) {
  for (const SkipRule& rule : entries.skip) {
    if (!rule.when.Holds(CardLookup(card, inventory, &settings))) continue;
    absl::StatusOr<std::string> reason = rule.reason.Expand(CardTextLookup(card, inventory, &settings));
    inventory.not_cards.push_back({card.address.empty() ? BaseName(card.entry) : card.address, card.profile,
                                   reason.ok() ? *reason : rule.reason.source()});
    return true;
  }
  return false;
}

// Pieces are numbered in the order of the cards, over those that are there or have only just gone.
void Scanner::CountPieces(Clock::time_point now, Inventory& inventory) {
  std::map<std::pair<std::string, std::string>, std::vector<Card*>> whole;
  for (Card& card : inventory.cards) {
    if (card.piece_of.empty()) continue;
    const Known& known = known_.at(HealthMonitor::KeyOf(card));
    bool counts = card.present || (root_->live() && now - known.last_seen < kPiecesSettle);
    if (counts) whole[{card.profile, card.piece_of}].push_back(&card);
    if (counts && !card.present) look_again_ = kWaitStep;
  }
  for (auto& [key, pieces] : whole) {
    int number = 0;
    for (Card* card : pieces) {
      card->piece = number++;
      card->pieces = static_cast<int>(pieces.size());
      Card& remembered = known_.at(HealthMonitor::KeyOf(*card)).card;
      remembered.piece = card->piece;
      remembered.pieces = card->pieces;
    }
  }
}

void Scanner::Remember(Clock::time_point now, Inventory& inventory) {
  std::set<std::string> active;
  for (const Profile& profile : settings_->profiles) {
    if (settings_->Active(profile)) active.insert(profile.name);
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
      bool about_it = other.address == card.address || other.address == BaseName(card.entry) ||
                      (other.address == card.kind && other.profile == card.profile);
      if (about_it) card.reason = "it is gone: " + other.reason;
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
