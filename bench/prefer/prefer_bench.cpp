// SPDX-License-Identifier: Apache-2.0
// How long a choice takes, how much memory it needs, and how sure it is: for every machine of shapes.h and
// sizes k over the whole range, with all units free and with random ones in use. Prints CSV, a line for each
// machine and k.
#include <fmt/core.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "config/resource_spec.h"
#include "policy/choose.h"
#include "prefer/shapes.h"

namespace {

// Bytes that are allocated now, and the most since the last reset.
std::atomic<size_t> g_now{0};
std::atomic<size_t> g_most{0};
constexpr size_t kHeader = alignof(std::max_align_t);

}  // namespace

void* operator new(size_t size) {
  void* block = std::malloc(size + kHeader);
  if (block == nullptr) throw std::bad_alloc();
  *static_cast<size_t*>(block) = size;
  g_most = std::max<size_t>(g_most, g_now += size);
  return static_cast<char*>(block) + kHeader;
}
void operator delete(void* block) noexcept {
  if (block == nullptr) return;
  char* start = static_cast<char*>(block) - kHeader;
  g_now -= *reinterpret_cast<size_t*>(start);
  std::free(start);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }

namespace cleave::bench {
namespace {

std::vector<size_t> SizesToAsk(size_t n) {
  std::set<size_t> sizes;
  if (n <= 128) {
    for (size_t k = 1; k < n; ++k) sizes.insert(k);
  } else {
    for (double k = 1; k < static_cast<double>(n); k *= 1.5) {
      sizes.insert(static_cast<size_t>(k));
      sizes.insert(n - static_cast<size_t>(k));
    }
    for (size_t part = 1; part < 16; ++part) sizes.insert(n * part / 16);
  }
  return {sizes.begin(), sizes.end()};
}

struct Answer {
  double microseconds = 0;
  Choice choice;
  size_t bytes = 0;
};

// Of this thread: what others do on the machine does not count.
double CpuMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

Answer Ask(const UnitTopology& topology, const ChoiceRequest& request, int repeat) {
  Answer answer;
  answer.microseconds = 1e300;
  size_t before = g_now;
  g_most = before;
  for (int i = 0; i < repeat; ++i) {
    double start = CpuMicroseconds();
    answer.choice = Choose(Preference::kClosest, topology, request);
    answer.microseconds = std::min(answer.microseconds, CpuMicroseconds() - start);
  }
  answer.bytes = g_most - before;
  return answer;
}

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

void Measure(const Shape& shape, size_t n, int rounds, int repeat, uint64_t against) {
  UnitTopology topology = shape.make(n);
  std::mt19937 random(static_cast<unsigned>(n));
  for (size_t k : SizesToAsk(n)) {
    std::vector<double> times;
    size_t bytes = 0;
    uint64_t steps = 0;
    int proven = 0;
    double gap = 0;
    double shortfall = 0;
    for (int round = 0; round < rounds; ++round) {
      ChoiceRequest request;
      request.size = k;
      for (size_t unit = 0; unit < n; ++unit) {
        request.healthy.push_back(unit);
        // The first round is with all units free, then from a twentieth to a half of them are in use.
        if (round == 0 || random() % 1000 >= static_cast<unsigned>(50 + 450 * round / rounds))
          request.available.push_back(unit);
      }
      if (request.available.size() <= k) continue;
      Answer answer = Ask(topology, request, repeat);
      times.push_back(answer.microseconds);
      bytes = std::max(bytes, answer.bytes);
      steps = std::max(steps, answer.choice.steps);
      proven += answer.choice.optimal ? 1 : 0;
      gap = std::max(gap, answer.choice.GapRatio());
      if (against > 0 && !answer.choice.optimal) {
        request.budget_steps = against;
        double better = Choose(Preference::kClosest, topology, request).score;
        shortfall = std::max(shortfall, (better - answer.choice.score) / better);
      }
    }
    if (times.empty()) continue;
    fmt::print("{},{},{},{},{:.1f},{:.1f},{:.1f},{},{},{:.3f},{:.2f},{:.3f}\n", shape.name, n, k,
               times.size(), Quantile(times, 0.5), Quantile(times, 0.99),
               *std::max_element(times.begin(), times.end()), bytes, steps,
               static_cast<double>(proven) / static_cast<double>(times.size()), 100 * gap, 100 * shortfall);
  }
}

int Run(int argc, char** argv) {
  CLI::App app("How long a choice takes");
  std::string only;
  std::vector<size_t> sizes;
  int rounds = 12;
  int repeat = 3;
  uint64_t against = 0;
  app.add_option("--shape", only, "This machine only");
  app.add_option("--size", sizes, "These numbers of units only");
  app.add_option("--rounds", rounds, "Questions for each machine and k");
  app.add_option("--repeat", repeat, "Times that each is asked; the quickest counts");
  app.add_option("--against", against, "Compare scores with those of this budget");
  CLI11_PARSE(app, argc, argv);
  fmt::print("shape,n,k,questions,p50_us,p99_us,worst_us,bytes,steps,proven,gap_percent,shortfall_percent\n");
  for (const Shape& shape : Shapes()) {
    if (!only.empty() && shape.name != only) continue;
    for (size_t n : shape.sizes) {
      if (sizes.empty() || std::find(sizes.begin(), sizes.end(), n) != sizes.end())
        Measure(shape, n, rounds, repeat, against);
    }
  }
  return 0;
}

}  // namespace
}  // namespace cleave::bench

int main(int argc, char** argv) { return cleave::bench::Run(argc, argv); }
