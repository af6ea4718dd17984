// SPDX-License-Identifier: Apache-2.0
// Where PCI functions hang, with names turned into numbers. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_FUNCTION_PATHS_H_
#define CLEAVE_TOPOLOGY_FUNCTION_PATHS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "discovery/inventory.h"
#include "topology/graph.h"

namespace cleave {

// The only node of a list, nullopt when there is none or more than one.
std::optional<int> SingleNode(const std::vector<int>& numa_nodes);

// kSameNuma, kCrossNuma or kNumaUnknown.
Relation NumaRelation(std::optional<int> a, std::optional<int> b);

// True for "pci0000:30": a root bus, not a function.
bool IsRootBus(std::string_view name);

// Owns what it needs; the functions may go away. Built in linear time; each question climbs two paths.
// Threads: any.
class FunctionPaths {
 public:
  explicit FunctionPaths(const std::vector<PciFunction>& functions);

  // Of two functions, all kinds of relation for functions.
  Relation Between(size_t a, size_t b) const;

  // By the deepest thing above both: kSameSwitch, kSameRootPort or kSameHostBridge; nullopt when they share
  // nothing. For a == b that is what stands above the function.
  std::optional<Relation> Shared(size_t a, size_t b) const;

  // The NUMA node of a function when it has exactly one.
  std::optional<int> Node(size_t function) const { return places_[function].node; }

 private:
  // A root bus or bridge that stands above something.
  struct Step {
    int parent = -1;  // index of a Step
    int depth = 0;
    bool is_root_bus = false;
  };
  struct Place {
    int above = -1;  // the Step it hangs on
    int own = -1;    // the Step that it is, when something hangs on it
    std::optional<int> node;
    uint64_t device = 0;  // domain, bus and device
  };
  int Common(int a, int b) const;
  bool IsAbove(int step, int other) const;

  std::vector<Step> steps_;
  std::vector<Place> places_;  // by function
};

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_FUNCTION_PATHS_H_
