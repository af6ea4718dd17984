// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/diagnostics.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "policy/choose_explain.h"
#include "policy/choose_units.h"
#include "policy/plan.h"
#include "server/allocate.h"
#include "topology/graph.h"

namespace cleave {
namespace {

using Json = nlohmann::ordered_json;

// More pairs than these have nobody reads.
constexpr size_t kMostInPairs = 32;

std::vector<std::string> CardIds(const Plan& plan, const Unit& unit) {
  std::vector<std::string> ids;
  for (size_t card : unit.cards) ids.push_back(plan.inventory->cards[card].id);
  return ids;
}

std::vector<std::string> UnitIds(const Resource& resource, const std::vector<size_t>& units) {
  std::vector<std::string> ids;
  for (size_t unit : units) ids.push_back(resource.units[unit].id);
  return ids;
}

std::string Dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string NodesText(const Unit& unit) { return unit.numa_nodes.empty() ? "-" : RangeText(unit.numa_nodes); }

Json DiagnosticsJson(const std::vector<Diagnostic>& list) {
  Json json = Json::array();
  for (const Diagnostic& one : list) {
    json.push_back({{"file", one.pos.file},
                    {"line", one.pos.line},
                    {"column", one.pos.column},
                    {"message", one.message}});
  }
  return json;
}

// Of units of several cards: means over their pairs of cards, which add up to the affinity of the two.
std::string MeansText(const Graph& graph, const Unit& a, const Unit& b) {
  double tree = 0;
  std::map<std::string, double> links;  // by kind
  for (size_t left : a.cards) {
    for (size_t right : b.cards) {
      tree += graph.TreeAffinity(left, right);
      for (const Link& link : graph.links()) {
        if (link.from == std::min(left, right) && link.to == std::max(left, right))
          links[link.kind] += link.weight;
      }
    }
  }
  size_t pairs = a.cards.size() * b.cards.size();
  auto count = static_cast<double>(pairs);
  std::string text = fmt::format("mean over {} pairs of cards: PCI tree {:g}", pairs, tree / count);
  for (const auto& [kind, weight] : links) text += fmt::format(", {} +{:g}", kind, weight / count);
  return text;
}

// What two units share and what it is worth: "same_numa 20, ethernet x4 +400".
std::string PairText(const Plan& plan, const Unit& a, const Unit& b) {
  const Graph& graph = *plan.graph;
  if (a.cards.empty()) return "no cards";
  if (a.cards.size() * b.cards.size() > 1) return MeansText(graph, a, b);
  size_t left = a.cards.front();
  size_t right = b.cards.front();
  if (left == right) return "one card";
  // A board is a link and no place: what lies below it is the PCI tree.
  Relation relation = graph.CardRelation(left, right);
  std::string place = relation == Relation::kSameBoard ? "PCI tree" : ToString(relation);
  std::string text = fmt::format("{} {:g}", place, graph.TreeAffinity(left, right));
  for (const Link& link : graph.links()) {
    bool joins = (link.from == left && link.to == right) || (link.from == right && link.to == left);
    if (joins) text += fmt::format(", {} x{:g} +{:g}", link.kind, link.width, link.weight);
  }
  return text;
}

// Units that differ in their number only: shares of one card, and what has no card.
bool IsAsTheOneBefore(const Unit& before, const Unit& one) {
  bool numbered = one.share ? before.share.has_value() : one.cards.empty();
  return numbered && one.cards == before.cards && one.health == before.health && one.reason == before.reason;
}

// "a", or "a .. d" for units [first, last] of one kind.
std::string UnitsText(const Resource& resource, size_t first, size_t last) {
  const std::string& id = resource.units[first].id;
  return first == last ? id : fmt::format("{} .. {}", id, resource.units[last].id);
}

std::string WhyNothing(const Plan& plan) {
  const Inventory& inventory = *plan.inventory;
  if (!inventory.cards.empty()) {
    return fmt::format("{} card{} found and none is in a resource, see below", inventory.cards.size(),
                       inventory.cards.size() == 1 ? " was" : "s were");
  }
  if (!inventory.not_cards.empty()) return "what the profiles in use are about is no card now, see below";
  return fmt::format(
      "no profile in use finds a card among its {} PCI functions ('cleave topology --functions' lists them)",
      inventory.functions.size());
}

}  // namespace

std::string RangeText(const std::vector<int>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += last == i ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[last]);
    i = last + 1;
  }
  return text;
}

std::string PlanText(const Plan& plan, const std::vector<Refusal>& refusals) {
  std::string text;
  if (plan.resources.empty()) text += fmt::format("This node offers nothing: {}.\n", WhyNothing(plan));
  for (const Resource& resource : plan.resources) {
    size_t healthy =
        static_cast<size_t>(std::count_if(resource.units.begin(), resource.units.end(),
                                          [](const Unit& one) { return one.health != Health::kUnhealthy; }));
    text += fmt::format("{}: {} of {} allocatable, ", resource.name, healthy, resource.units.size());
    text += resource.unit == UnitKind::kCount
                ? "without hardware\n"
                : fmt::format("one device is a {}, prefers {}\n", ToString(resource.unit),
                              ToString(resource.prefer));
    std::vector<std::pair<std::string, const Unit*>> lines;
    size_t width = 0;
    for (size_t i = 0; i < resource.units.size(); ++i) {
      size_t first = i;
      while (i + 1 < resource.units.size() && IsAsTheOneBefore(resource.units[i], resource.units[i + 1])) ++i;
      lines.emplace_back(UnitsText(resource, first, i), &resource.units[first]);
      width = std::max(width, lines.back().first.size());
    }
    for (const auto& [ids, unit] : lines) {
      const Unit& one = *unit;
      text += fmt::format("  {:<{}}  NUMA {:<4} {}", ids, width, NodesText(one), ToString(one.health));
      if (!one.device_nodes.empty())
        text += std::string(11 - ToString(one.health).size(), ' ') + Join(one.device_nodes, " ");
      text += '\n';
      if (one.cards.size() > 1)
        text += fmt::format("  {:<{}}  cards {}\n", "", width, Join(CardIds(plan, one), " "));
      if (!one.reason.empty()) text += fmt::format("  {:<{}}  {}\n", "", width, one.reason);
    }
  }
  if (!refusals.empty()) text += "\nPods would be refused:\n";
  for (const Refusal& one : refusals) {
    std::string more = one.more == 0 ? "" : fmt::format(" and {} more", one.more);
    text += fmt::format("  {} of {}{}: {}\n", one.device, one.resource, more, one.reason);
  }
  if (!plan.not_made.empty()) text += "\nResources without devices here:\n";
  for (const NotMade& one : plan.not_made) text += fmt::format("  {}: {}\n", one.resource, one.reason);
  if (!plan.not_offered.empty() || !plan.inventory->not_cards.empty()) text += "\nNot offered:\n";
  for (const NotOffered& one : plan.not_offered) text += fmt::format("  {}: {}\n", one.card, one.reason);
  for (const NotACard& one : plan.inventory->not_cards)
    text += fmt::format("  {}: {}\n", one.address, one.reason);
  if (!plan.inventory->oddities.empty()) text += "\nOdd on this machine:\n";
  for (const Oddity& one : plan.inventory->oddities) text += fmt::format("  {}: {}\n", one.subject, one.text);
  return text;
}

std::string PlanJson(const Plan& plan, const std::vector<Refusal>& refusals, const Diagnostics& diagnostics) {
  Json json;
  json["node"] = plan.node_name;
  json["resources"] = Json::array();
  for (const Resource& resource : plan.resources) {
    Json one = {{"name", resource.name},
                {"profile", resource.profile},
                {"unit", ToString(resource.unit)},
                {"prefer", ToString(resource.prefer)},
                {"same_card", ToString(resource.same_card)},
                {"strict", resource.strict},
                {"overlap", ToString(resource.overlap)},
                {"units", Json::array()}};
    for (const Unit& item : resource.units) {
      one["units"].push_back(
          {{"id", item.id},
           {"cards", CardIds(plan, item)},
           {"numa_nodes", item.numa_nodes},
           {"share", item.share ? Json{{"index", item.share->index}, {"of", item.share->of}} : Json()},
           {"device_nodes", item.device_nodes},
           {"health", ToString(item.health)},
           {"reason", item.reason}});
    }
    json["resources"].push_back(std::move(one));
  }
  json["refuses"] = Json::array();
  for (const Refusal& one : refusals) {
    json["refuses"].push_back(
        {{"resource", one.resource}, {"device", one.device}, {"more", one.more}, {"reason", one.reason}});
  }
  json["not_offered"] = Json::array();
  for (const NotOffered& one : plan.not_offered)
    json["not_offered"].push_back({{"card", one.card}, {"reason", one.reason}});
  json["not_made"] = Json::array();
  for (const NotMade& one : plan.not_made)
    json["not_made"].push_back({{"resource", one.resource}, {"reason", one.reason}});
  json["not_cards"] = Json::array();
  for (const NotACard& one : plan.inventory->not_cards) {
    json["not_cards"].push_back({{"address", one.address}, {"profile", one.profile}, {"reason", one.reason}});
  }
  json["oddities"] = Json::array();
  for (const Oddity& one : plan.inventory->oddities)
    json["oddities"].push_back({{"subject", one.subject}, {"text", one.text}});
  json["errors"] = DiagnosticsJson(diagnostics.errors());
  json["notes"] = DiagnosticsJson(diagnostics.notes());
  return Dump(json);
}

std::string PairsText(const Plan& plan, const Resource& resource, const std::vector<size_t>& units) {
  std::string text;
  for (size_t i = 0; i < units.size(); ++i) {
    for (size_t j = i + 1; j < units.size(); ++j) {
      const Unit& a = resource.units[units[i]];
      const Unit& b = resource.units[units[j]];
      text += fmt::format("  {} - {}  {:g}: {}\n", a.id, b.id, UnitAffinity(resource, units[i], units[j]),
                          PairText(plan, a, b));
    }
  }
  return text;
}

namespace {

std::vector<size_t> Without(const std::vector<size_t>& units, const std::vector<size_t>& others) {
  std::vector<size_t> rest;
  std::set_difference(units.begin(), units.end(), others.begin(), others.end(), std::back_inserter(rest));
  return rest;
}

std::string Sickness(const Unit& unit) { return "is not healthy: " + unit.reason; }

// What is to be known of the chosen set besides its score.
std::string WarningOf(const PreferReport& preferred) {
  std::vector<std::string> parts;
  if (!preferred.warning.empty()) parts.push_back(preferred.warning);
  for (size_t index : preferred.choice.units) {
    const Unit& unit = preferred.resource->units[index];
    if (unit.health == Health::kUnhealthy) parts.push_back(unit.id + " " + Sickness(unit));
  }
  return Join(parts, "; ");
}

}  // namespace

std::string RestText(const PreferReport& preferred) {
  const Resource& resource = *preferred.resource;
  std::string text;
  if (preferred.next) {
    const std::vector<size_t>& chosen = preferred.choice.units;
    const std::vector<size_t>& other = preferred.next->units;
    text += fmt::format("Next best: score {:g}, with {} instead of {}\n", preferred.next->score,
                        Join(UnitIds(resource, Without(other, chosen)), " "),
                        Join(UnitIds(resource, Without(chosen, other)), " "));
  }
  std::vector<std::string> parts;
  for (const WholePart& part : preferred.whole)
    parts.push_back(fmt::format("{} ({})", part.name, part.units));
  const std::vector<size_t> rest = Without(preferred.request.available, preferred.choice.units);
  auto sick = static_cast<size_t>(std::count_if(rest.begin(), rest.end(), [&](size_t unit) {
    return resource.units[unit].health == Health::kUnhealthy;
  }));
  const size_t free = rest.size() - sick;
  text += fmt::format("Leaves {} free", free);
  if (sick > 0) text += fmt::format(" and {} that {} not healthy", sick, sick == 1 ? "is" : "are");
  if (free > 1)
    text += parts.empty() ? "; no part of the machine stays whole" : "; whole: " + Join(parts, ", ");
  return text + "\n";
}

std::string PreferText(const PreferReport& preferred) {
  const Resource& resource = *preferred.resource;
  const Choice& choice = preferred.choice;
  // What must be included counts, available or not.
  const size_t more = Without(preferred.request.must_include, preferred.request.available).size();
  std::string text = fmt::format(
      "{} of {} available {}{}: score {:g}, {}\n", choice.units.size(), preferred.request.available.size(),
      resource.name, more == 0 ? "" : fmt::format(" and {} that must be included", more), choice.score,
      choice.optimal ? "proven best"
                     : fmt::format("at most {:.2g} % below the best (no set scores more than {:g})",
                                   100 * choice.GapRatio(), choice.bound));
  for (size_t index : choice.units) {
    const Unit& one = resource.units[index];
    text += fmt::format("  {}  NUMA {}  {}\n", one.id, NodesText(one), Join(one.device_nodes, " "));
    if (resource.topology != nullptr && resource.topology->Near(index) > 0)
      text += fmt::format("  {}  {:g} for the nearest network card\n", std::string(one.id.size(), ' '),
                          resource.topology->Near(index));
    if (one.health == Health::kUnhealthy)
      text += fmt::format("  {}  {}\n", std::string(one.id.size(), ' '), Sickness(one));
  }
  if (!preferred.warning.empty()) text += "Not as wished: " + preferred.warning + "\n";
  if (!preferred.refusal.empty()) text += "Allocate would refuse it: " + preferred.refusal + "\n";
  if (choice.units.size() > 1 && choice.units.size() <= kMostInPairs)
    text += "Pairs:\n" + PairsText(*preferred.plan, resource, choice.units);
  text += RestText(preferred);
  text += fmt::format("Took {} us and {} steps.\n", preferred.microseconds, choice.steps);
  return text;
}

std::string PreferJson(const PreferReport& preferred) {
  const Resource& resource = *preferred.resource;
  Json json = {{"resource", resource.name},
               {"size", preferred.request.size},
               {"available", UnitIds(resource, preferred.request.available)},
               {"must_include", UnitIds(resource, preferred.request.must_include)},
               {"chosen", UnitIds(resource, preferred.choice.units)},
               {"score", preferred.choice.score},
               {"near", Json::array()},
               {"optimal", preferred.choice.optimal},
               {"bound", preferred.choice.bound},
               {"gap", preferred.choice.optimal ? 0 : preferred.choice.bound - preferred.choice.score},
               {"warning", WarningOf(preferred)},
               {"refusal", preferred.refusal},
               {"next", nullptr},
               {"left_whole", Json::array()},
               {"microseconds", preferred.microseconds},
               {"steps", preferred.choice.steps}};
  if (resource.topology != nullptr && !resource.near.empty()) {
    for (size_t index : preferred.choice.units) json["near"].push_back(resource.topology->Near(index));
  }
  if (preferred.next) {
    json["next"] = {{"chosen", UnitIds(resource, preferred.next->units)}, {"score", preferred.next->score}};
  }
  for (const WholePart& part : preferred.whole)
    json["left_whole"].push_back({{"name", part.name}, {"devices", part.units}});
  return Dump(json);
}

}  // namespace cleave
