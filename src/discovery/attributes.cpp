// SPDX-License-Identifier: Apache-2.0
// The attributes, names and device nodes of one entry.
#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
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

// What a rule's source says now.
struct Taken {
  std::optional<std::string> text;
  bool surely_absent = false;  // not merely unreadable at the moment
};

// Values go into names, ids, environment variables and onto terminals.
constexpr size_t kLongestText = 4096;

bool IsText(const AttributeValue& value) {
  const std::string* text = std::get_if<std::string>(&value);
  return text == nullptr ||
         (text->size() <= kLongestText && std::none_of(text->begin(), text->end(), [](char c) {
            return c != '\n' && c != '\t' && std::iscntrl(static_cast<unsigned char>(c)) != 0;
          }));
}

// Reads attributes of one card.
class AttributeReader {
 public:
  AttributeReader(const HostRoot& root, const Profile& profile, const Inventory& inventory,
                  const std::map<std::string, std::string>& settings, Card& card,
                  std::vector<Oddity>& oddities)
      : root_(root),
        profile_(profile),
        card_(card),
        oddities_(oddities),
        facts_(CardLookup(card, inventory, &settings)),
        texts_(CardTextLookup(card, inventory, &settings)) {}

  void Read(const Attribute& attribute) {
    bool surely_absent = !attribute.rules.empty();
    std::string rejected;
    for (const AttributeRule& rule : attribute.rules) {
      if (!rule.when.Holds(facts_)) continue;
      Taken taken = Take(rule, attribute.name);
      std::optional<AttributeValue> value = taken.text ? Apply(rule, *taken.text) : std::nullopt;
      if (taken.text && !value) rejected = *taken.text;
      if (value && !IsText(*value)) {
        Complain(attribute.name, absl::FailedPreconditionError("what was read is no text"));
        value.reset();
      }
      if (value) {
        card_.attributes[attribute.name] = *std::move(value);
        return;
      }
      surely_absent = surely_absent && taken.surely_absent;
    }
    if (surely_absent) gaps_.absent.insert(attribute.name);
    if (!rejected.empty() && attribute.wait.count() > 0) gaps_.rejected[attribute.name] = Shown(rejected);
  }

  AttributeGaps gaps() && { return std::move(gaps_); }

 private:
  void Complain(const std::string& attribute, const absl::Status& status) {
    if (absl::IsDeadlineExceeded(status)) gaps_.hangs = MessageOf(status);
    oddities_.push_back(
        {card_.id.empty() ? card_.entry : card_.id, fmt::format("{}: {}", attribute, MessageOf(status))});
  }

  // The regular expression `holds`, what placeholders stand for being taken literally.
  std::optional<std::string> Expression(const TextTemplate& holds) const {
    absl::StatusOr<std::string> text =
        holds.Expand([this](const std::string& name) -> std::optional<std::string> {
          std::optional<std::string> value = texts_(name);
          return value ? std::optional<std::string>(re2::RE2::QuoteMeta(*value)) : std::nullopt;
        });
    return text.ok() ? std::optional<std::string>(*std::move(text)) : std::nullopt;
  }

  Taken Take(const AttributeRule& rule, const std::string& attribute) {
    if (rule.source == AttributeSource::kName) return {BaseName(card_.entry)};
    if (rule.source == AttributeSource::kPath) return {"/" + card_.entry};
    if (rule.source == AttributeSource::kOf) {
      const std::string& other = rule.from.source();
      std::optional<AttributeValue> value = facts_(other);
      if (value) return {ToText(*value)};
      return {std::nullopt, gaps_.absent.contains(other)};
    }
    absl::StatusOr<std::string> expanded = rule.from.Expand(texts_);
    if (!expanded.ok()) {
      // Without the value that it hangs on there is nothing to be found.
      std::vector<std::string> names = rule.from.Placeholders();
      return {std::nullopt, std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                return gaps_.absent.contains(name);
              })};
    }
    if (rule.source == AttributeSource::kText) return {*expanded};
    return TakeFile(rule, attribute, FindPaths(root_, FromEntry(card_, *expanded)));
  }

  Taken TakeFile(const AttributeRule& rule, const std::string& attribute,
                 const std::vector<std::string>& paths) {
    switch (rule.source) {
      case AttributeSource::kRead: {
        if (paths.empty()) return {std::nullopt, true};
        absl::StatusOr<std::string> text = root_.ReadText(paths.front());
        if (!text.ok() && !absl::IsNotFound(text.status())) Complain(attribute, text.status());
        if (!text.ok() || text->empty()) return {};
        return {*std::move(text)};
      }
      case AttributeSource::kLink: {
        if (paths.empty()) return {std::nullopt, true};
        // "../.." has no name of its own; a link of a captured machine may lead nowhere.
        absl::StatusOr<std::string> target = root_.ReadLink(paths.front());
        absl::StatusOr<std::string> end = root_.Resolve(paths.front());
        if (!target.ok()) return {};
        return {BaseName(end.ok() ? *end : *target)};
      }
      case AttributeSource::kExists:
        return {std::any_of(paths.begin(), paths.end(),
                            [&](const std::string& path) { return root_.Exists(path); })
                    ? "true"
                    : "false"};
      default:
        return Search(rule, attribute, paths);
    }
  }

  Taken Search(const AttributeRule& rule, const std::string& attribute,
               const std::vector<std::string>& paths) {
    std::optional<std::string> holds = Expression(rule.holds);
    if (!holds) return {std::nullopt, true};
    int64_t count = 0;
    absl::Status problem;
    for (const std::string& path : paths) {
      bool fits = root_.Exists(path);
      if (fits && !holds->empty()) {
        absl::StatusOr<std::string> text = root_.ReadText(path);
        if (!text.ok()) problem = text.status();
        fits = text.ok() && Finds(*holds, *text);
      }
      if (!fits) continue;
      ++count;
      if (rule.source == AttributeSource::kFind) return {"/" + path};
    }
    if (rule.source == AttributeSource::kCount) return {std::to_string(count)};
    bool unreadable = !problem.ok() && !absl::IsNotFound(problem);
    if (unreadable) Complain(attribute, problem);
    return {std::nullopt, !unreadable};
  }

  std::optional<AttributeValue> Apply(const AttributeRule& rule, std::string text) const {
    if (!rule.match.empty()) {
      std::optional<std::string> matched =
          FirstGroup(rule.match, text, rule.source == AttributeSource::kName);
      if (!matched) return std::nullopt;
      text = *std::move(matched);
    }
    if (!rule.split.empty()) {
      std::vector<std::string> parts = Split(text, rule.split.front());
      std::erase(parts, "");
      std::sort(parts.begin(), parts.end());
      text = Join(parts, rule.join);
    }
    if (rule.bits || rule.hex > 0) {
      std::optional<std::string> number = Number(rule, text);
      if (!number) return std::nullopt;
      text = *std::move(number);
    }
    if (rule.base64url) {
      std::optional<std::string> encoded = Base64Url(text);
      if (!encoded) return std::nullopt;
      text = *std::move(encoded);
    }
    if (auto other = rule.alias.find(text); other != rule.alias.end()) text = other->second;
    if (!rule.table.empty()) {
      const std::map<std::string, std::string>& table = profile_.tables.at(rule.table);
      auto mapped = table.find(text);
      return mapped == table.end() ? std::nullopt : std::optional<AttributeValue>(mapped->second);
    }
    if (!rule.map.empty()) {
      auto mapped = rule.map.find(text);
      return mapped == rule.map.end() ? std::nullopt : std::optional<AttributeValue>(mapped->second);
    }
    if (!rule.is.empty()) return Finds(rule.is, text);
    if (!rule.is_not.empty()) return !Finds(rule.is_not, text);
    return text;
  }

  static std::optional<std::string> Number(const AttributeRule& rule, const std::string& text) {
    std::optional<int64_t> value = ParseInt(text);
    if (!value || *value < 0) return std::nullopt;
    auto number = static_cast<uint64_t>(*value);
    if (rule.bits) {
      auto [low, high] = *rule.bits;
      number = number >> low & ((uint64_t{1} << (high - low + 1)) - 1);
    }
    return rule.hex > 0 ? fmt::format("{:0{}x}", number, rule.hex) : std::to_string(number);
  }

  // RFC 4648, section 5, without padding; `text` is an even number of hexadecimal digits.
  static std::optional<std::string> Base64Url(const std::string& text) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    uint32_t held = 0;
    int bits = 0;
    for (size_t i = 0; i < text.size(); i += 2) {
      std::optional<uint64_t> byte = ParseHex(text.substr(i, 2));
      if (!byte || i + 1 == text.size()) return std::nullopt;
      held = (held << 8 | static_cast<uint32_t>(*byte)) & 0xffff;
      for (bits += 8; bits >= 6; bits -= 6) out += kDigits[held >> (bits - 6) & 63];
    }
    if (bits > 0) out += kDigits[held << (6 - bits) & 63];
    return out;
  }

  const HostRoot& root_;
  const Profile& profile_;
  Card& card_;
  std::vector<Oddity>& oddities_;
  Condition::Lookup facts_;
  TextTemplate::Lookup texts_;
  AttributeGaps gaps_;
};

// The device nodes of one specification; false when its placeholders have no value.
std::vector<std::string> NodePaths(const HostRoot& root, const NodeSpec& spec, const Card& card,
                                   const TextTemplate::Lookup& lookup) {
  if (spec.each.empty()) {
    absl::StatusOr<std::string> path = spec.path.Expand(lookup);
    return path.ok() ? std::vector<std::string>{*path} : std::vector<std::string>{};
  }
  absl::StatusOr<std::string> each = spec.each.Expand(lookup);
  if (!each.ok()) return {};
  std::vector<std::string> paths;
  for (const std::string& found : FindPaths(root, FromEntry(card, *each))) {
    std::string item = BaseName(found);
    absl::StatusOr<std::string> path = spec.path.Expand(
        [&](const std::string& name) { return name == "item" ? std::optional(item) : lookup(name); });
    if (path.ok()) paths.push_back(*std::move(path));
  }
  return paths;
}

void FindNodes(const HostRoot& root, const Entries& entries, const TextTemplate::Lookup& lookup,
               const Condition::Lookup& facts, Card& card) {
  card.nodes.clear();
  card.shared_nodes.clear();
  card.permissions.clear();
  std::set<std::string> done;
  bool has_dev = root.Exists("dev");  // a captured /sys alone says nothing about device nodes
  for (const NodeSpec& spec : entries.nodes) {
    if (done.contains(spec.role) || !spec.when.Holds(facts)) continue;
    for (std::string& path : NodePaths(root, spec, card, lookup)) {
      done.insert(spec.role);
      if (spec.optional && has_dev && !root.Exists(path)) continue;
      if (spec.shared) card.shared_nodes.push_back(path);
      if (spec.permissions != "rw") card.permissions[path] = spec.permissions;
      card.nodes.emplace_back(spec.role, std::move(path));
    }
  }
}

}  // namespace

std::string FromEntry(const Card& card, std::string_view path) {
  if (path.starts_with('/')) return NormalPath(path);
  return NormalPath(card.entry + "/" + std::string(path));
}

std::vector<std::string> FindPaths(const HostRoot& root, const std::string& path) {
  if (path.find_first_of("*?[") == std::string::npos) return {path};
  std::vector<std::string> found = root.Glob(path);
  std::sort(found.begin(), found.end(), NaturalLess);
  return found;
}

AttributeGaps ReadAttributes(const HostRoot& root, const Profile& profile, const Entries& entries,
                             const std::map<std::string, std::string>& settings, const Inventory& inventory,
                             Card& card, std::vector<Oddity>& oddities) {
  AttributeReader reader(root, profile, inventory, settings, card, oddities);
  for (const Attribute& attribute : entries.attributes) reader.Read(attribute);
  return std::move(reader).gaps();
}

absl::Status NameCard(const HostRoot& root, const Entries& entries,
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
  CLEAVE_ASSIGN_OR_RETURN(card.id, entries.id.Expand(lookup));
  card.board = first_of(entries.board);
  card.piece_of = first_of(entries.piece_of);
  FindNodes(root, entries, lookup, CardLookup(card, inventory, &settings), card);
  return absl::OkStatus();
}

}  // namespace cleave
