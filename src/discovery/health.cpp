// SPDX-License-Identifier: Apache-2.0
#include "discovery/health.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/regex.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/profile.h"
#include "config/text_template.h"
#include "discovery/entries.h"
#include "discovery/inventory.h"

namespace cleave {
namespace {

// The first file that matches, as it is.
absl::StatusOr<std::string> ReadFirst(const HostRoot& root, const Card& card, const std::string& path) {
  std::vector<std::string> found = FindPaths(root, FromEntry(card, path));
  if (found.empty()) return absl::NotFoundError("/" + FromEntry(card, path) + ": no such file");
  return root.Read(found.front());
}

std::string HexDigits(std::string_view bytes) {
  std::string digits;
  for (unsigned char byte : bytes) digits += fmt::format("{:02x}", byte);
  return digits;
}

// A number, or the number that a file holds.
std::optional<int64_t> LimitOf(const HostRoot& root, const Card& card, const std::string& limit) {
  if (std::optional<int64_t> number = ParseInt(limit)) return number;
  absl::StatusOr<std::string> text = ReadFirst(root, card, limit);
  return text.ok() ? ParseInt(Trim(*text)) : std::nullopt;
}

std::optional<bool> Compare(const HostRoot& root, const HealthCheck& check, const Card& card,
                            const std::string& value, std::string& reason) {
  bool below = !check.below.empty();
  std::optional<int64_t> number = ParseInt(value);
  std::optional<int64_t> limit = LimitOf(root, card, below ? check.below : check.above);
  if (!number || !limit) return std::nullopt;
  bool good = below ? *number < *limit : *number > *limit;
  if (!good)
    reason = fmt::format("{}: {} is not {} {}", check.name, *number, below ? "below" : "above", *limit);
  return good;
}

}  // namespace

std::optional<bool> HealthMonitor::Sample(const HostRoot& root, const HealthCheck& check,
                                          const std::string& path, const Card& card, Clock::time_point now,
                                          CheckState& state, std::string& reason) {
  absl::StatusOr<std::string> content = ReadFirst(root, card, path);
  state.absent = absl::IsNotFound(content.status());
  if (!content.ok()) {
    state.silence = state.absent ? path + " is not there" : MessageOf(content.status());
    if (absl::IsDeadlineExceeded(content.status())) reason = MessageOf(content.status());
    if (!check.absent_is_bad || !state.absent) return std::nullopt;
    reason = fmt::format("{}: {} is not there", check.name, path);
    return false;
  }
  std::string value(Trim(*content));
  if (check.bytes) {
    auto [offset, length] = *check.bytes;
    const auto first = static_cast<size_t>(offset);
    const auto count = static_cast<size_t>(length);
    if (content->size() < first + count) {
      state.silence = fmt::format("{} has {} bytes, not {}", path, content->size(), first + count);
      return std::nullopt;
    }
    value = HexDigits(std::string_view(*content).substr(first, count));
  }
  if (!check.match.empty()) {
    std::optional<std::string> group = FirstGroup(check.match, value);
    if (!group) {
      state.silence = fmt::format("{} reads '{}'", path, Shown(value));
      return std::nullopt;
    }
    value = *std::move(group);
  }
  if (check.must_change && value.empty()) {
    state.silence = path + " is empty";
    return std::nullopt;
  }
  if (check.must_change) {
    state.silence.clear();
    if (!root.live()) return std::nullopt;
    if (!state.sampled || state.value != value) {
      bool first = !state.sampled;
      state.sampled = true;
      state.judged = true;  // the first sample says nothing bad
      state.value = value;
      state.changed = now;
      return first ? std::nullopt : std::optional<bool>(true);
    }
    if (now - state.changed < check.within) return std::nullopt;
    reason = fmt::format("{}: {} has not changed for {} ms", check.name, path,
                         std::chrono::duration_cast<std::chrono::milliseconds>(now - state.changed).count());
    return false;
  }
  if (!check.is.empty() || !check.is_not.empty()) {
    bool good = check.is.empty() ? !Finds(check.is_not, value) : Finds(check.is, value);
    if (!good) reason = fmt::format("{}: {} reads {}", check.name, path, Shown(value));
    return good;
  }
  std::optional<bool> good = Compare(root, check, card, value, reason);
  if (!good) state.silence = fmt::format("{} reads '{}'", path, Shown(value));
  return good;
}

void HealthMonitor::Assess(const HostRoot& root, const Profile& profile, const Condition::Lookup& lookup,
                           Clock::time_point now, Card& card) {
  std::map<std::string, CheckState>& states = states_[KeyOf(card)];
  TextTemplate::Lookup text = [&](const std::string& name) -> std::optional<std::string> {
    std::optional<AttributeValue> value = lookup(name);
    return value ? std::optional<std::string>(ToText(*value)) : std::nullopt;
  };
  card.health = Health::kHealthy;
  card.reason.clear();
  card.warnings.clear();
  std::vector<std::string> silent;  // checks that could withdraw the card and have never had an opinion
  bool judged = false;              // one of the others has
  bool unread = false;              // one of the silent ones is not only waiting for a second sample
  std::string hangs;
  for (const HealthCheck& check : profile.health) {
    if (!check.when.Holds(lookup)) {
      states.erase(check.name);
      continue;
    }
    CheckState& state = states[check.name];
    std::string reason;
    std::optional<bool> good;
    absl::StatusOr<std::string> path = check.read.Expand(text);
    if (path.ok()) {
      good = Sample(root, check, *path, card, now, state, reason);
    } else {
      state.absent = true;
      state.silence = MessageOf(path.status());
    }
    if (!good && !reason.empty()) hangs = reason;
    if (good && *good == state.bad) {  // contradicts the verdict
      ++state.streak;
      int needed = state.bad ? check.recover : check.strikes;
      if (!state.judged || state.streak >= needed) {
        state.bad = !*good;
        state.streak = 0;
      }
    } else if (good) {
      state.streak = 0;
    }
    if (good) {
      state.judged = state.opined = true;
      state.silence.clear();
    }
    if (good && !*good) state.reason = reason;
    if (check.level == HealthLevel::kFail) {
      judged = judged || state.opined;
      unread = unread || !state.judged;
      if (!state.opined) silent.push_back(check.name);
    }
    if (!state.bad) continue;
    if (check.level == HealthLevel::kWarn) {
      card.warnings.push_back(state.reason);
    } else if (card.health == Health::kHealthy) {
      card.health = Health::kUnhealthy;
      card.reason = state.reason;
    }
  }
  if (!hangs.empty()) {
    card.health = Health::kUnhealthy;
    card.reason = std::move(hangs);
    return;
  }
  if (judged || !unread) return;
  card.health = Health::kUnknown;
  card.reason = "no opinion yet: " + Join(silent, ", ");
}

void HealthMonitor::FindSilent(const Profile& profile, Inventory& inventory) const {
  for (const HealthCheck& check : profile.health) {
    if (check.level != HealthLevel::kFail) continue;
    bool heard = false;  // of any card
    std::vector<std::pair<const Card*, const CheckState*>> silent;
    for (const Card& card : inventory.cards) {
      auto states = states_.find(KeyOf(card));
      if (card.profile != profile.name || states == states_.end()) continue;
      auto found = states->second.find(check.name);
      if (found == states->second.end()) continue;
      const CheckState& state = found->second;
      heard = heard || state.judged || state.silence.empty();
      if (!state.judged && !state.silence.empty()) silent.emplace_back(&card, &state);
    }
    for (const auto& [card, state] : silent) {
      // Where no card has the file the driver may be too old for it; a driver that comes up may still make
      // it.
      if (state->absent && (!heard || card->waiting)) continue;
      inventory.oddities.push_back(
          {card->id, fmt::format("health check '{}' has no opinion: {}", check.name, state->silence)});
    }
  }
}

bool HealthMonitor::InDoubt(const std::string& card_key) const {
  auto found = states_.find(card_key);
  if (found == states_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [](const auto& item) { return item.second.streak > 0; });
}

void HealthMonitor::Forget(const std::string& card_key) { states_.erase(card_key); }

}  // namespace cleave
