// SPDX-License-Identifier: Apache-2.0
// Disjoint sets of vertices that edges join. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_COVER_H_
#define CLEAVE_TOPOLOGY_COVER_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace cleave {

struct CoverQuestion {
  size_t vertices = 0;
  std::optional<size_t> size;                   // of each set, at least 2; empty: all that hangs together
  std::function<bool(size_t, size_t)> joined;   // whether an edge that counts is between two vertices
  std::function<double(size_t, size_t)> worth;  // of two vertices in one set, edge or not; not negative
};

// As many disjoint sets of `size` vertices as possible, each joined in itself by edges; among those the sets
// that are worth most, summed over the pairs inside. Exact for `size` 2 and wherever at most 16 vertices hang
// together; beyond that the best that is found from best pairs of best sets, or from sets grown from the rim,
// by making two or three sets anew from all that they hold (for sizes up to 8 exactly, else by exchanging two
// vertices) as long as that gains, and from other starts. Sets and their members are sorted. Deterministic.
// Without a size: the sets of two and more that edges join.
//
// To cut a graph into as many joined parts of three or more as possible is NP-hard (M. Dyer, A. Frieze, "On
// the complexity of partitioning graphs into connected subgraphs", 1985).
std::vector<std::vector<size_t>> BestCover(const CoverQuestion& question);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_COVER_H_
