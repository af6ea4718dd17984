// SPDX-License-Identifier: Apache-2.0
// A day in the life of a node: pods of 1, 2, 4 and 8 cards come and go; who places them best? Every policy
// sees the same pods (common random numbers), so differences to ours are paired. The same options give the
// same numbers.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/day/check.h"
#include "bench/day/node.h"
#include "bench/day/policy.h"
#include "bench/day/replay.h"
#include "bench/day/report.h"
#include "bench/day/trace.h"

namespace cleave::day {
namespace {

struct Options {
  size_t seeds = 30;
  size_t pods = 20'000;
  size_t large_pods = 2'000;  // on nodes of more than 16 cards, where no answer is remembered
  std::vector<double> loads = {0.5, 0.7, 0.85, 0.95};
  std::vector<std::string> nodes;
  ReplayOptions replay;
  std::string csv;
  size_t threads = std::thread::hardware_concurrency();
};

uint64_t Seed(size_t seed, size_t load, size_t what) { return (seed + 1) * 1'000'003 + load * 10'007 + what; }

std::vector<Result> Run(const Options& options, const std::vector<Node>& nodes) {
  std::vector<std::vector<std::unique_ptr<Policy>>> policies;
  std::vector<Result> results;
  for (const Node& node : nodes) {
    policies.push_back(AllPolicies(node));
    for (double load : options.loads) {
      Result result;
      result.node = &node;
      result.load = load;
      for (const std::unique_ptr<Policy>& policy : policies.back()) result.policies.push_back(policy->name());
      result.pods = node.cards > 16 ? options.large_pods : options.pods;
      result.refused.resize(options.seeds);
      result.measured.assign(policies.back().size(), std::vector<Measured>(options.seeds));
      results.push_back(std::move(result));
    }
  }
  // Large nodes take longest and come last in the list: begin there.
  std::atomic<size_t> next = 0;
  size_t jobs = results.size() * options.seeds;
  auto work = [&] {
    for (size_t job = next++; job < jobs; job = next++) {
      size_t which = results.size() - 1 - job / options.seeds;
      size_t seed = job % options.seeds;
      size_t node = which / options.loads.size();
      size_t load = which % options.loads.size();
      Result& result = results[which];
      Trace trace =
          MakeTrace({.utilisation = result.load}, nodes[node].cards, result.pods, Seed(seed, load, 0));
      for (size_t i = 0; i < kSizeCount; ++i) result.refused[seed][i] = Refused(trace, i);
      for (size_t i = 0; i < policies[node].size(); ++i) {
        result.measured[i][seed] =
            Replay(nodes[node], *policies[node][i], trace, Seed(seed, load, i + 1), options.replay);
      }
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < options.threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return results;
}

int Main(int argc, char** argv) {
  Options options;
  bool full = false;
  bool check = false;
  Weights weights;
  CLI::App app("Pods come and go on a node; which policy places them best?");
  app.add_option("--seeds", options.seeds, "traces for each node and load")->check(CLI::Range(2, 10'000));
  app.add_option("--pods", options.pods, "pods placed in each trace");
  app.add_option("--large-pods", options.large_pods, "the same on nodes of more than 16 cards");
  app.add_flag("--full", full, "as many on large nodes as on small ones; takes minutes");
  app.add_option("--load", options.loads, "shares of cards in use")->check(CLI::Range(0.01, 0.99));
  app.add_option("--node", options.nodes, "only these nodes");
  app.add_flag("--numa-hint", options.replay.numa_hint,
               "the kubelet's topology manager cuts what is available (best-effort)");
  app.add_option("--link", weights.link,
                 "what a link of width 1 is worth to ours, and counts in the affinities");
  app.add_option("--csv", options.csv, "write every number to this file");
  app.add_option("--threads", options.threads, "no influence on the numbers")->check(CLI::Range(1, 256));
  app.add_flag("--check", check, "compare the peers' objectives with their plain definition, then end");
  CLI11_PARSE(app, argc, argv);
  if (check) return CheckPeers() ? 0 : 1;
  if (full) options.large_pods = options.pods;
  std::vector<Node> nodes = AllNodes(weights);
  if (!options.nodes.empty()) {
    std::erase_if(nodes, [&](const Node& node) {
      return std::find(options.nodes.begin(), options.nodes.end(), node.name) == options.nodes.end();
    });
  }
  std::vector<Result> results = Run(options, nodes);
  PrintTables(results);
  PrintLosses(results);
  if (!options.csv.empty() && !WriteCsv(results, options.csv)) return 1;
  return 0;
}

}  // namespace
}  // namespace cleave::day

int main(int argc, char** argv) { return cleave::day::Main(argc, argv); }
