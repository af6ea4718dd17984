// SPDX-License-Identifier: Apache-2.0
#include "topology/components.h"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/connected_components.hpp>
#include <cstddef>
#include <utility>
#include <vector>

namespace cleave {

std::vector<std::vector<size_t>> Components(size_t size,
                                            const std::vector<std::pair<size_t, size_t>>& edges) {
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS>;
  if (size == 0) return {};
  Graph graph(edges.begin(), edges.end(), size);
  std::vector<size_t> component(size);
  // Numbered by their lowest vertex: the search starts at vertex 0 and takes the next that has no component.
  std::vector<std::vector<size_t>> sets(boost::connected_components(graph, component.data()));
  for (size_t i = 0; i < size; ++i) sets[component[i]].push_back(i);
  return sets;
}

}  // namespace cleave
