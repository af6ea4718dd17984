// SPDX-License-Identifier: Apache-2.0
// Questions at random, and an oracle that tries every subset and shares no code with the engine.
#ifndef CLEAVE_TESTS_POLICY_CHOOSE_ORACLE_H_
#define CLEAVE_TESTS_POLICY_CHOOSE_ORACLE_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "policy/choose.h"

namespace cleave::testing {

struct Oracle {
  double score = -1;
  double left = 0;  // score of what is free and not chosen
  std::vector<int> untouched;
  uint32_t bits = 0;  // the first unit is the highest bit, so that "comes first" is "is greater"
};

// By brute force: highest score, then most untouched subtrees level by level and highest score of what is
// left, on a tree in this order, else the other way round; then first in order.
inline Oracle BruteForce(const UnitTopology& topology, const ChoiceRequest& request) {
  uint32_t allowed = 0;
  uint32_t must = 0;
  uint32_t healthy = 0;
  auto bit = [&](size_t unit) { return 1U << (topology.size - 1 - unit); };
  for (size_t unit : request.available) allowed |= bit(unit);
  for (size_t unit : request.must_include) must |= bit(unit);
  for (size_t unit : request.healthy) healthy |= bit(unit);
  allowed |= must;
  Oracle best;
  bool found = false;
  for (uint32_t set = 0; set < (1U << topology.size); ++set) {
    if (std::popcount(set) != static_cast<int>(request.size) || (set & ~allowed) != 0 || (set & must) != must)
      continue;
    Oracle one;
    one.bits = set;
    one.score = 0;
    for (size_t a = 0; a < topology.size; ++a) {
      if (!topology.near.empty() && (set & bit(a)) != 0) one.score += topology.near[a];
      for (size_t b = 0; b < a; ++b) {
        if ((set & bit(a)) != 0 && (set & bit(b)) != 0) one.score += topology.Affinity(a, b);
        if ((allowed & ~set & bit(a)) != 0 && (allowed & ~set & bit(b)) != 0)
          one.left += topology.Affinity(a, b);
      }
      if (!topology.near.empty() && (allowed & ~set & bit(a)) != 0) one.left += topology.near[a];
    }
    for (const auto& level : topology.subtrees) {
      int count = 0;
      for (const std::vector<size_t>& units : level) {
        uint32_t mask = 0;
        for (size_t unit : units) mask |= bit(unit);
        bool in_use = (mask & healthy & ~allowed) != 0;
        if (!in_use && (mask & set) == 0) ++count;
      }
      one.untouched.push_back(count);
    }
    bool better = !found || one.score > best.score + 1e-6;
    if (found && !better && one.score > best.score - 1e-6) {
      int more_left = one.left > best.left + 1e-6 ? 1 : one.left < best.left - 1e-6 ? -1 : 0;
      int tidier = one.untouched > best.untouched ? 1 : one.untouched < best.untouched ? -1 : 0;
      auto [first, second] =
          topology.tree != nullptr ? std::pair(tidier, more_left) : std::pair(more_left, tidier);
      better = first > 0 || (first == 0 && (second > 0 || (second == 0 && one.bits > best.bits)));
    }
    if (better) best = one;
    found = true;
  }
  return best;
}

inline uint32_t Bits(const UnitTopology& topology, const std::vector<size_t>& units) {
  uint32_t bits = 0;
  for (size_t unit : units) bits |= 1U << (topology.size - 1 - unit);
  return bits;
}

// `size` of the units 0 to n - 1, all of them free.
inline ChoiceRequest OfAll(size_t n, size_t size) {
  ChoiceRequest request;
  request.size = size;
  request.available.resize(n);
  std::iota(request.available.begin(), request.available.end(), size_t{0});
  request.healthy = request.available;
  return request;
}

// A random machine: nodes of switches of units, with a few links when asked for.
inline UnitTopology RandomTopology(std::mt19937& random, size_t n, bool links) {
  UnitTopology topology;
  topology.size = n;
  topology.affinity.assign(n * n, 0);
  std::vector<size_t> node(n);
  std::vector<size_t> plug(n);
  for (size_t i = 0; i < n; ++i) {
    node[i] = random() % 3;
    plug[i] = node[i] * 4 + random() % 3;
  }
  topology.subtrees.resize(2);
  for (auto [level, of] : {std::pair{0, &node}, std::pair{1, &plug}}) {
    for (size_t value : std::set<size_t>(of->begin(), of->end())) {
      std::vector<size_t> units;
      for (size_t i = 0; i < n; ++i) {
        if ((*of)[i] == value) units.push_back(i);
      }
      if (units.size() > 1) topology.subtrees[static_cast<size_t>(level)].push_back(units);
    }
  }
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < a; ++b) {
      double value = plug[a] == plug[b] ? 50 : node[a] == node[b] ? 20 : 10;
      if (links && random() % 4 == 0) value += 100.0 * (1 + random() % 4);
      topology.affinity[a * n + b] = topology.affinity[b * n + a] = value;
    }
  }
  return topology;
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_POLICY_CHOOSE_ORACLE_H_
