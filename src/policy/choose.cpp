// SPDX-License-Identifier: Apache-2.0
#include "policy/choose.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "config/resource_spec.h"
#include "policy/affinity_tree.h"
#include "policy/choose_search.h"
#include "policy/choose_selection.h"
#include "policy/choose_small.h"

namespace cleave {
namespace {

// Places that can be exchanged for each other: the same affinities to all others, the same subtrees.
std::vector<size_t> FindAlike(const UnitTopology& topology) {
  size_t places = topology.Places();
  std::vector<size_t> units_at(places, 0);
  std::vector<std::vector<size_t>> above(places);  // subtrees by number
  std::vector<char> seen(places, 0);
  size_t number = 0;
  std::vector<double> near(places, 0);
  for (size_t unit = 0; unit < topology.size; ++unit) {
    ++units_at[topology.Place(unit)];
    near[topology.Place(unit)] = topology.Near(unit);  // of one place all are the same
  }
  for (const auto& level : topology.subtrees) {
    for (const std::vector<size_t>& units : level) {
      for (size_t unit : units) {
        std::vector<size_t>& list = above[topology.Place(unit)];
        if (list.empty() || list.back() != number) list.push_back(number);
      }
      ++number;
    }
  }
  auto between = [&](size_t a, size_t b) { return topology.affinity[a * places + b]; };
  auto same = [](double a, double b) { return std::abs(a - b) <= kSameScore; };
  auto alike = [&](size_t a, size_t b) {
    if (above[a] != above[b] || near[a] != near[b]) return false;
    for (size_t one : {a, b}) {
      if (units_at[one] > 1 && !same(between(one, one), between(a, b))) return false;
    }
    for (size_t other = 0; other < places; ++other) {
      if (other != a && other != b && !same(between(a, other), between(b, other))) return false;
    }
    return true;
  };
  std::vector<size_t> kinds;  // the first place of each
  std::vector<size_t> kind(places);
  for (size_t place = 0; place < places; ++place) {
    // Of three alike ones each pair must be worth the same, which being alike to the first one implies.
    auto found = std::find_if(kinds.begin(), kinds.end(), [&](size_t first) { return alike(first, place); });
    kind[place] = found == kinds.end() ? place : *found;
    if (found == kinds.end()) kinds.push_back(place);
  }
  std::vector<size_t> by_unit(topology.size);
  for (size_t unit = 0; unit < topology.size; ++unit) by_unit[unit] = kind[topology.Place(unit)];
  return by_unit;
}

}  // namespace

Choice Choose(Preference, const UnitTopology& topology, const ChoiceRequest& request) {
  std::vector<char> taken(topology.size, 0);
  auto unique = [&](const std::vector<size_t>& units) {
    std::vector<size_t> kept;
    for (size_t unit : units) {
      if (unit < topology.size && !std::exchange(taken[unit], 1)) kept.push_back(unit);
    }
    std::sort(kept.begin(), kept.end());
    return kept;
  };
  std::vector<size_t> must = unique(request.must_include);
  std::vector<size_t> open = unique(request.available);
  if (must.size() >= request.size || must.size() + open.size() <= request.size) {
    // Nothing to choose.
    Choice choice;
    choice.optimal = true;
    choice.units = must;
    choice.units.insert(choice.units.end(), open.begin(), open.end());
    choice.units.resize(std::min(choice.units.size(), request.size));
    std::sort(choice.units.begin(), choice.units.end());
    choice.bound = choice.score = Score(topology, choice.units);
    return choice;
  }
  if (topology.tree != nullptr) return ChooseOnTree(topology, *topology.tree, request, must, open);
  if (open.size() <= kMostForAllSets) return ChooseAmongAllSets(topology, request, must, open);
  return ChooseBySearch(topology, request, must, open);
}

double Score(const UnitTopology& topology, const std::vector<size_t>& units) {
  size_t places = topology.Places();
  std::vector<double> count(places, 0);
  double score = 0;
  for (size_t unit : units) {
    ++count[topology.Place(unit)];
    score += topology.Near(unit);
  }
  for (size_t a = 0; a < places; ++a) {
    if (count[a] == 0) continue;
    if (count[a] > 1) score += topology.affinity[a * places + a] * count[a] * (count[a] - 1) / 2;
    for (size_t b = 0; b < a; ++b) score += topology.affinity[a * places + b] * count[a] * count[b];
  }
  return score;
}

void FindTree(UnitTopology& topology) {
  if (std::optional<AffinityTree> tree = FindAffinityTree(topology)) {
    topology.tree = std::make_shared<const AffinityTree>(*std::move(tree));
  } else {
    topology.alike = FindAlike(topology);
  }
}

}  // namespace cleave
