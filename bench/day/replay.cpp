// SPDX-License-Identifier: Apache-2.0
#include "bench/day/replay.h"

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

namespace cleave::day {
namespace {

constexpr MetricInfo kInfos[kMetricCount] = {
    {"affinity", "affinity/pair", true, false},
    {"affinity_2", "of 2", true, false},
    {"affinity_4", "of 4", true, false},
    {"affinity_8", "of 8", true, false},
    {"numa_span", "spans NUMA %", false, true},
    {"numa_span_needless", "needlessly %", false, true},
    {"not_linked", "not linked %", false, true},
    {"not_linked_needless", "needlessly %", false, true},
    {"not_fully_linked", "not fully l. %", false, true},
    {"not_fully_linked_needless", "needlessly %", false, true},
    {"room_4", "room for 4 %", true, true},
    {"room_8", "room for 8 %", true, true},
    {"linked_room_4", "linked for 4 %", true, true},
    {"linked_room_8", "linked for 8 %", true, true},
};

struct Share {
  double part = 0;
  double whole = 0;
  void Add(bool yes, double weight = 1) {
    whole += weight;
    if (yes) part += weight;
  }
  std::optional<double> Value() const { return whole > 0 ? std::optional(part / whole) : std::nullopt; }
};

class Meter {
 public:
  explicit Meter(const Node& node) : node_(node) {}

  void Placed(Set chosen, Set free, size_t index) {
    size_t k = kSizes[index];
    if (k < 2) return;
    double affinity = 0;
    for (Set rest = chosen; rest != 0; rest &= rest - 1) {
      for (Set others = rest & (rest - 1); others != 0; others &= others - 1) {
        affinity += node_.Affinity(Lowest(rest), Lowest(others));
      }
    }
    size_t pairs = k * (k - 1) / 2;
    for (Share* share : {&affinity_, &affinity_of_[index]}) {
      share->part += affinity;
      share->whole += static_cast<double>(pairs);
    }
    if (node_.NumaNodeWith(node_.all, k)) {
      bool spans = !node_.InOneNumaNode(chosen);
      spans_.Add(spans);
      spans_needless_.Add(spans && node_.NumaNodeWith(free, k));
    }
    if (!node_.has_links) return;
    if (node_.ConnectedWith(node_.all, k)) {
      bool apart = !node_.Connected(chosen);
      apart_.Add(apart);
      apart_needless_.Add(apart && node_.ConnectedWith(free, k));
    }
    if (!node_.full[index].empty()) {
      bool partial = !node_.FullyLinked(chosen);
      partial_.Add(partial);
      partial_needless_.Add(partial && node_.FullyLinkedWith(free, index));
    }
  }

  void Passed(Set free, double time) {
    for (size_t index : {size_t{2}, size_t{3}}) {
      size_t k = kSizes[index];
      if (node_.NumaNodeWith(node_.all, k)) room_[index].Add(node_.NumaNodeWith(free, k), time);
      if (!node_.has_links) continue;
      if (!node_.full[index].empty()) {
        linked_room_[index].Add(node_.FullyLinkedWith(free, index), time);
      } else if (node_.ConnectedWith(node_.all, k)) {
        linked_room_[index].Add(node_.ConnectedWith(free, k), time);
      }
    }
  }

  Measured Values() const {
    return {
        affinity_.Value(),       affinity_of_[1].Value(),   affinity_of_[2].Value(), affinity_of_[3].Value(),
        spans_.Value(),          spans_needless_.Value(),   apart_.Value(),          apart_needless_.Value(),
        partial_.Value(),        partial_needless_.Value(), room_[2].Value(),        room_[3].Value(),
        linked_room_[2].Value(), linked_room_[3].Value()};
  }

 private:
  const Node& node_;
  Share affinity_;
  Share affinity_of_[kSizeCount];
  Share spans_;
  Share spans_needless_;
  Share apart_;
  Share apart_needless_;
  Share partial_;
  Share partial_needless_;
  Share room_[kSizeCount];
  Share linked_room_[kSizeCount];
};

// What the kubelet passes under the topology manager's best-effort policy: the free cards of the fewest NUMA
// nodes that have enough of them, the lowest such nodes first.
Set Hinted(const Node& node, Set free, size_t k) {
  for (size_t width = 1; width <= node.numa.size(); ++width) {
    for (Set mask = 1; mask < (Set{1} << node.numa.size()); ++mask) {
      if (Count(mask) != width) continue;
      Set offered = 0;
      for (Set rest = mask; rest != 0; rest &= rest - 1) offered |= node.numa[Lowest(rest)] & free;
      if (Count(offered) >= k) return offered;
    }
  }
  return free;
}

}  // namespace

const MetricInfo& Info(Metric metric) { return kInfos[static_cast<size_t>(metric)]; }

Measured Replay(const Node& node, const Policy& policy, const Trace& trace, uint64_t seed,
                const ReplayOptions& options) {
  Random random(seed);
  Meter meter(node);
  std::vector<Set> held(trace.size_index.size(), 0);
  Set free = node.all;
  auto warm = static_cast<size_t>(static_cast<double>(trace.events.size()) * options.warm_up);
  double before = 0;
  for (size_t i = 0; i < trace.events.size(); ++i) {
    const Trace::Event& event = trace.events[i];
    if (i > warm) meter.Passed(free, event.time - before);
    before = event.time;
    if (!event.arrives) {
      free |= held[event.pod];
      continue;
    }
    size_t index = trace.size_index[event.pod];
    Set available = options.numa_hint ? Hinted(node, free, kSizes[index]) : free;
    Set chosen = Count(available) == kSizes[index] ? available : policy.Pick(available, index, random);
    if ((chosen & ~available) != 0 || Count(chosen) != kSizes[index]) {
      fmt::print(stderr, "{} on {} chose {:x} of {:x}\n", policy.name(), node.name, chosen, available);
      std::abort();
    }
    if (i >= warm) meter.Placed(chosen, free, index);
    held[event.pod] = chosen;
    free &= ~chosen;
  }
  return meter.Values();
}

}  // namespace cleave::day
