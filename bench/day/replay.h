// SPDX-License-Identifier: Apache-2.0
// One trace on one node under one policy, and what is measured on the way.
#ifndef CLEAVE_BENCH_DAY_REPLAY_H_
#define CLEAVE_BENCH_DAY_REPLAY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bench/day/node.h"
#include "bench/day/policy.h"
#include "bench/day/trace.h"

namespace cleave::day {

enum class Metric {
  kAffinity,   // per allocated pair: sum over pairs of all pods by number of pairs
  kAffinity2,  // the same for pods of 2, 4 and 8
  kAffinity4,
  kAffinity8,
  kSpans,            // share of pods on several NUMA nodes, of those that fit into one when the node is empty
  kSpansNeedless,    // share of the same that do so although one NUMA node had enough free cards
  kApart,            // share of pods whose cards are not joined by links among themselves (linked group)
  kApartNeedless,    // ... although a linked group of that size was free
  kPartial,          // share of pods not fully linked, of sizes for which the node has a fully linked set
  kPartialNeedless,  // ... although such a set was free
  kRoom4,            // share of time in which a pod of 4 would find one NUMA node with 4 free cards
  kRoom8,
  kLinkedRoom4,  // share of time in which it would find 4 free cards in a fully linked set, where the node
                 // has
  kLinkedRoom8,  // such sets, else in a linked group
};
inline constexpr size_t kMetricCount = 14;

struct MetricInfo {
  const char* name;
  const char* heading;
  bool higher_is_better;
  bool is_share;
};
const MetricInfo& Info(Metric metric);

// nullopt where a metric has no meaning on the node, or nothing was counted.
using Measured = std::vector<std::optional<double>>;

struct ReplayOptions {
  double warm_up = 0.05;  // share of events at the beginning that are not measured
  bool numa_hint =
      false;  // the kubelet offers only the narrowest NUMA nodes with enough free cards (best-effort)
};

Measured Replay(const Node& node, const Policy& policy, const Trace& trace, uint64_t seed,
                const ReplayOptions& options);

}  // namespace cleave::day

#endif  // CLEAVE_BENCH_DAY_REPLAY_H_
