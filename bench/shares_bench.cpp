// SPDX-License-Identifier: Apache-2.0
// GetPreferredAllocation over shares of 8 cards, from device ids to device ids, without gRPC: N shares of
// which a third is in use, k wanted, by preference (0 closest, 1 packed, 2 spread, 3 balanced).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/archive.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/scanner.h"
#include "node_view.h"
#include "policy/plan.h"
#include "server/prefer.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

Plan Shares(int64_t shares, const std::string& prefer) {
  std::string path = std::string(CLEAVE_SOURCE_DIR) + "/tests/machines/tt-8numa.tar.zst";
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto root = ReadArchiveBytes(bytes, path);
  Diagnostics diagnostics;
  Settings settings = LoadSettingsFromText(
      "[[resource]]\nname = \"example.com/x\"\nunit = \"share\"\nshares = " + std::to_string(shares / 8) +
          "\nprefer = \"" + prefer + "\"\n",
      "cleave.toml", {}, diagnostics);
  Scanner scanner(**root, settings);
  return PlanFrom(settings, ReadLinkTexts(settings.config), scanner.Scan({}), "bench", diagnostics);
}

void Preferred(benchmark::State& state) {
  const std::vector<std::string> names = {"closest", "packed", "spread", "balanced"};
  Plan plan = Shares(state.range(0), names[static_cast<size_t>(state.range(2))]);
  const Resource* resource = plan.Find("example.com/x");
  std::mt19937 random(1);
  PreferRequest request;
  request.size = static_cast<int>(state.range(1));
  for (const Unit& unit : resource->units) {
    if (random() % 3 != 0) request.available.push_back(unit.id);
  }
  std::shuffle(request.available.begin(), request.available.end(), random);  // as the kubelet does
  for (auto _ : state) {
    cleave::Preferred answer = Prefer(resource, request);
    benchmark::DoNotOptimize(answer);
  }
}

void Sizes(benchmark::internal::Benchmark* bench) {
  for (int64_t n : {1024, 10000}) {
    for (int64_t k : {int64_t{1}, int64_t{8}, n / 2}) {
      for (int64_t prefer : {0, 1, 2, 3}) bench->Args({n, k, prefer});
    }
  }
  bench->Unit(benchmark::kMicrosecond);
}
BENCHMARK(Preferred)->Apply(Sizes);

}  // namespace
}  // namespace cleave

BENCHMARK_MAIN();
