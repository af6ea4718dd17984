// SPDX-License-Identifier: Apache-2.0
// Pods that come and go. The same seed gives the same trace.
#ifndef CLEAVE_BENCH_DAY_TRACE_H_
#define CLEAVE_BENCH_DAY_TRACE_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "bench/day/node.h"

namespace cleave::day {

// The distributions of the standard library differ from one library to the next; these do not.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // [0, 1)
  double Exponential() { return -std::log1p(-Uniform()); }                     // mean 1
  double Normal();
  size_t Below(size_t limit) { return static_cast<size_t>(Uniform() * static_cast<double>(limit)); }

 private:
  std::mt19937_64 engine_;
};

struct Load {
  double utilisation = 0.7;                             // share of cards in use, on average
  double weights[kSizeCount] = {0.5, 0.25, 0.15, 0.1};  // of arriving pods
  double sigma = 1;                                     // of the lognormal life; its mean is 1
};

// A pod that finds fewer than k free cards goes elsewhere. Whether it does depends on how many cards are free
// and not on which, so every policy places the same pods at the same times.
struct Trace {
  struct Event {
    double time = 0;
    uint32_t pod = 0;
    bool arrives = false;
  };
  std::vector<Event> events;
  std::vector<uint8_t> size_index;  // by pod that was placed
  uint64_t refused[kSizeCount] = {};
  double rate = 0;  // arrivals in a mean life
};

// Arrivals in a mean life so that `load.utilisation` of `cards` are in use on average (Kaufman 1981, Roberts
// 1981).
double ArrivalRate(const Load& load, size_t cards);

// `pods` placed pods.
Trace MakeTrace(const Load& load, size_t cards, size_t pods, uint64_t seed);

}  // namespace cleave::day

#endif  // CLEAVE_BENCH_DAY_TRACE_H_
