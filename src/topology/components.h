// SPDX-License-Identifier: Apache-2.0
// Connected components, by Boost.Graph. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_COMPONENTS_H_
#define CLEAVE_TOPOLOGY_COMPONENTS_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace cleave {

// The sets that `edges` make of 0 .. size-1, each sorted, by their first members. Single members are sets,
// too.
std::vector<std::vector<size_t>> Components(size_t size, const std::vector<std::pair<size_t, size_t>>& edges);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_COMPONENTS_H_
