// SPDX-License-Identifier: Apache-2.0
#include "topology/tree_affinities.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/machine_tree.h"

namespace cleave {
namespace {

Weights Rising(Weights weights) {
  weights.same_socket = std::max(weights.same_socket, weights.other_socket);
  weights.same_numa = std::max(weights.same_numa, weights.same_socket);
  weights.same_host_bridge = std::max(weights.same_host_bridge, weights.same_numa);
  weights.same_root_port = std::max(weights.same_root_port, weights.same_host_bridge);
  weights.switch_floor = std::max(weights.switch_floor, weights.same_root_port);
  weights.same_switch = std::max(weights.same_switch, weights.switch_floor);
  weights.same_card = std::max(weights.same_card, weights.same_switch);
  weights.switch_step = std::max(weights.switch_step, 0.0);
  return weights;
}

}  // namespace

TreeAffinities::TreeAffinities(const Inventory& inventory, const MachineTree& tree, const Weights& weights)
    : tree_(tree),
      weights_(Rising(weights)),
      places_(inventory.cards.size()),
      height_(tree.vertices.size(), 0) {
  SetPlaces(inventory);
  for (size_t i = tree.vertices.size(); i-- > 1;) {  // children come after their parents
    const Vertex& vertex = tree.vertices[i];
    if (IsBridge(vertex.kind)) height_[vertex.parent] = std::max(height_[vertex.parent], height_[i] + 1);
  }
}

void TreeAffinities::SetPlaces(const Inventory& inventory) {
  // Functions of a device hang on one bridge; where the machine's word is contradictory they are no device.
  std::map<std::tuple<size_t, uint32_t, uint32_t, uint32_t>, int> devices;
  std::map<std::pair<std::string_view, std::string_view>, int> wholes;
  std::vector<size_t> first;  // by whole: its first piece
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    const Card& card = inventory.cards[i];
    Place& place = places_[i];
    place.vertex = tree_.Place(i);
    if (tree_.vertices[place.vertex].kind == VertexKind::kFunction) {
      const PciAddress& pci = inventory.Function(card.address)->pci;
      size_t bridge = tree_.vertices[place.vertex].parent;
      int next = static_cast<int>(devices.size());
      place.device = devices.try_emplace({bridge, pci.domain, pci.bus, pci.device}, next).first->second;
    }
    if (card.piece_of.empty()) continue;
    auto [found, is_new] = wholes.try_emplace({card.profile, card.piece_of}, static_cast<int>(first.size()));
    place.whole = found->second;
    if (is_new) first.push_back(i);
    Place& whole = places_[first[static_cast<size_t>(place.whole)]];
    whole.vertex = tree_.Common(whole.vertex, place.vertex);
    if (whole.device != place.device) whole.device = -1;
  }
  for (Place& place : places_) {
    if (place.whole >= 0) place = places_[first[static_cast<size_t>(place.whole)]];
  }
}

// Bridges between `common` and the deepest card of the branch in which `place` is.
int TreeAffinities::BranchHeight(size_t place, size_t common) const {
  if (place == common) return 0;
  while (tree_.vertices[place].parent != common) place = tree_.vertices[place].parent;
  return IsBridge(tree_.vertices[place].kind) ? height_[place] + 1 : 0;
}

double TreeAffinities::Between(size_t a, size_t b) const {
  if (a == b) return 0;
  const Place& place_a = places_[a];
  const Place& place_b = places_[b];
  if (place_a.whole >= 0 && place_a.whole == place_b.whole) return weights_.same_card;
  if (place_a.device >= 0 && place_a.device == place_b.device) return weights_.same_switch;
  size_t common = tree_.Common(place_a.vertex, place_b.vertex);
  switch (tree_.vertices[common].kind) {
    case VertexKind::kMachine:
      return weights_.other_socket;
    case VertexKind::kSocket:
      return weights_.same_socket;
    case VertexKind::kNumaNode:
      return weights_.same_numa;
    case VertexKind::kHostBridge:
      return weights_.same_host_bridge;
    case VertexKind::kRootPort:
      return weights_.same_root_port;
    case VertexKind::kSwitch: {
      // A switch is two bridges deep: with one switch there is only its downstream port below the common
      // bridge.
      int levels = std::max(BranchHeight(place_a.vertex, common), BranchHeight(place_b.vertex, common)) / 2;
      return std::max(weights_.switch_floor, weights_.same_switch - weights_.switch_step * levels);
    }
    case VertexKind::kFunction:
    case VertexKind::kCard:
      return weights_.same_switch;
  }
  return weights_.other_socket;
}

}  // namespace cleave
