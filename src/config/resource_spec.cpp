// SPDX-License-Identifier: Apache-2.0
#include "config/resource_spec.h"

#include <fmt/core.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/resource_parser.h"
#include "config/text_template.h"
#include "config/toml_reader.h"

namespace cleave {
namespace {

const std::vector<std::string>& UnitNames() {
  static const std::vector<std::string> names = {"card", "group", "partition", "share", "count"};
  return names;
}

const std::vector<std::string>& PreferenceNames() {
  static const std::vector<std::string> names = {"closest", "packed", "spread", "balanced"};
  return names;
}

const std::vector<std::string>& SameCardNames() {
  static const std::vector<std::string> names = {"allow", "forbid", "require"};
  return names;
}

const std::vector<std::string>& OverlapNames() {
  static const std::vector<std::string> names = {"error", "exclusive"};
  return names;
}

// A whole number, or text with placeholders that becomes one.
std::optional<TextTemplate> ParseNumber(TableReader& reader, std::string_view key, int64_t least) {
  const toml::node* node = reader.Node(key);
  if (node == nullptr) return std::nullopt;
  std::optional<int64_t> number = node->value_exact<int64_t>();
  if (number && *number >= least && *number <= kMostPieces) {
    TextTemplate text = *TextTemplate::Parse(fmt::format("{}", *number));
    text.pos = reader.PosOf(*node);
    return text;
  }
  if (node->is_string()) {
    std::optional<TextTemplate> text = reader.Template(key);
    if (!text || text->HasPlaceholders()) return text;
  }
  reader.ErrorAt(key, fmt::format("'{}' in {} must be a whole number from {} to {}, or a placeholder for one",
                                  key, reader.where(), least, kMostPieces));
  return std::nullopt;
}

ShareNumbers ParseShares(TableReader& reader) {
  ShareNumbers shares;
  const toml::node* node = reader.Node("shares");
  if (node == nullptr || !node->is_table()) {
    shares.otherwise = ParseNumber(reader, "shares", 1);
    return shares;
  }
  TableReader inner(*node->as_table(), "shares of " + reader.where(), reader.file(), reader.diagnostics());
  for (auto&& [key, value] : *node->as_table()) {
    std::string name(key.str());
    std::optional<TextTemplate> number = ParseNumber(inner, name, 1);
    if (!number) continue;
    if (name == "default") {
      shares.otherwise = std::move(number);
    } else {
      shares.of_cards.push_back({name, *std::move(number), inner.PosOfKey(name)});
    }
  }
  if (node->as_table()->empty()) reader.ErrorAt("shares", "'shares' in [[resource]] is empty");
  return shares;
}

std::optional<GroupSize> ParseGroupSize(TableReader& reader) {
  if (!reader.Has("size")) return std::nullopt;
  const size_t errors = reader.diagnostics().errors().size();
  std::vector<int64_t> sizes = reader.Ints("size", 1, 1024);
  if (reader.diagnostics().errors().size() > errors) return std::nullopt;
  if (sizes.empty() || sizes.size() > 2 || sizes.front() > sizes.back()) {
    reader.ErrorAt("size", "'size' in [[resource]] must be a number, or two: [least, most]");
    return std::nullopt;
  }
  return GroupSize{static_cast<int>(sizes.front()), static_cast<int>(sizes.back())};
}

// Keys that belong to one kind of unit.
void CheckUnitKeys(TableReader& reader, const ResourceSpec& spec) {
  struct Belongs {
    const char* key;
    UnitKind unit;
    const char* needed;  // why it must be there; "": it need not
  };
  static constexpr Belongs kKeys[] = {
      {"group_by", UnitKind::kGroup, "an attribute, a list of them, or \"links\""},
      {"size", UnitKind::kGroup, ""},
      {"shares", UnitKind::kShare, "a number, or a table of numbers by card"},
      {"memory", UnitKind::kShare, ""},
      {"count", UnitKind::kCount, "a number, or \"{settings.NAME}\""},
  };
  for (const Belongs& one : kKeys) {
    bool there = reader.Has(one.key);
    if (there && spec.unit != one.unit) {
      reader.ErrorAt(one.key,
                     fmt::format("'{}' in [[resource]] is for unit = \"{}\"", one.key, ToString(one.unit)));
    }
    if (!there && spec.unit == one.unit && *one.needed != '\0') {
      reader.Error(reader.Pos(), fmt::format("[[resource]] with unit = \"{}\" needs '{}': {}",
                                             ToString(one.unit), one.key, one.needed));
    }
  }
  if (reader.Has("overlap") && spec.unit == UnitKind::kCount)
    reader.ErrorAt("overlap", "'overlap' in [[resource]] is for devices with hardware");
  if (reader.Has("same_card") && spec.unit != UnitKind::kShare && spec.unit != UnitKind::kPartition) {
    reader.ErrorAt("same_card",
                   "'same_card' in [[resource]] is for unit = \"share\" and unit = \"partition\"");
  }
  if (spec.strict && spec.same_card.value_or(SameCard::kAllow) == SameCard::kAllow)
    reader.ErrorAt("strict", "'strict' in [[resource]] is for same_card = \"forbid\" or \"require\"");
  for (const std::string& kind : spec.near) {
    if (kind != "net" && kind != "infiniband")
      reader.ErrorAt("near",
                     fmt::format("'near' in [[resource]] must be \"net\" or \"infiniband\", not '{}'{}", kind,
                                 DidYouMean(kind, {"net", "infiniband"})));
  }
  bool by_affinity =
      spec.prefer == Preference::kClosest && spec.same_card.value_or(SameCard::kAllow) == SameCard::kAllow;
  if (!spec.near.empty() && (!by_affinity || spec.unit == UnitKind::kCount || spec.unit == UnitKind::kShare))
    reader.ErrorAt("near",
                   "'near' in [[resource]] is for cards, groups and partitions with prefer = \"closest\"");
  bool by_links = spec.group_by == std::vector<std::string>{"links"};
  if (by_links && spec.size && (spec.size->least == 1 || spec.size->least != spec.size->most))
    reader.ErrorAt("size", "'size' in [[resource]] with group_by = \"links\" must be one number, 2 or more");
}

// What changes when another card comes or goes is no part of an id, and counted devices have no card to ask.
void CheckPlaceholders(TableReader& reader, const ResourceSpec& spec) {
  for (const std::optional<TextTemplate>& text : {std::optional(spec.name), spec.count, spec.id}) {
    if (!text) continue;
    for (const std::string& name : text->Placeholders()) {
      if (spec.unit == UnitKind::kCount && !name.starts_with("settings.")) {
        reader.Error(text->pos, fmt::format("'{{{}}}': with unit = \"count\" there is no card to ask; only "
                                            "settings.NAME has a value",
                                            name));
      }
    }
  }
  if (!spec.id) return;
  for (const std::string& name : spec.id->Placeholders()) {
    if (name != "index") continue;
    reader.Error(spec.id->pos,
                 "'{index}' is no part of an id: it changes with the other cards of the machine");
  }
}

}  // namespace

std::string ToString(UnitKind unit) { return UnitNames()[static_cast<size_t>(unit)]; }
std::string ToString(Overlap overlap) { return OverlapNames()[static_cast<size_t>(overlap)]; }
std::string ToString(SameCard same_card) { return SameCardNames()[static_cast<size_t>(same_card)]; }
std::string ToString(Preference preference) { return PreferenceNames()[static_cast<size_t>(preference)]; }

bool IsForNode(const ResourceSpec& spec, const std::string& node_name) {
  return spec.nodes.empty() ||
         std::any_of(spec.nodes.begin(), spec.nodes.end(),
                     [&](const std::string& pattern) { return GlobMatch(pattern, node_name); });
}

ResourceSpec ParseResource(const toml::table& table, const std::string& file, Diagnostics& diagnostics) {
  ResourceSpec spec;
  const size_t errors = diagnostics.errors().size();
  TableReader reader(table, "[[resource]]", file, diagnostics);
  spec.pos = reader.Pos();
  std::optional<TextTemplate> name = reader.Template("name");
  if (name) {
    spec.name = *name;
    if (name->source().empty()) reader.ErrorAt("name", "'name' in [[resource]] is empty");
  } else if (!reader.Has("name")) {
    reader.Error(reader.Pos(), "[[resource]] needs a 'name', such as \"example.com/gpu\"");
  }
  spec.profile = reader.String("profile").value_or("");
  spec.when = reader.Tests("when");
  spec.where = reader.Tests("where");
  spec.except = reader.Tests("except");
  spec.unit = static_cast<UnitKind>(reader.OneOf("unit", UnitNames()).value_or(0));
  spec.group_by = reader.Strings("group_by");
  spec.group_by_pos = reader.PosOfKey("group_by");
  spec.size = ParseGroupSize(reader);
  spec.min_width = reader.Number("min_width").value_or(1);
  if (reader.Has("min_width")) spec.min_width_pos = reader.PosOfKey("min_width");
  spec.shares = ParseShares(reader);
  spec.memory = reader.String("memory").value_or(spec.memory);
  spec.memory_pos = reader.PosOfKey("memory");
  spec.count = ParseNumber(reader, "count", 0);
  spec.limit = ParseNumber(reader, "limit", 1);
  spec.id = reader.Template("id");
  Preference usual = spec.unit == UnitKind::kShare ? Preference::kPacked : Preference::kClosest;
  spec.prefer =
      static_cast<Preference>(reader.OneOf("prefer", PreferenceNames()).value_or(static_cast<size_t>(usual)));
  if (std::optional<size_t> same_card = reader.OneOf("same_card", SameCardNames()))
    spec.same_card = static_cast<SameCard>(*same_card);
  spec.near = reader.Strings("near");
  spec.strict = reader.Bool("strict").value_or(false);
  spec.overlap = static_cast<Overlap>(reader.OneOf("overlap", OverlapNames()).value_or(0));
  spec.nodes = reader.Patterns("nodes");
  if (const toml::table* container = reader.Table("container")) {
    spec.container = ParseContainer(*container, "[resource.container]", file, diagnostics);
  }
  CheckUnitKeys(reader, spec);
  CheckPlaceholders(reader, spec);
  reader.Finish();
  spec.broken = diagnostics.errors().size() > errors;
  return spec;
}

}  // namespace cleave
