// SPDX-License-Identifier: Apache-2.0
#include "discovery/entries.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/profile.h"
#include "discovery/inventory.h"
#include "discovery/pci.h"

namespace cleave {
namespace {

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// card_2 before card_10.
bool NaturalLess(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (IsDigit(a.front()) && IsDigit(b.front())) {
      auto take = [](std::string_view& text) {
        size_t end = 0;
        while (end < text.size() && IsDigit(text[end])) ++end;
        std::string_view digits = text.substr(0, end);
        text.remove_prefix(end);
        while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
        return digits;
      };
      std::string_view left = take(a);
      std::string_view right = take(b);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
    } else {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  return a.empty() && !b.empty();
}

bool MatchesIds(const PciMatch& match, const PciFunction& function) {
  if (match.vendor && function.vendor != match.vendor) return false;
  if (match.class_code && function.class_code != match.class_code) return false;
  return match.devices.empty() || std::any_of(match.devices.begin(), match.devices.end(),
                                              [&](int device) { return function.device == device; });
}

bool MatchesDriver(const PciMatch& match, const PciFunction& function) {
  return match.drivers.empty() ||
         std::find(match.drivers.begin(), match.drivers.end(), function.driver) != match.drivers.end();
}

// The PCI function that a class entry belongs to: the lowest one on the way that its `device` link leads.
std::string AddressOf(const HostRoot& root, const std::string& entry) {
  absl::StatusOr<std::string> path = root.Resolve(entry + "/device");
  if (!path.ok()) return "";
  std::vector<std::string> parts = Split(*path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (PciAddress::Parse(*part)) return *part;
  }
  return "";
}

std::string WhyNot(const Profile& profile, const PciFunction& function) {
  const Entries& entries = profile.entries;
  if (auto reason = entries.unsupported.find(function.device.value_or(-1));
      reason != entries.unsupported.end())
    return reason->second;
  if (function.driver.empty()) return "no driver is bound to it";
  if (!MatchesDriver(*entries.pci, function)) return fmt::format("it is bound to {}", function.driver);
  return fmt::format("its driver shows no entry in /sys/class/{}", entries.class_name);
}

std::vector<Entry> ClassEntries(const HostRoot& root, const Profile& profile, const Inventory& inventory) {
  std::vector<Entry> found;
  const Entries& entries = profile.entries;
  std::string folder = "sys/class/" + entries.class_name;
  absl::StatusOr<std::vector<std::string>> names = root.List(folder);
  if (!names.ok()) return found;  // the driver is not loaded
  for (const std::string& name : *names) {
    if (!entries.name_pattern.empty() &&
        !re2::RE2::FullMatch(name, re2::RE2(entries.name_pattern, re2::RE2::Quiet)))
      continue;
    Entry entry{folder + "/" + name, name, AddressOf(root, folder + "/" + name)};
    if (entries.pci) {
      const PciFunction* function = inventory.Function(entry.address);
      if (function == nullptr || !MatchesIds(*entries.pci, *function) ||
          !MatchesDriver(*entries.pci, *function))
        continue;
    }
    found.push_back(std::move(entry));
  }
  return found;
}

std::optional<std::string> TakeSource(const HostRoot& root, const AttributeRule& rule,
                                      const Inventory& inventory, const Card& card,
                                      const std::string& attribute, std::vector<Oddity>& oddities) {
  std::string path = card.entry + "/" + rule.from;
  if (rule.from.find_first_of("*?[") != std::string::npos && rule.source != AttributeSource::kOf) {
    std::vector<std::string> found = root.Glob(path);
    if (found.empty()) return std::nullopt;
    path = found.front();
  }
  switch (rule.source) {
    case AttributeSource::kName:
      return BaseName(card.entry);
    case AttributeSource::kRead: {
      absl::StatusOr<std::string> text = root.ReadText(path);
      if (!text.ok() && !absl::IsNotFound(text.status())) {
        oddities.push_back({card.id.empty() ? card.entry : card.id,
                            fmt::format("{}: {}", attribute, MessageOf(text.status()))});
      }
      if (!text.ok() || text->empty()) return std::nullopt;
      return *text;
    }
    case AttributeSource::kLink: {
      absl::StatusOr<std::string> target = root.ReadLink(path);
      return target.ok() ? std::optional<std::string>(BaseName(*target)) : std::nullopt;
    }
    case AttributeSource::kOf: {
      std::optional<AttributeValue> value = CardLookup(card, inventory, nullptr)(rule.from);
      return value ? std::optional<std::string>(ToText(*value)) : std::nullopt;
    }
  }
  return std::nullopt;
}

// Group 1 of the match, or all of it when the expression has no group.
std::optional<std::string> MatchText(const AttributeRule& rule, const std::string& text) {
  re2::RE2 expression(rule.match, re2::RE2::Quiet);
  std::array<re2::StringPiece, 2> groups;
  int count = expression.NumberOfCapturingGroups() > 0 ? 2 : 1;
  re2::RE2::Anchor anchor =
      rule.source == AttributeSource::kName ? re2::RE2::ANCHOR_BOTH : re2::RE2::UNANCHORED;
  if (!expression.Match(text, 0, text.size(), anchor, groups.data(), count)) return std::nullopt;
  return groups[static_cast<size_t>(count) - 1].as_string();
}

std::optional<AttributeValue> ApplyRule(const AttributeRule& rule, std::string text) {
  if (!rule.match.empty()) {
    std::optional<std::string> matched = MatchText(rule, text);
    if (!matched) return std::nullopt;
    text = *std::move(matched);
  }
  if (auto other = rule.alias.find(text); other != rule.alias.end()) text = other->second;
  if (!rule.map.empty()) {
    auto mapped = rule.map.find(text);
    return mapped == rule.map.end() ? std::nullopt : std::optional<AttributeValue>(mapped->second);
  }
  if (!rule.is.empty()) return re2::RE2::PartialMatch(text, re2::RE2(rule.is, re2::RE2::Quiet));
  if (!rule.is_not.empty()) return !re2::RE2::PartialMatch(text, re2::RE2(rule.is_not, re2::RE2::Quiet));
  return text;
}

}  // namespace

std::vector<Entry> FindEntries(const HostRoot& root, const Profile& profile, Inventory& inventory) {
  const Entries& entries = profile.entries;
  std::vector<Entry> found;
  if (!entries.class_name.empty()) {
    found = ClassEntries(root, profile, inventory);
  } else {
    for (const PciFunction& function : inventory.functions) {
      bool known_bad = entries.unsupported.contains(function.device.value_or(-1));
      if (known_bad || !MatchesIds(*entries.pci, function) || !MatchesDriver(*entries.pci, function))
        continue;
      found.push_back({FunctionPath(function), function.address, function.address});
    }
  }
  if (entries.pci && entries.pci->vendor) {
    std::set<std::string> taken;
    for (const Entry& entry : found) taken.insert(entry.address);
    for (const PciFunction& function : inventory.functions) {
      if (!MatchesIds(*entries.pci, function) || taken.contains(function.address)) continue;
      inventory.not_cards.push_back({function.address, profile.name, WhyNot(profile, function)});
    }
  }
  std::sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) {
    std::optional<PciAddress> left = PciAddress::Parse(a.address);
    std::optional<PciAddress> right = PciAddress::Parse(b.address);
    if (left != right) return left < right;
    return NaturalLess(a.name, b.name);
  });
  return found;
}

void ReadAttributes(const HostRoot& root, const Profile& profile,
                    const std::map<std::string, std::string>& settings, const Inventory& inventory,
                    Card& card, std::vector<Oddity>& oddities) {
  Condition::Lookup lookup = CardLookup(card, inventory, &settings);
  for (const Attribute& attribute : profile.entries.attributes) {
    for (const AttributeRule& rule : attribute.rules) {
      if (!rule.when.Holds(lookup)) continue;
      std::optional<std::string> text = TakeSource(root, rule, inventory, card, attribute.name, oddities);
      std::optional<AttributeValue> value = text ? ApplyRule(rule, *std::move(text)) : std::nullopt;
      if (!value) continue;
      card.attributes[attribute.name] = *std::move(value);
      break;
    }
  }
}

absl::Status NameCard(const HostRoot& root, const Profile& profile,
                      const std::map<std::string, std::string>& settings, const Inventory& inventory,
                      Card& card) {
  TextTemplate::Lookup facts = CardTextLookup(card, inventory, &settings);
  // Here, and only here, a placeholder may be a file below the entry.
  TextTemplate::Lookup lookup = [&](const std::string& name) -> std::optional<std::string> {
    if (name.find('/') == std::string::npos) return facts(name);
    absl::StatusOr<std::string> text = root.ReadText(card.entry + "/" + name);
    return text.ok() && !text->empty() ? std::optional<std::string>(*text) : std::nullopt;
  };
  auto first_of = [&](const std::vector<TextTemplate>& templates) -> std::string {
    for (const TextTemplate& text : templates) {
      if (absl::StatusOr<std::string> value = text.Expand(lookup); value.ok()) return *value;
    }
    return "";
  };
  CLEAVE_ASSIGN_OR_RETURN(card.id, profile.entries.id.Expand(lookup));
  card.board = first_of(profile.entries.board);
  card.piece_of = first_of(profile.entries.piece_of);
  card.nodes.clear();
  for (const auto& [role, path] : profile.entries.nodes) {
    if (absl::StatusOr<std::string> value = path.Expand(lookup); value.ok())
      card.nodes.emplace_back(role, *value);
  }
  return absl::OkStatus();
}

}  // namespace cleave
