// SPDX-License-Identifier: Apache-2.0
// Made-up machines of any size, by the default affinities.
#ifndef CLEAVE_BENCH_PREFER_SHAPES_H_
#define CLEAVE_BENCH_PREFER_SHAPES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "policy/choose.h"

namespace cleave::bench {

struct Shape {
  std::string name;
  std::vector<size_t> sizes;  // numbers of units for which it makes sense
  UnitTopology (*make)(size_t n);
};

// Trees, hybrid meshes, tori, boards, dense random graphs, and shares of cards.
const std::vector<Shape>& Shapes();

}  // namespace cleave::bench

#endif  // CLEAVE_BENCH_PREFER_SHAPES_H_
