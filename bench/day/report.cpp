// SPDX-License-Identifier: Apache-2.0
#include "bench/day/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace cleave::day {
namespace {

// The 97.5 % quantile of Student's t (Cornish-Fisher; within 0.001 from 8 degrees of freedom on).
double Quantile(double degrees) {
  constexpr double kZ = 1.959964;
  double z3 = kZ * kZ * kZ;
  double z5 = z3 * kZ * kZ;
  double z7 = z5 * kZ * kZ;
  return kZ + (z3 + kZ) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * kZ) / (96 * degrees * degrees) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * kZ) / (384 * degrees * degrees * degrees);
}

std::optional<Estimate> EstimateOf(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  Estimate estimate;
  estimate.seeds = values.size();
  auto count = static_cast<double>(values.size());
  for (double value : values) estimate.mean += value / count;
  double squares = 0;
  for (double value : values) squares += (value - estimate.mean) * (value - estimate.mean);
  estimate.half = Quantile(count - 1) * std::sqrt(squares / (count - 1) / count);
  return estimate;
}

std::vector<Metric> AllMetrics() {
  std::vector<Metric> metrics;
  for (size_t i = 0; i < kMetricCount; ++i) metrics.push_back(static_cast<Metric>(i));
  return metrics;
}

// 1 and -1: better or worse than ours beyond chance.
int Verdict(const Estimate& difference, Metric metric) {
  if (std::abs(difference.mean) <= difference.half + 1e-12) return 0;
  return (difference.mean > 0) == Info(metric).higher_is_better ? 1 : -1;
}

std::string Cell(const std::optional<Estimate>& mean, const std::optional<Estimate>& difference,
                 Metric metric) {
  if (!mean) return "-";
  double scale = Info(metric).is_share ? 100 : 1;
  double half = difference ? difference->half : mean->half;
  int verdict = difference ? Verdict(*difference, metric) : 0;
  return fmt::format("{:.2f}±{:.2f}{}", scale * mean->mean, scale * half, " +-"[verdict < 0 ? 2 : verdict]);
}

// "±" is one column wide but two bytes long.
std::string Padded(const std::string& text, size_t width) {
  size_t columns = 0;
  for (char c : text) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return std::string(columns < width ? width - columns : 0, ' ') + text;
}

}  // namespace

double Refused(const Trace& trace, size_t size_index) {
  auto refused = static_cast<double>(trace.refused[size_index]);
  auto placed = static_cast<double>(std::count(trace.size_index.begin(), trace.size_index.end(), size_index));
  return refused + placed > 0 ? refused / (refused + placed) : 0;
}

std::optional<Estimate> Mean(const Result& result, size_t policy, Metric metric) {
  std::vector<double> values;
  for (const Measured& measured : result.measured[policy]) {
    if (const auto& value = measured[static_cast<size_t>(metric)]) values.push_back(*value);
  }
  return EstimateOf(values);
}

std::optional<Estimate> Difference(const Result& result, size_t policy, Metric metric) {
  std::vector<double> values;
  for (size_t seed = 0; seed < result.measured[policy].size(); ++seed) {
    const auto& value = result.measured[policy][seed][static_cast<size_t>(metric)];
    const auto& ours = result.measured[0][seed][static_cast<size_t>(metric)];
    if (value && ours) values.push_back(*value - *ours);
  }
  return EstimateOf(values);
}

void PrintTables(const std::vector<Result>& results) {
  const Node* last = nullptr;
  for (const Result& result : results) {
    if (result.node != last) fmt::print("\n{}: {}\n", result.node->name, result.node->title);
    last = result.node;
    fmt::print(
        "\n  {:.0f} % of the cards in use, {} seeds x {} pods; arriving pods that found too few free cards:",
        100 * result.load, result.refused.size(), result.pods);
    for (size_t i = 0; i < kSizeCount; ++i) {
      double mean = 0;
      for (const auto& refused : result.refused)
        mean += refused[i] / static_cast<double>(result.refused.size());
      fmt::print(" {:.0f} % of {}s{}", 100 * mean, kSizes[i], i + 1 < kSizeCount ? "," : "\n");
    }
    fmt::print("  {:<16}", "");
    std::vector<Metric> shown;
    for (Metric metric : AllMetrics()) {
      if (!Mean(result, 0, metric)) continue;
      shown.push_back(metric);
      fmt::print("{}", Padded(Info(metric).heading, 16));
    }
    fmt::print("\n");
    for (size_t policy = 0; policy < result.policies.size(); ++policy) {
      fmt::print("  {:<16}", result.policies[policy]);
      for (Metric metric : shown) {
        std::optional<Estimate> difference = policy == 0 ? std::nullopt : Difference(result, policy, metric);
        fmt::print("{}", Padded(Cell(Mean(result, policy, metric), difference, metric), 16));
      }
      fmt::print("\n");
    }
  }
  fmt::print(
      "\n± is half of the 95 % confidence interval: for ours of the mean, for others of the paired "
      "difference to ours.\n"
      "A sign behind it: beyond that interval better (+) or worse (-) than ours.\n");
}

void PrintLosses(const std::vector<Result>& results) {
  fmt::print("\nWhere a policy is better than ours beyond the 95 % interval:\n");
  size_t compared = 0;
  size_t lost = 0;
  for (const Result& result : results) {
    for (Metric metric : AllMetrics()) {
      for (size_t policy = 1; policy < result.policies.size(); ++policy) {
        std::optional<Estimate> difference = Difference(result, policy, metric);
        if (!difference) continue;
        ++compared;
        if (Verdict(*difference, metric) <= 0) continue;
        ++lost;
        double scale = Info(metric).is_share ? 100 : 1;
        fmt::print("  {:<16} {:.2f} {:<26} {:<16} {:8.2f}, ours {:8.2f} (difference {:+.3f} ± {:.3f})\n",
                   result.node->name, result.load, Info(metric).name, result.policies[policy],
                   scale * Mean(result, policy, metric)->mean, scale * Mean(result, 0, metric)->mean,
                   scale * difference->mean, scale * difference->half);
      }
    }
  }
  fmt::print("{} of {} comparisons.\n", lost, compared);
}

bool WriteCsv(const std::vector<Result>& results, const std::string& path) {
  std::ofstream file(path);
  file << "node,cards,load,seeds,pods,policy,metric,higher_is_better,mean,half_95,difference_to_ours,"
          "difference_half_95\n";
  for (const Result& result : results) {
    for (size_t policy = 0; policy < result.policies.size(); ++policy) {
      for (Metric metric : AllMetrics()) {
        std::optional<Estimate> mean = Mean(result, policy, metric);
        std::optional<Estimate> difference = Difference(result, policy, metric);
        if (!mean || !difference) continue;
        file << fmt::format("{},{},{},{},{},{},{},{},{:.6g},{:.3g},{:.6g},{:.3g}\n", result.node->name,
                            result.node->cards, result.load, mean->seeds, result.pods,
                            result.policies[policy], Info(metric).name, Info(metric).higher_is_better ? 1 : 0,
                            mean->mean, mean->half, difference->mean, difference->half);
      }
    }
  }
  file.close();
  if (!file) fmt::print(stderr, "{}: cannot be written\n", path);
  return static_cast<bool>(file);
}

}  // namespace cleave::day
