// SPDX-License-Identifier: Apache-2.0
#include "policy/choose_explain.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/resource_spec.h"
#include "policy/choose.h"
#include "policy/choose_selection.h"
#include "policy/plan.h"
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

}  // namespace

std::optional<Choice> NextBest(const Resource& resource, const ChoiceRequest& request, const Choice& choice) {
  if (resource.prefer != Preference::kClosest || resource.same_card != SameCard::kAllow ||
      resource.topology == nullptr || resource.topology->size != resource.units.size())
    return std::nullopt;
  const UnitTopology& topology = *resource.topology;
  std::optional<Choice> best;
  std::set<size_t> left_out;  // kinds of units
  for (size_t unit : choice.units) {
    if (std::count(request.must_include.begin(), request.must_include.end(), unit) > 0) continue;
    // The last ones of a kind are those that are left out, so one of each will do.
    size_t kind = topology.alike.empty() ? topology.Place(unit) : topology.alike[unit];
    if (left_out.size() == kMostSearches || !left_out.insert(kind).second) continue;
    ChoiceRequest without = request;
    std::erase(without.available, unit);
    Choice other = Choose(Preference::kClosest, topology, without);
    if (other.units.size() < choice.units.size()) continue;
    if (best && other.score <= best->score + kSameScore) continue;
    best = std::move(other);
    // As good as the choice itself: nothing can be better.
    if (best->score >= choice.score - kSameScore) break;
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
