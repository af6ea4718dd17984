// SPDX-License-Identifier: Apache-2.0
#include "policy/seats.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "policy/plan.h"
#include "policy/units.h"
#include "topology/graph.h"

namespace cleave {
namespace {

// Units with one key share a seat.
using Key = std::tuple<std::string, std::string, size_t>;

Key KeyOf(const Inventory& inventory, const Resource& resource, size_t index) {
  const Unit& unit = resource.units[index];
  const Card& card = inventory.cards[unit.cards.front()];
  if (unit.share) return {"", "", unit.cards.front()};
  bool is_piece = resource.unit == UnitKind::kPartition && !card.piece_of.empty();
  if (is_piece) return {card.profile, card.piece_of, 0};
  return {"unit", "", index};
}

// Shares stand to each other as their cards do: a number for each pair of cards, not of shares.
std::shared_ptr<const UnitTopology> OfShares(const Seats& seats, double same_card) {
  auto topology = std::make_shared<UnitTopology>();
  size_t cards = seats.units.size();
  topology->size = seats.of_unit.size();
  topology->place = seats.of_unit;
  topology->places = cards;
  topology->affinity = seats.topology->affinity;
  for (size_t card = 0; card < cards; ++card) topology->affinity[card * cards + card] = same_card;
  for (const std::vector<std::vector<size_t>>& level : seats.topology->subtrees) {
    topology->subtrees.emplace_back();
    for (const std::vector<size_t>& above : level) {
      std::vector<size_t> units;
      for (size_t card : above) units.insert(units.end(), seats.units[card].begin(), seats.units[card].end());
      std::sort(units.begin(), units.end());
      topology->subtrees.back().push_back(std::move(units));
    }
  }
  // A card that nobody has touched is a subtree, too.
  topology->subtrees.emplace_back();
  for (const std::vector<size_t>& units : seats.units) {
    if (units.size() > 1 && units.size() < topology->size) topology->subtrees.back().push_back(units);
  }
  FindTree(*topology);
  return topology;
}

}  // namespace

void Arrange(const Inventory& inventory, const Graph& graph, const Weights& weights, Resource& resource) {
  if (resource.unit == UnitKind::kCount) return;  // one is as good as another
  auto seats = std::make_shared<Seats>();
  std::map<Key, size_t> by_key;
  std::map<std::vector<int>, size_t> by_nodes;
  std::vector<Unit> firsts;  // stand for their seats
  for (size_t i = 0; i < resource.units.size(); ++i) {
    const Unit& unit = resource.units[i];
    auto [place, added] = by_key.try_emplace(KeyOf(inventory, resource, i), firsts.size());
    if (added) {
      firsts.push_back(unit);
      seats->units.emplace_back();
      seats->numa.push_back(by_nodes.try_emplace(unit.numa_nodes, by_nodes.size()).first->second);
    }
    seats->units[place->second].push_back(i);
    seats->of_unit.push_back(place->second);
  }
  seats->topology = MakeUnitTopology(graph, firsts, resource.near);
  bool alone = firsts.size() == resource.units.size();
  if (alone) {
    resource.topology = seats->topology;
  } else if (resource.unit == UnitKind::kShare) {
    resource.topology = OfShares(*seats, weights.same_card);
  } else {
    resource.topology = MakeUnitTopology(graph, resource.units, resource.near);
  }
  resource.seats = std::move(seats);
}

}  // namespace cleave
