// SPDX-License-Identifier: Apache-2.0
#include "policy/units.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/resource_spec.h"
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
  if (*spec.size == 2) {
    for (auto [a, b] : plan.graph->BestPairs(cards, spec.min_width))
      groups.push_back({"", {std::min(a, b), std::max(a, b)}});
  } else {
    for (std::vector<size_t>& quad : plan.graph->BestQuads(cards, spec.min_width))
      groups.push_back({"", std::move(quad)});
  }
  std::set<size_t> taken;
  for (Group& group : groups) {
    std::sort(group.cards.begin(), group.cards.end());
    taken.insert(group.cards.begin(), group.cards.end());
    std::vector<std::string> ids;
    for (size_t card : group.cards) ids.push_back(plan.inventory->cards[card].id);
    group.id = Join(ids, "+");
  }
  for (size_t card : cards) {
    if (!taken.contains(card)) {
      left_out.push_back({plan.inventory->cards[card].id,
                          fmt::format("no group of {} by links is left for it", *spec.size)});
    }
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

absl::StatusOr<std::string> UnitId(const ResourceSpec& spec, const Plan& plan, const Group& group) {
  if (!spec.id) return group.id;
  const Card& first = plan.inventory->cards[group.cards.front()];
  auto settings = plan.settings.find(first.profile);
  return spec.id->Expand(
      CardTextLookup(first, *plan.inventory, settings == plan.settings.end() ? nullptr : &settings->second));
}

}  // namespace

std::vector<Unit> MakeUnits(const ResourceSpec& spec, const Plan& plan, const Resource& resource,
                            const std::vector<size_t>& cards, std::vector<NotOffered>& left_out) {
  const Inventory& inventory = *plan.inventory;
  std::vector<Group> groups;
  if (spec.unit == UnitKind::kCard) {
    groups = WholeCards(inventory, cards);
  } else if (spec.unit == UnitKind::kPartition) {
    groups = SingleCards(inventory, cards);
  } else if (spec.group_by == std::vector<std::string>{"links"}) {
    groups = ByLinks(spec, plan, cards, left_out);
  } else {
    groups = ByAttributes(spec, inventory, cards, left_out);
  }
  std::vector<Unit> units;
  std::set<std::string> ids;
  for (Group& group : groups) {
    absl::StatusOr<std::string> id = UnitId(spec, plan, group);
    std::string why = id.ok() ? BadDeviceId(*id) : std::string(id.status().message());
    if (!why.empty()) why = fmt::format("device id '{}': {}", id.ok() ? *id : spec.id->source(), why);
    if (why.empty() && spec.size && group.cards.size() != static_cast<size_t>(*spec.size)) {
      why = fmt::format("its group {} has {} of {} cards", *id, group.cards.size(), *spec.size);
    }
    if (why.empty() && !ids.insert(*id).second) why = fmt::format("device id '{}' is taken", *id);
    if (!why.empty()) {
      for (size_t card : group.cards) left_out.push_back({inventory.cards[card].id, why});
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
    units.push_back(std::move(unit));
  }
  // Device nodes by the same code that Allocate uses; a unit of sick cards shows them too.
  Resource probe = resource;
  probe.container.env.clear();
  probe.container.annotations.clear();
  probe.container.mounts.clear();
  for (Unit& unit : units) {
    probe.units = {unit};
    probe.units.front().health = Health::kHealthy;
    absl::StatusOr<ContainerEdits> edits = MakeEdits(plan, probe, {unit.id});
    if (edits.ok()) {
      unit.device_nodes = std::move(edits->devices);
    } else if (unit.health == Health::kHealthy) {
      unit.health = Health::kUnhealthy;
      unit.reason = std::string(edits.status().message());
    }
  }
  return units;
}

std::shared_ptr<const UnitTopology> MakeUnitTopology(const Graph& graph, const std::vector<Unit>& units) {
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
