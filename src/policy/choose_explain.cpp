// SPDX-License-Identifier: Apache-2.0
#include "policy/choose_explain.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "policy/choose_selection.h"
#include "policy/choose_units.h"
#include "policy/plan.h"
#include "policy/seats.h"
#include "topology/graph.h"

namespace cleave {
namespace {

constexpr size_t kMostSearches = 64;

std::string NameOf(const Vertex& vertex) {
  switch (vertex.kind) {
    case VertexKind::kSocket:
      return "socket of NUMA nodes " + vertex.name;
    case VertexKind::kNumaNode:
      return "NUMA node " + vertex.name;
    case VertexKind::kHostBridge:
      return "host bridge " + vertex.name;
    case VertexKind::kRootPort:
      return "root port " + vertex.name;
    case VertexKind::kSwitch:
      return "bridge " + vertex.name;
    default:
      return vertex.name;
  }
}

// How many of these units are not healthy.
size_t CountSick(const Resource& resource, const std::vector<size_t>& units) {
  return static_cast<size_t>(std::count_if(units.begin(), units.end(), [&](size_t unit) {
    return resource.units[unit].health == Health::kUnhealthy;
  }));
}

// How good other answers to a question are.
class Alternatives {
 public:
  Alternatives(const Resource& resource, const ChoiceRequest& request)
      : resource_(resource), preference_(PreferenceOf(resource)) {
    if (resource.seats == nullptr || ByScore()) return;
    total_.assign(resource.seats->units.size(), 0);
    free_.assign(resource.seats->units.size(), 0);
    for (size_t unit : request.healthy) ++total_[resource.seats->of_unit[unit]];
    std::set<size_t> free(request.available.begin(), request.available.end());
    free.insert(request.must_include.begin(), request.must_include.end());
    for (size_t unit : free) ++free_[resource.seats->of_unit[unit]];
  }

  // Units of one place are all the same.
  size_t Place(size_t unit) const {
    if (!ByScore()) return resource_.seats == nullptr ? 0 : resource_.seats->of_unit[unit];
    return resource_.topology->Place(unit);
  }
  // Those of one kind can be exchanged: to leave out one of each will do.
  size_t Kind(size_t unit) const {
    return !ByScore() || resource_.topology->alike.empty() ? Place(unit) : resource_.topology->alike[unit];
  }

  // Of two answers the one with the greater standing is the better one, by the rules of docs/choosing.md.
  std::vector<double> Standing(const Choice& choice) const {
    // Scores are sums in different orders.
    const double score = std::round(choice.score / kSameScore);
    if (ByScore() || resource_.seats == nullptr) return {score};
    const Seats& seats = *resource_.seats;
    std::vector<double> taken(total_.size(), 0);
    for (size_t unit : choice.units) ++taken[seats.of_unit[unit]];
    double cards = 0;
    double opened = 0;                                  // cards of which nothing was in use
    double fullest = 0;                                 // how much of the chosen cards is in use then
    std::map<size_t, std::pair<double, double>> nodes;  // in use, and all
    for (size_t seat = 0; seat < taken.size(); ++seat) {
      const double before = total_[seat] - std::min(free_[seat], total_[seat]);
      nodes[seats.numa[seat]].first += before + taken[seat];
      nodes[seats.numa[seat]].second += total_[seat];
      if (taken[seat] == 0) continue;
      ++cards;
      opened += before == 0 ? 1 : 0;
      fullest += total_[seat] == 0 ? 0 : (before + taken[seat]) / total_[seat];
    }
    double busiest = 0;
    for (const auto& [node, load] : nodes)
      busiest = std::max(busiest, load.second == 0 ? 0 : load.first / load.second);
    switch (preference_) {
      case Preference::kPacked:
        return {-opened, -cards, score};
      case Preference::kSpread:
        return {cards, -fullest, score};
      case Preference::kBalanced:
        return {-busiest, -fullest, score};
      case Preference::kClosest:
        break;
    }
    return {-cards, score};
  }

 private:
  bool ByScore() const {
    return preference_ == Preference::kClosest && resource_.same_card == SameCard::kAllow;
  }

  const Resource& resource_;
  const Preference preference_;
  std::vector<double> total_;  // healthy units of each seat
  std::vector<double> free_;   // those that are to be had or must be included
};

}  // namespace

std::optional<Choice> NextBest(const Resource& resource, const ChoiceRequest& request, const Choice& choice) {
  if (resource.topology == nullptr || resource.topology->size != resource.units.size()) return std::nullopt;
  const Alternatives alternatives(resource, request);
  std::vector<char> chosen(resource.units.size(), 0);
  for (size_t unit : choice.units) chosen[unit] = 1;
  for (size_t unit : request.must_include) chosen[unit] = 0;
  std::optional<Choice> best;
  std::vector<double> best_standing;
  const std::vector<double> own_standing = alternatives.Standing(choice);
  const size_t sick = CountSick(resource, choice.units);
  std::set<size_t> left_out;
  for (size_t unit : choice.units) {
    if (chosen[unit] == 0) continue;
    if (left_out.size() == kMostSearches || !left_out.insert(alternatives.Kind(unit)).second) continue;
    // One less of the units that are all the same, not another one of them.
    ChoiceRequest without = request;
    std::erase_if(without.available, [&](size_t other) {
      return other == unit || (chosen[other] == 0 && alternatives.Place(other) == alternatives.Place(unit));
    });
    Choice other = ChooseUnits(resource, HealthyFirst(resource, std::move(without))).choice;
    if (other.units.size() < choice.units.size() || CountSick(resource, other.units) > sick) continue;
    std::vector<double> standing = alternatives.Standing(other);
    if (best && standing <= best_standing) continue;
    best = std::move(other);
    best_standing = std::move(standing);
    // As good as the choice itself: nothing can be better.
    if (best_standing == own_standing) break;
  }
  return best;
}

std::string Together(const Plan& plan, const Resource& resource, const std::vector<size_t>& units) {
  const Graph& graph = *plan.graph;
  std::map<Relation, size_t> relations;
  std::set<size_t> cards;
  for (size_t i = 0; i < units.size(); ++i) {
    const std::vector<size_t>& own = resource.units[units[i]].cards;
    cards.insert(own.begin(), own.end());
    for (size_t j = 0; j < i; ++j) {
      std::optional<Relation> nearest;
      for (size_t a : own) {
        for (size_t b : resource.units[units[j]].cards) {
          Relation relation = a == b ? Relation::kSameCard : graph.CardRelation(a, b);
          if (!nearest || relation < *nearest) nearest = relation;
        }
      }
      if (nearest) ++relations[*nearest];
    }
  }
  std::map<std::string, size_t> links;
  for (const Link& link : graph.links()) {
    if (link.kind != "board" && cards.contains(link.from) && cards.contains(link.to)) ++links[link.kind];
  }
  std::vector<std::string> parts;
  for (const auto& [relation, count] : relations)
    parts.push_back(std::to_string(count) + " " + ToString(relation));
  for (const auto& [kind, count] : links) parts.push_back(std::to_string(count) + " " + kind);
  return Join(parts, ", ");
}

std::vector<WholePart> LeftWhole(const Plan& plan, const Resource& resource, const ChoiceRequest& request,
                                 const std::vector<size_t>& chosen) {
  enum : char { kSick, kTaken, kFree };
  std::vector<char> state(resource.units.size(), kSick);
  for (size_t unit : request.healthy) state[unit] = kTaken;
  for (size_t unit : request.available) state[unit] = kFree;
  for (const std::vector<size_t>* units : {&request.must_include, &chosen}) {
    for (size_t unit : *units) state[unit] = kTaken;
  }
  const std::vector<Vertex>& tree = plan.graph->tree();
  std::vector<std::set<size_t>> below(tree.size());
  for (size_t unit = 0; unit < resource.units.size(); ++unit) {
    for (size_t card : resource.units[unit].cards) {
      for (size_t vertex = plan.graph->CardVertex(card); vertex != 0; vertex = tree[vertex].parent)
        below[vertex].insert(unit);
    }
  }
  std::vector<char> whole(tree.size(), 0);  // it, or what is above it
  std::vector<WholePart> parts;
  for (size_t vertex = 1; vertex < tree.size(); ++vertex) {
    if (whole[tree[vertex].parent]) {
      whole[vertex] = 1;
      continue;
    }
    if (std::any_of(below[vertex].begin(), below[vertex].end(),
                    [&](size_t unit) { return state[unit] == kTaken; }))
      continue;
    auto free = static_cast<size_t>(std::count_if(below[vertex].begin(), below[vertex].end(),
                                                  [&](size_t unit) { return state[unit] == kFree; }));
    if (free < 2) continue;
    whole[vertex] = 1;
    // A socket with one node is that node.
    size_t named = vertex;
    for (size_t child = vertex + 1; child < tree.size() && tree[named].kind == VertexKind::kSocket; ++child) {
      if (tree[child].parent == named && below[child] == below[named]) named = child;
    }
    parts.push_back({.name = NameOf(tree[named]), .units = free});
  }
  return parts;
}

}  // namespace cleave
