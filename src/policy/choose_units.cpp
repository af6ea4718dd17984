// SPDX-License-Identifier: Apache-2.0
#include "policy/choose_units.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "policy/plan.h"
#include "policy/seat_chooser.h"
#include "policy/seats.h"

namespace cleave {
namespace {

// Sorted, each once, and none that `taken` has.
std::vector<size_t> Unique(const std::vector<size_t>& units, size_t size, std::vector<char>& taken) {
  std::vector<size_t> kept;
  for (size_t unit : units) {
    if (unit < size && !std::exchange(taken[unit], 1)) kept.push_back(unit);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

Choice FirstOnes(const std::vector<size_t>& must, const std::vector<size_t>& open, size_t size) {
  Choice choice;
  choice.optimal = true;
  choice.units = must;
  choice.units.insert(choice.units.end(), open.begin(), open.end());
  choice.units.resize(std::min(choice.units.size(), size));
  std::sort(choice.units.begin(), choice.units.end());
  return choice;
}

// No `size` of these units score more: each as if it had its nearest one for every partner, and half of it.
double ScoreBound(const UnitTopology& topology, const std::vector<size_t>& units, size_t size) {
  const size_t places = topology.Places();
  std::vector<double> worths;
  worths.reserve(units.size());
  std::vector<double> nearest(places, -1);
  for (size_t unit : units) {
    double& most = nearest[topology.Place(unit)];
    const double* row = &topology.affinity[topology.Place(unit) * places];
    if (most < 0) most = std::max(0.0, *std::max_element(row, row + places));
    worths.push_back(topology.Near(unit) + most * static_cast<double>(size - 1) / 2);
  }
  const size_t counted = std::min(size, worths.size());
  auto middle = worths.begin() + static_cast<std::ptrdiff_t>(counted);
  std::nth_element(worths.begin(), middle, worths.end(), std::greater<>());
  return std::accumulate(worths.begin(), middle, 0.0);
}

}  // namespace

Preference PreferenceOf(const Resource& resource) {
  const bool whole = resource.unit == UnitKind::kCard || resource.unit == UnitKind::kGroup;
  if (whole && resource.prefer == Preference::kPacked) return Preference::kClosest;
  if (whole && resource.prefer == Preference::kSpread) return Preference::kBalanced;
  return resource.prefer;
}

UnitChoice ChooseUnits(const Resource& resource, const ChoiceRequest& request) {
  const Preference preference = PreferenceOf(resource);
  if (preference == Preference::kClosest && resource.same_card == SameCard::kAllow &&
      resource.topology != nullptr)
    return {Choose(preference, *resource.topology, request), ""};
  std::vector<char> taken(resource.units.size(), 0);
  std::vector<size_t> must = Unique(request.must_include, taken.size(), taken);
  std::vector<size_t> open = Unique(request.available, taken.size(), taken);
  bool nothing_to_choose = must.size() >= request.size || must.size() + open.size() <= request.size;
  UnitChoice result;
  if (resource.seats == nullptr || nothing_to_choose) {
    result.choice = FirstOnes(must, open, request.size);
  } else {
    SeatChoice seats = ChooseSeats(*resource.seats, request, must, open, preference, resource.same_card);
    result.warning = std::move(seats.warning);
    result.choice.units = must;
    for (size_t unit : open) {
      size_t& left = seats.take[resource.seats->of_unit[unit]];
      if (left == 0) continue;
      --left;
      result.choice.units.push_back(unit);
    }
    std::sort(result.choice.units.begin(), result.choice.units.end());
    result.choice.optimal = seats.proven;
    result.choice.steps = seats.steps;
  }
  if (resource.topology == nullptr) return result;
  must.insert(must.end(), open.begin(), open.end());
  result.choice.score = Score(*resource.topology, result.choice.units);
  result.choice.bound = ScoreBound(*resource.topology, must, request.size);
  return result;
}

ChoiceRequest HealthyFirst(const Resource& resource, ChoiceRequest request) {
  std::vector<size_t> named = std::exchange(request.available, {});
  std::sort(named.begin(), named.end());
  std::vector<size_t> sick;
  for (size_t unit : named)
    (resource.units[unit].health == Health::kUnhealthy ? sick : request.available).push_back(unit);
  if (sick.empty()) return request;
  std::set<size_t> chosen(request.must_include.begin(), request.must_include.end());
  chosen.insert(request.available.begin(), request.available.end());
  for (size_t unit : sick) {
    if (chosen.size() < request.size && chosen.insert(unit).second) request.must_include.push_back(unit);
  }
  return request;
}

double UnitAffinity(const Resource& resource, size_t a, size_t b) {
  return resource.topology == nullptr ? 0 : resource.topology->Affinity(a, b);
}

std::string BreaksSameCard(const Plan& plan, const Resource& resource,
                           const std::vector<const Unit*>& units) {
  if (resource.same_card == SameCard::kAllow || resource.seats == nullptr) return "";
  const Seats& seats = *resource.seats;
  std::map<size_t, const Unit*> by_seat;
  for (const Unit* unit : units) {
    auto index = static_cast<size_t>(unit - resource.units.data());
    if (index >= seats.of_unit.size()) continue;
    auto [first, added] = by_seat.try_emplace(seats.of_unit[index], unit);
    const std::string& card = plan.inventory->cards[unit->cards.front()].id;
    if (!added && resource.same_card == SameCard::kForbid) {
      return fmt::format("{} and {} are on one card, {}, which same_card = \"forbid\" rules out",
                         first->second->id, unit->id, card);
    }
    if (by_seat.size() > 1 && resource.same_card == SameCard::kRequire) {
      return fmt::format("{} and {} are on different cards, which same_card = \"require\" rules out",
                         units.front()->id, unit->id);
    }
  }
  return "";
}

}  // namespace cleave
