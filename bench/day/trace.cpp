// SPDX-License-Identifier: Apache-2.0
#include "bench/day/trace.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numbers>
#include <queue>
#include <utility>
#include <vector>

namespace cleave::day {

double Random::Normal() {
  double radius = std::sqrt(2 * Exponential());
  return radius * std::cos(2 * std::numbers::pi * Uniform());
}

namespace {

// Share of cards in use with `rate` arrivals in a mean life: the stationary number of busy cards of a loss
// system with Poisson arrivals does not depend on how lives are distributed, only on their mean.
double Utilisation(const Load& load, size_t cards, double rate) {
  std::vector<double> busy(cards + 1, 0);
  busy[0] = 1;
  double total = 1;
  double used = 0;
  for (size_t j = 1; j <= cards; ++j) {
    for (size_t i = 0; i < kSizeCount; ++i) {
      if (kSizes[i] > j) continue;
      busy[j] += rate * load.weights[i] * static_cast<double>(kSizes[i]) * busy[j - kSizes[i]] /
                 static_cast<double>(j);
    }
    total += busy[j];
    used += busy[j] * static_cast<double>(j);
  }
  return used / total / static_cast<double>(cards);
}

}  // namespace

double ArrivalRate(const Load& load, size_t cards) {
  double low = 0;
  double high = 1;
  while (Utilisation(load, cards, high) < load.utilisation) high *= 2;
  for (int i = 0; i < 100; ++i) {
    double middle = (low + high) / 2;
    (Utilisation(load, cards, middle) < load.utilisation ? low : high) = middle;
  }
  return low;
}

Trace MakeTrace(const Load& load, size_t cards, size_t pods, uint64_t seed) {
  Random random(seed);
  Trace trace;
  trace.rate = ArrivalRate(load, cards);
  trace.events.reserve(2 * pods);
  trace.size_index.reserve(pods);
  std::priority_queue<std::pair<double, uint32_t>, std::vector<std::pair<double, uint32_t>>, std::greater<>>
      leaving;
  size_t free = cards;
  auto leave_until = [&](double time) {
    while (!leaving.empty() && leaving.top().first <= time) {
      auto [end, pod] = leaving.top();
      leaving.pop();
      trace.events.push_back({.time = end, .pod = pod, .arrives = false});
      free += kSizes[trace.size_index[pod]];
    }
  };
  double now = 0;
  while (trace.size_index.size() < pods) {
    now += random.Exponential() / trace.rate;
    leave_until(now);
    double draw = random.Uniform();
    size_t index = 0;
    while (index + 1 < kSizeCount && draw >= load.weights[index]) draw -= load.weights[index++];
    double life = std::exp(load.sigma * random.Normal() - load.sigma * load.sigma / 2);
    if (kSizes[index] > free) {
      ++trace.refused[index];
      continue;
    }
    auto pod = static_cast<uint32_t>(trace.size_index.size());
    trace.size_index.push_back(static_cast<uint8_t>(index));
    trace.events.push_back({.time = now, .pod = pod, .arrives = true});
    leaving.emplace(now + life, pod);
    free -= kSizes[index];
  }
  return trace;
}

}  // namespace cleave::day
