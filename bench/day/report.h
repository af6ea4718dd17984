// SPDX-License-Identifier: Apache-2.0
// Means, paired differences to ours and their confidence, as tables and as CSV.
#ifndef CLEAVE_BENCH_DAY_REPORT_H_
#define CLEAVE_BENCH_DAY_REPORT_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/day/node.h"
#include "bench/day/replay.h"
#include "bench/day/trace.h"

namespace cleave::day {

// All seeds of one node and load. policies[0] is ours.
struct Result {
  const Node* node = nullptr;
  double load = 0;
  size_t pods = 0;
  std::vector<std::string> policies;
  std::vector<std::array<double, kSizeCount>> refused;  // by seed: share of arriving pods of each size
  std::vector<std::vector<Measured>> measured;          // by policy and seed
};

double Refused(const Trace& trace, size_t size_index);

// Mean and half width of its 95 % confidence interval (Student's t over seeds).
struct Estimate {
  double mean = 0;
  double half = 0;
  size_t seeds = 0;
};
std::optional<Estimate> Mean(const Result& result, size_t policy, Metric metric);
std::optional<Estimate> Difference(const Result& result, size_t policy,
                                   Metric metric);  // policy - ours, paired by seed

void PrintTables(const std::vector<Result>& results);
// Where a policy is better than ours beyond chance.
void PrintLosses(const std::vector<Result>& results);
bool WriteCsv(const std::vector<Result>& results, const std::string& path);

}  // namespace cleave::day

#endif  // CLEAVE_BENCH_DAY_REPORT_H_
