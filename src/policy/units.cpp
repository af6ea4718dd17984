// SPDX-License-Identifier: Apache-2.0
#include "policy/units.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/resource_spec.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "policy/plan.h"
#include "topology/graph.h"

namespace cleave {
namespace {

struct Group {
  std::string id;  // "": made from the cards' own ids
  std::vector<size_t> cards;
};

// Each piece of a card is a card of its own in the inventory; a whole card is all its pieces.
std::vector<Group> WholeCards(const Inventory& inventory, const std::vector<size_t>& cards) {
  std::vector<Group> groups;
  std::map<std::pair<std::string, std::string>, size_t> by_card;
  for (size_t index : cards) {
    const Card& card = inventory.cards[index];
    if (card.piece_of.empty()) {
      groups.push_back({card.id, {index}});
      continue;
    }
    auto [place, added] = by_card.try_emplace({card.profile, card.piece_of}, groups.size());
    if (added) groups.push_back({card.id, {}});
    groups[place->second].cards.push_back(index);
  }
  return groups;
}

std::vector<Group> SingleCards(const Inventory& inventory, const std::vector<size_t>& cards) {
  std::vector<Group> groups;
  for (size_t index : cards) groups.push_back({inventory.cards[index].id, {index}});
  return groups;
}

std::vector<Group> ByAttributes(const ResourceSpec& spec, const Inventory& inventory,
                                const std::vector<size_t>& cards, std::vector<NotOffered>& left_out) {
  std::vector<Group> groups;
  std::map<std::vector<std::string>, size_t> by_values;
  for (size_t index : cards) {
    const Card& card = inventory.cards[index];
    Condition::Lookup lookup = CardLookup(card, inventory, nullptr);
    std::vector<std::string> values;
    for (const std::string& name : spec.group_by) {
      std::optional<AttributeValue> value = lookup(name);
      if (!value) break;
      values.push_back(ToText(*value));
    }
    if (values.size() < spec.group_by.size()) {
      left_out.push_back(
          {card.id, fmt::format("it has no {} to be grouped by", spec.group_by[values.size()])});
      continue;
    }
    auto [place, added] = by_values.try_emplace(values, groups.size());
    if (added) groups.push_back({Join(values, "-"), {}});
    groups[place->second].cards.push_back(index);
  }
  return groups;
}

std::vector<Group> ByLinks(const ResourceSpec& spec, const Plan& plan, const std::vector<size_t>& cards,
                           std::vector<NotOffered>& left_out) {
  std::vector<Group> groups;
  std::optional<size_t> size;
  if (spec.size) size = static_cast<size_t>(spec.size->most);
  for (std::vector<size_t>& members : plan.graph->LinkedGroups(cards, size, spec.min_width))
    groups.push_back({"", std::move(members)});
  std::set<size_t> taken;
  for (Group& group : groups) {
    taken.insert(group.cards.begin(), group.cards.end());
    std::vector<std::string> ids;
    for (size_t card : group.cards) ids.push_back(plan.inventory->cards[card].id);
    group.id = Join(ids, "+");
    // Other cards are another device, so they are all in the id.
    if (!BadDeviceId(group.id).empty())
      group.id = fmt::format("{}+{}-{}", ids.front(), ids.size() - 1, HashText(group.id));
  }
  for (size_t card : cards) {
    if (taken.contains(card)) continue;
    left_out.push_back(
        {plan.inventory->cards[card].id, size ? fmt::format("no group of {} by links is left for it", *size)
                                              : "no link joins it to another"});
  }
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.cards < b.cards; });
  return groups;
}

// The worst of its cards decides; the reason names the card when there are several.
void JudgeUnit(const Inventory& inventory, Unit& unit) {
  for (size_t index : unit.cards) {
    const Card& card = inventory.cards[index];
    if (card.health == Health::kHealthy) continue;
    bool worse = unit.health == Health::kHealthy || card.health == Health::kUnhealthy;
    if (!worse || unit.health == Health::kUnhealthy) continue;
    unit.health = card.health;
    unit.reason = unit.cards.size() == 1 ? card.reason : fmt::format("card {}: {}", card.id, card.reason);
  }
}

// Whether a card of which not all is known yet may turn out to be one of the group. What is known of it may
// speak against that, what is missing does not.
bool MayBelong(const Card& late, const Unit& unit, const ResourceSpec& spec, const Plan& plan) {
  const Inventory& inventory = *plan.inventory;
  const Card& member = inventory.cards[unit.cards.front()];
  if (late.profile != member.profile) return false;
  Condition::Lookup of_late = CardLookup(late, inventory, plan.SettingsOf(late.profile));
  Condition::Lookup of_member = CardLookup(member, inventory, nullptr);
  auto fits = [&](const std::string& name) {
    std::optional<AttributeValue> value = of_late(name);
    return !value || value == of_member(name);
  };
  auto may_hold = [&](const AttributeTest& test) {
    std::optional<AttributeValue> value = of_late(test.name);
    return !value || Matches(test, value);
  };
  return std::all_of(spec.group_by.begin(), spec.group_by.end(), fits) &&
         std::all_of(spec.where.tests.begin(), spec.where.tests.end(), may_hold);
}

// A pod that is admitted before the rest of a group has come would hold a part of it as if it were all.
void AwaitTheRest(const ResourceSpec& spec, const Plan& plan, const std::vector<LateCard>& late, Unit& unit) {
  const bool complete = spec.size && unit.cards.size() == static_cast<size_t>(spec.size->most);
  if (complete || unit.health == Health::kUnhealthy) return;
  for (const LateCard& one : late) {
    const Card& card = plan.inventory->cards[one.card];
    if (!MayBelong(card, unit, spec, plan)) continue;
    unit.health = Health::kUnhealthy;
    unit.reason = fmt::format("card {} waits for its {} and may be part of it", card.id, one.awaited);
    return;
  }
}

TextTemplate::Lookup LookupOf(const Plan& plan, const Card& card) {
  return CardTextLookup(card, *plan.inventory, plan.SettingsOf(card.profile));
}

absl::StatusOr<std::string> UnitId(const ResourceSpec& spec, const Plan& plan, const Group& group) {
  if (!spec.id) return group.id;
  return spec.id->Expand(LookupOf(plan, plan.inventory->cards[group.cards.front()]));
}

// NOT_FOUND: nothing is said of this card.
absl::StatusOr<int> SharesOf(const ResourceSpec& spec, const Plan& plan, const Card& card) {
  const TextTemplate* number = spec.shares.otherwise ? &*spec.shares.otherwise : nullptr;
  for (const ShareNumbers::OfCard& one : spec.shares.of_cards) {
    if (IsCalled(card, one.card)) number = &one.number;
  }
  if (number == nullptr) return absl::NotFoundError("'shares' does not name it and has no 'default'");
  CLEAVE_ASSIGN_OR_RETURN(int64_t value, NumberFrom(*number, LookupOf(plan, card), 1));
  return static_cast<int>(value);
}

// The same for every share: the device nodes of a card are found once.
std::vector<Unit> Cut(const Unit& whole, int shares) {
  std::vector<Unit> units;
  units.reserve(static_cast<size_t>(shares));
  for (int i = 0; i < shares; ++i) {
    units.push_back(whole);
    units.back().id = fmt::format("{}::{}", whole.id, i);
    units.back().share = Share{i, shares};
  }
  return units;
}

// Device nodes by the same code that Allocate uses; a unit of sick cards shows them too.
void FindDeviceNodes(const Plan& plan, Resource& probe, Unit& unit) {
  probe.units = {unit};
  probe.units.front().health = Health::kHealthy;
  absl::StatusOr<ContainerEdits> edits = MakeEdits(plan, probe, {unit.id});
  if (edits.ok()) {
    unit.device_nodes = std::move(edits->devices);
    unit.permissions = std::move(edits->permissions);
  } else if (unit.health != Health::kUnhealthy) {
    unit.health = Health::kUnhealthy;
    unit.reason = std::string(edits.status().message());
  }
}

// "": the group may have as many cards.
std::string WrongSize(const ResourceSpec& spec, const std::string& group, size_t cards) {
  if (!spec.size) return "";
  auto least = static_cast<size_t>(spec.size->least);
  auto most = static_cast<size_t>(spec.size->most);
  if (cards >= least && cards <= most) return "";
  std::string wanted = least == most ? std::to_string(most) : fmt::format("{} to {}", least, most);
  return fmt::format("its group {} has {} of {} cards", group, cards, wanted);
}

// Leaves the first units, as many as `limit` says; the cards of the others are left out.
void Limit(const TextTemplate& limit, const Plan& plan, const Resource& resource, std::vector<Unit>& units,
           std::vector<NotOffered>& left_out) {
  TextTemplate::Lookup lookup = SettingsTextLookup(plan.SettingsOf(resource.profile));
  if (limit.Expand(lookup).value_or("-").empty()) return;
  absl::StatusOr<int64_t> most = NumberFrom(limit, lookup, 1);
  if (most.ok() && units.size() <= static_cast<size_t>(*most)) return;
  std::string why = most.ok() ? fmt::format("{} has at most {} devices", resource.name, *most)
                              : "'limit': " + MessageOf(most.status());
  size_t stay = most.ok() ? static_cast<size_t>(*most) : 0;
  for (size_t i = stay; i < units.size(); ++i) {
    for (size_t card : units[i].cards) left_out.push_back({plan.inventory->cards[card].id, why, false});
  }
  units.erase(units.begin() + static_cast<std::ptrdiff_t>(stay), units.end());
}

}  // namespace

absl::StatusOr<int64_t> NumberFrom(const TextTemplate& text, const TextTemplate::Lookup& lookup,
                                   int64_t least) {
  CLEAVE_ASSIGN_OR_RETURN(std::string digits, text.Expand(lookup));
  std::optional<int64_t> number = ParseInt(digits);
  if (number && *number >= least && *number <= kMostPieces) return *number;
  return absl::InvalidArgumentError(fmt::format("\"{}\" is '{}', not a whole number from {} to {}",
                                                text.source(), digits, least, kMostPieces));
}

std::vector<Unit> MakeCountedUnits(const std::string& stem, int64_t count) {
  std::vector<Unit> units(static_cast<size_t>(count));
  for (size_t i = 0; i < units.size(); ++i) units[i].id = fmt::format("{}-{}", stem, i);
  return units;
}

std::vector<Unit> MakeUnits(const ResourceSpec& spec, const Plan& plan, const Resource& resource,
                            const std::vector<size_t>& cards, const std::vector<LateCard>& late,
                            std::vector<NotOffered>& left_out) {
  const Inventory& inventory = *plan.inventory;
  const bool by_links = spec.group_by == std::vector<std::string>{"links"};
  std::vector<Group> groups;
  if (spec.unit == UnitKind::kCard) {
    groups = WholeCards(inventory, cards);
  } else if (spec.unit == UnitKind::kPartition || spec.unit == UnitKind::kShare) {
    groups = SingleCards(inventory, cards);
  } else if (by_links) {
    groups = ByLinks(spec, plan, cards, left_out);
  } else {
    groups = ByAttributes(spec, inventory, cards, left_out);
  }
  std::vector<Unit> units;
  std::set<std::string> ids;
  Resource probe = resource;
  probe.container.env.clear();
  probe.container.annotations.clear();
  probe.container.mounts.clear();
  for (Group& group : groups) {
    absl::StatusOr<std::string> id = UnitId(spec, plan, group);
    absl::StatusOr<int> shares = 0;
    if (spec.unit == UnitKind::kShare) shares = SharesOf(spec, plan, inventory.cards[group.cards.front()]);
    std::string longest = id.ok() && shares.ok() && *shares > 0 ? fmt::format("{}::{}", *id, *shares - 1)
                          : id.ok()                             ? *id
                                                                : "";
    std::string why = id.ok() ? BadDeviceId(longest) : std::string(id.status().message());
    bool refused = !why.empty();
    if (refused) why = fmt::format("device id '{}': {}", id.ok() ? longest : spec.id->source(), why);
    if (why.empty() && !shares.ok()) why = MessageOf(shares.status());
    if (why.empty()) why = WrongSize(spec, *id, group.cards.size());
    if (why.empty() && !ids.insert(*id).second) {
      why = fmt::format("device id '{}' is another card's already", *id);
      refused = true;
    }
    if (!why.empty()) {
      for (size_t card : group.cards) left_out.push_back({inventory.cards[card].id, why, refused});
      continue;
    }
    Unit unit;
    unit.id = *id;
    unit.cards = std::move(group.cards);
    for (size_t card : unit.cards) {
      const std::vector<int>& nodes = inventory.cards[card].numa_nodes;
      unit.numa_nodes.insert(unit.numa_nodes.end(), nodes.begin(), nodes.end());
    }
    std::sort(unit.numa_nodes.begin(), unit.numa_nodes.end());
    unit.numa_nodes.erase(std::unique(unit.numa_nodes.begin(), unit.numa_nodes.end()), unit.numa_nodes.end());
    JudgeUnit(inventory, unit);
    if (spec.unit == UnitKind::kGroup && !by_links) AwaitTheRest(spec, plan, late, unit);
    FindDeviceNodes(plan, probe, unit);
    if (spec.unit == UnitKind::kShare) {
      std::vector<Unit> cut = Cut(unit, *shares);
      units.insert(units.end(), std::make_move_iterator(cut.begin()), std::make_move_iterator(cut.end()));
    } else {
      units.push_back(std::move(unit));
    }
  }
  if (spec.limit) Limit(*spec.limit, plan, resource, units, left_out);
  return units;
}

std::shared_ptr<const UnitTopology> MakeUnitTopology(const Graph& graph, const std::vector<Unit>& units,
                                                     const std::vector<std::string>& near) {
  auto topology = std::make_shared<UnitTopology>();
  size_t n = units.size();
  topology->size = n;
  topology->affinity.assign(n * n, 0);
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < a; ++b) {
      double sum = 0;
      for (size_t left : units[a].cards) {
        for (size_t right : units[b].cards) sum += graph.CardAffinity(left, right);
      }
      double mean = sum / static_cast<double>(units[a].cards.size() * units[b].cards.size());
      topology->affinity[a * n + b] = mean;
      topology->affinity[b * n + a] = mean;
    }
  }
  if (!near.empty()) {
    for (const Unit& unit : units) {
      double sum = 0;
      for (size_t card : unit.cards) sum += graph.NicAffinity(card, near);
      topology->near.push_back(sum / static_cast<double>(unit.cards.size()));
    }
  }
  const std::vector<Vertex>& tree = graph.tree();
  std::vector<std::set<size_t>> below(tree.size());
  for (size_t unit = 0; unit < n; ++unit) {
    for (size_t card : units[unit].cards) {
      for (size_t vertex = graph.CardVertex(card); vertex != 0; vertex = tree[vertex].parent)
        below[vertex].insert(unit);
    }
  }
  for (size_t vertex = 1; vertex < tree.size(); ++vertex) {
    if (below[vertex].size() < 2 || below[vertex].size() == n) continue;
    auto depth = static_cast<size_t>(tree[vertex].depth);
    if (topology->subtrees.size() <= depth) topology->subtrees.resize(depth + 1);
    topology->subtrees[depth].emplace_back(below[vertex].begin(), below[vertex].end());
  }
  FindTree(*topology);
  return topology;
}

}  // namespace cleave
