// SPDX-License-Identifier: Apache-2.0
// How long GetPreferredAllocation thinks: trees (what PCIe gives) and the same with random links on top, for
// n units and k of them. Counters: steps, and 1 where the answer was proven best.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "config/resource_spec.h"
#include "policy/choose.h"

namespace cleave {
namespace {

// Two sockets, switches of four units.
UnitTopology Machine(size_t n, bool links) {
  UnitTopology topology;
  topology.size = n;
  topology.affinity.assign(n * n, 0);
  std::mt19937 random(static_cast<unsigned>(n));
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < a; ++b) {
      double value = a / 4 == b / 4 ? 50 : (a < n / 2) == (b < n / 2) ? 20 : 10;
      if (links && random() % 4 == 0) value += 100.0 * (1 + random() % 4);
      topology.affinity[a * n + b] = topology.affinity[b * n + a] = value;
    }
  }
  topology.subtrees.resize(2);
  for (size_t first : {size_t{0}, n / 2}) {
    std::vector<size_t> units(n / 2);
    std::iota(units.begin(), units.end(), first);
    topology.subtrees[0].push_back(units);
  }
  for (size_t first = 0; first + 4 <= n; first += 4)
    topology.subtrees[1].push_back({first, first + 1, first + 2, first + 3});
  FindTree(topology);
  return topology;
}

void Choose(benchmark::State& state, bool links) {
  auto n = static_cast<size_t>(state.range(0));
  UnitTopology topology = Machine(n, links);
  ChoiceRequest request;
  request.size = static_cast<size_t>(state.range(1));
  request.available.resize(n);
  std::iota(request.available.begin(), request.available.end(), size_t{0});
  request.healthy = request.available;
  Choice choice;
  for (auto _ : state) {
    choice = cleave::Choose(Preference::kClosest, topology, request);
    benchmark::DoNotOptimize(choice);
  }
  state.counters["steps"] = static_cast<double>(choice.steps);
  state.counters["proven"] = choice.optimal ? 1 : 0;
  state.counters["gap_percent"] = choice.score > 0 ? 100 * choice.gap / choice.score : 0;
}

void Sizes(benchmark::internal::Benchmark* bench) {
  for (int64_t n : {8, 16, 32, 64}) {
    for (int64_t k : {int64_t{1}, int64_t{2}, int64_t{3}, n / 4, n / 2, n - 2}) bench->Args({n, k});
  }
  bench->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(Choose, tree, false)->Apply(Sizes);
BENCHMARK_CAPTURE(Choose, links, true)->Apply(Sizes);

}  // namespace
}  // namespace cleave

BENCHMARK_MAIN();
