// SPDX-License-Identifier: Apache-2.0
// The nodes on which pods come and go: hand-built machines, seen through the same Graph and UnitTopology as
// real ones.
#ifndef CLEAVE_BENCH_DAY_NODE_H_
#define CLEAVE_BENCH_DAY_NODE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "policy/choose.h"

namespace cleave::day {

using Set = uint32_t;  // of cards, one bit each

inline size_t Count(Set set) { return static_cast<size_t>(std::popcount(set)); }
inline size_t Lowest(Set set) { return static_cast<size_t>(std::countr_zero(set)); }
inline Set Only(size_t card) { return Set{1} << card; }

// What pods ask for.
inline constexpr size_t kSizes[] = {1, 2, 4, 8};
inline constexpr size_t kSizeCount = 4;

struct Node {
  std::string name;
  std::string title;
  size_t cards = 0;
  Set all = 0;
  std::shared_ptr<const UnitTopology> topology;  // one unit for each card
  std::vector<Set> numa;                         // cards of each NUMA node
  std::vector<Set> linked;                       // by card: the cards that a link joins to it
  bool has_links = false;
  std::vector<Set> full[kSizeCount];  // fully linked sets of kSizes[i] cards (none for i = 0)

  // Pair scores of the two peers, cards x cards, from their documented scales.
  std::vector<int> nvidia;  // higher is better
  std::vector<int> amd;     // lower is better

  double Affinity(size_t a, size_t b) const { return topology->Affinity(a, b); }
  bool InOneNumaNode(Set set) const;
  bool NumaNodeWith(Set free, size_t k) const;   // some NUMA node has k of `free`
  bool Connected(Set set) const;                 // links join all of `set`, on paths inside of it
  bool ConnectedWith(Set free, size_t k) const;  // some connected subset of `free` has k cards
  bool FullyLinked(Set set) const;
  bool FullyLinkedWith(Set free, size_t size_index) const;
};

std::vector<Node> AllNodes(const Weights& weights);

}  // namespace cleave::day

#endif  // CLEAVE_BENCH_DAY_NODE_H_
