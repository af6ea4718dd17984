// SPDX-License-Identifier: Apache-2.0
#include "topology/function_paths.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "discovery/inventory.h"
#include "topology/graph.h"

namespace cleave {
namespace {

// A bridge is known by its name and by what it hangs on, so that contradictory paths never make a circle.
using StepKey = std::pair<int, std::string_view>;
struct StepKeyHash {
  size_t operator()(const StepKey& key) const {
    return std::hash<std::string_view>()(key.second) ^
           (static_cast<size_t>(key.first + 1) * 0x9e3779b97f4a7c15U);
  }
};

uint64_t DeviceKey(const PciAddress& pci) {
  return (uint64_t{pci.domain} << 32U) | (uint64_t{pci.bus} << 16U) | pci.device;
}

}  // namespace

std::optional<int> SingleNode(const std::vector<int>& numa_nodes) {
  if (numa_nodes.size() != 1) return std::nullopt;
  return numa_nodes.front();
}

Relation NumaRelation(std::optional<int> a, std::optional<int> b) {
  if (!a || !b) return Relation::kNumaUnknown;
  return *a == *b ? Relation::kSameNuma : Relation::kCrossNuma;
}

bool IsRootBus(std::string_view name) { return name.starts_with("pci"); }

FunctionPaths::FunctionPaths(const std::vector<PciFunction>& functions) {
  std::unordered_map<StepKey, int, StepKeyHash> known;
  places_.reserve(functions.size());
  for (size_t i = 0; i < functions.size(); ++i) {
    const PciFunction& function = functions[i];
    Place place;
    place.node = SingleNode(function.numa_nodes);
    place.device = DeviceKey(function.pci);
    // Neighbours by address mostly hang on the same bridge.
    if (i > 0 && function.above == functions[i - 1].above) {
      place.above = places_[i - 1].above;
    } else {
      for (const std::string& name : function.above) {
        auto [found, is_new] = known.try_emplace({place.above, name}, static_cast<int>(steps_.size()));
        if (is_new) {
          int depth = place.above < 0 ? 0 : steps_[static_cast<size_t>(place.above)].depth + 1;
          steps_.push_back({.parent = place.above, .depth = depth, .is_root_bus = IsRootBus(name)});
        }
        place.above = found->second;
      }
    }
    places_.push_back(place);
  }
  for (size_t i = 0; i < functions.size(); ++i) {
    auto found = known.find({places_[i].above, functions[i].address});
    if (found != known.end()) places_[i].own = found->second;
  }
}

int FunctionPaths::Common(int a, int b) const {
  while (a != b) {
    if (a < 0 || b < 0) return -1;
    const Step& step_a = steps_[static_cast<size_t>(a)];
    const Step& step_b = steps_[static_cast<size_t>(b)];
    int depth_a = step_a.depth;
    int depth_b = step_b.depth;
    if (depth_a >= depth_b) a = step_a.parent;
    if (depth_b >= depth_a) b = step_b.parent;
  }
  return a;
}

bool FunctionPaths::IsAbove(int step, int other) const { return step >= 0 && Common(step, other) == step; }

std::optional<Relation> FunctionPaths::Shared(size_t a, size_t b) const {
  int common = Common(places_[a].above, places_[b].above);
  if (common < 0) return std::nullopt;
  const Step& step = steps_[static_cast<size_t>(common)];
  if (step.is_root_bus) return Relation::kSameHostBridge;
  bool on_root_bus = step.parent < 0 || steps_[static_cast<size_t>(step.parent)].is_root_bus;
  return on_root_bus ? Relation::kSameRootPort : Relation::kSameSwitch;
}

Relation FunctionPaths::Between(size_t a, size_t b) const {
  if (a == b) return Relation::kSelf;
  if (places_[a].device == places_[b].device) return Relation::kSameDevice;
  if (IsAbove(places_[a].own, places_[b].above) || IsAbove(places_[b].own, places_[a].above))
    return Relation::kAncestor;
  if (std::optional<Relation> shared = Shared(a, b)) return *shared;
  return NumaRelation(places_[a].node, places_[b].node);
}

}  // namespace cleave
