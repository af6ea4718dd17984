// SPDX-License-Identifier: Apache-2.0
// Disjoint pairs of greatest weight in any graph. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_MATCHING_H_
#define CLEAVE_TOPOLOGY_MATCHING_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace cleave {

struct WeightedEdge {
  size_t a = 0;
  size_t b = 0;
  double weight = 0;  // 0 to 1e12, counted in steps of 1/1024
};

// As many disjoint edges as possible; among those the heaviest set; among those the one whose partners are
// near each other by number. Sorted, smaller number first. At most one edge for each pair. Deterministic;
// O(size^3).
//
// Boost.Graph has maximum_weighted_matching(), but in 1.74 it does not end, crashes or is wrong for some
// graphs of ten and more vertices, most of all when weights tie (boostorg/graph issues 199, 223, 399,
// rewritten long after 1.74): of 300 random graphs of 16 to 64 vertices, 67 failed here.
std::vector<std::pair<size_t, size_t>> BestMatching(size_t size, const std::vector<WeightedEdge>& edges);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_MATCHING_H_
