// SPDX-License-Identifier: Apache-2.0
// The choice against an oracle that tries every subset and shares no code with it.
#include "policy/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "policy/choose_explain.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

struct Oracle {
  double score = -1;
  double left = 0;  // score of what is free and not chosen
  std::vector<int> untouched;
  uint32_t bits = 0;  // the first unit is the highest bit, so that "comes first" is "is greater"
};

// By brute force: highest score, then most untouched subtrees level by level and highest score of what is
// left, on a tree in this order, else the other way round; then first in order.
Oracle BruteForce(const UnitTopology& topology, const ChoiceRequest& request) {
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

uint32_t Bits(const UnitTopology& topology, const std::vector<size_t>& units) {
  uint32_t bits = 0;
  for (size_t unit : units) bits |= 1U << (topology.size - 1 - unit);
  return bits;
}

// `size` of the units 0 to n - 1, all of them free.
ChoiceRequest OfAll(size_t n, size_t size) {
  ChoiceRequest request;
  request.size = size;
  request.available.resize(n);
  std::iota(request.available.begin(), request.available.end(), size_t{0});
  request.healthy = request.available;
  return request;
}

// A random machine: nodes of switches of units, with a few links when asked for.
UnitTopology RandomTopology(std::mt19937& random, size_t n, bool links) {
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

// Rounds 0, 3, 6...: links; 1, 4, 7...: a tree, searched; 2, 5, 8...: the same by dynamic programming.
TEST(Choose, IsWhatBruteForceFinds) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    size_t n = 1 + random() % 12;
    UnitTopology topology = RandomTopology(random, n, round % 3 == 0);
    for (size_t unit = 0; round % 5 == 0 && unit < n; ++unit)
      topology.near.push_back(static_cast<double>(random() % 3) * 25);
    if (round % 3 == 2) {
      FindTree(topology);
      ASSERT_NE(topology.tree, nullptr);
    }
    ChoiceRequest request;
    for (size_t i = 0; i < n; ++i) {
      if (random() % 8 != 0) request.healthy.push_back(i);
    }
    for (size_t unit : request.healthy) {
      if (random() % 4 != 0) request.available.push_back(unit);
    }
    std::vector<size_t> shuffled = request.available;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    if (!shuffled.empty()) shuffled.resize(random() % std::min<size_t>(shuffled.size() + 1, 3));
    request.must_include = shuffled;
    if (request.available.empty()) continue;
    request.size =
        request.must_include.size() + random() % (request.available.size() - request.must_include.size() + 1);
    if (request.size == 0) continue;
    Choice choice = Choose(Preference::kClosest, topology, request);
    Oracle oracle = BruteForce(topology, request);
    ASSERT_TRUE(choice.optimal);
    ASSERT_EQ(choice.bound, choice.score);
    ASSERT_THAT(choice.units, SizeIs(request.size));
    ASSERT_THAT(choice.units, IsSupersetOf(request.must_include));
    ASSERT_NEAR(choice.score, oracle.score, 1e-6) << "round " << round;
    ASSERT_EQ(Bits(topology, choice.units), oracle.bits) << "round " << round;
  }
}

TEST(Choose, SixteenAreAlwaysProven) {
  std::mt19937 random(8);
  for (size_t k = 1; k <= 16; ++k) {
    UnitTopology topology = RandomTopology(random, 16, k % 2 == 0);
    ChoiceRequest request = OfAll(16, k);
    request.budget_steps = 1;  // does not matter for so few
    Choice choice = Choose(Preference::kClosest, topology, request);
    EXPECT_TRUE(choice.optimal) << k;
    EXPECT_EQ(Bits(topology, choice.units), BruteForce(topology, request).bits) << k;
  }
}

TEST(Choose, LinksAcrossTheTreeAreNoTree) {
  std::mt19937 random(3);
  UnitTopology topology = RandomTopology(random, 12, true);
  FindTree(topology);
  EXPECT_EQ(topology.tree, nullptr);
}

TEST(Choose, ATinyBudgetIsAdmittedWithATrueGap) {
  std::mt19937 random(9);
  UnitTopology topology = RandomTopology(random, 24, true);
  ChoiceRequest request = OfAll(24, 9);
  request.budget_steps = 100;
  Choice small = Choose(Preference::kClosest, topology, request);
  ASSERT_FALSE(small.optimal);
  request.budget_steps = 2'000'000'000;
  Choice full = Choose(Preference::kClosest, topology, request);
  ASSERT_TRUE(full.optimal);
  EXPECT_THAT(small.units, SizeIs(9));
  EXPECT_LE(full.score, small.bound + 1e-6);
  EXPECT_GE(full.score, small.score - 1e-6);
}

// Two sets of score 30: what the first leaves has 38, what the second leaves has 40, 20 of them by `near`.
TEST(Choose, WhatIsNearCountsInWhatIsLeft) {
  UnitTopology topology;
  topology.size = 5;
  topology.near = {20, 0, 0, 0, 0};
  topology.affinity = {0,  10, 0,  0,  0,   //
                       10, 0,  10, 10, 10,  //
                       0,  10, 0,  30, 4,   //
                       0,  10, 30, 0,  4,   //
                       0,  10, 4,  4,  0};
  FindTree(topology);
  ASSERT_EQ(topology.tree, nullptr);
  EXPECT_THAT(Choose(Preference::kClosest, topology, OfAll(5, 2)).units, ElementsAre(2, 3));
}

// Boards whose cards lie anywhere in the tree, joined by cables of several widths: sets of whole boards are
// found.
TEST(Choose, BoardsAcrossTheTreeAreFound) {
  std::mt19937 random(11);
  for (size_t board : {size_t{4}, size_t{5}, size_t{8}}) {
    for (size_t n : {size_t{40}, size_t{64}}) {
      UnitTopology topology;
      topology.size = n;
      topology.affinity.assign(n * n, 0);
      std::vector<size_t> order(n);
      std::iota(order.begin(), order.end(), size_t{0});
      std::shuffle(order.begin(), order.end(), random);
      for (size_t a = 0; a < n; ++a) {
        for (size_t b = 0; b < a; ++b) {
          double value = order[a] % 2 == order[b] % 2 ? 20 : 10;
          if (order[a] / board == order[b] / board) value += 50 * static_cast<double>(1 + random() % 6);
          topology.affinity[a * n + b] = topology.affinity[b * n + a] = value;
        }
      }
      FindTree(topology);
      for (size_t size : {2 * board + 2, 2 * board + 3, 3 * board}) {
        ChoiceRequest request = OfAll(n, size);
        const Choice usual = Choose(Preference::kClosest, topology, request);
        request.budget_steps = 8'000'000;
        const Choice patient = Choose(Preference::kClosest, topology, request);
        EXPECT_GE(usual.score, 0.995 * patient.score) << board << " of " << n << ", " << size;
      }
    }
  }
}

TEST(Choose, TheSameQuestionHasTheSameAnswer) {
  std::mt19937 random(10);
  UnitTopology topology = RandomTopology(random, 40, true);
  ChoiceRequest request;
  request.size = 11;
  for (size_t i = 0; i < 40; ++i) request.available.push_back(39 - i);
  request.healthy = request.available;
  Choice first = Choose(Preference::kClosest, topology, request);
  std::shuffle(request.available.begin(), request.available.end(), random);
  Choice second = Choose(Preference::kClosest, topology, request);
  EXPECT_EQ(first.units, second.units);
  EXPECT_EQ(first.steps, second.steps);
}

// Two switches of two; one unit of the first is in use.
TEST(Choose, FinishesWhatIsBegun) {
  UnitTopology topology;
  topology.size = 4;
  topology.affinity = {0, 50, 20, 20, 50, 0, 20, 20, 20, 20, 0, 50, 20, 20, 50, 0};
  topology.subtrees = {{{0, 1}, {2, 3}}};
  ChoiceRequest request{.size = 1, .available = {1, 2, 3}, .must_include = {}, .healthy = {0, 1, 2, 3}};
  EXPECT_THAT(Choose(Preference::kClosest, topology, request).units, ElementsAre(1));
  request.available = {0, 1, 3};
  EXPECT_THAT(Choose(Preference::kClosest, topology, request).units, ElementsAre(3));
}

// Sixteen of a kind have 12,870 halves; all are equal, and the first is good enough.
TEST(Choose, DoesNotWalkThroughEquals) {
  UnitTopology topology;
  topology.size = 16;
  topology.affinity.assign(256, 20);
  for (size_t i = 0; i < 16; ++i) topology.affinity[i * 17] = 0;
  ChoiceRequest request = OfAll(16, 8);
  Choice choice = Choose(Preference::kClosest, topology, request);
  EXPECT_THAT(choice.units, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_TRUE(choice.optimal);
  EXPECT_LT(choice.steps, 10000U);
}

TEST(Choose, AsksForMoreThanThereIs) {
  UnitTopology topology;
  topology.size = 2;
  topology.affinity = {0, 20, 20, 0};
  ChoiceRequest request{.size = 3, .available = {0, 1, 1, 7}, .must_include = {}, .healthy = {0, 1}};
  Choice choice = Choose(Preference::kClosest, topology, request);
  EXPECT_THAT(choice.units, ElementsAre(0, 1));
  EXPECT_EQ(choice.score, 20);
  EXPECT_THAT(Choose(Preference::kClosest, UnitTopology{},
                     ChoiceRequest{.size = 1, .available = {}, .must_include = {}, .healthy = {}})
                  .units,
              SizeIs(0));
}

TEST(Choose, MustIncludeAloneIsTheAnswer) {
  UnitTopology topology;
  topology.size = 3;
  topology.affinity = {0, 20, 10, 20, 0, 10, 10, 10, 0};
  ChoiceRequest request{.size = 2, .available = {0, 1}, .must_include = {2}, .healthy = {0, 1, 2}};
  EXPECT_THAT(Choose(Preference::kClosest, topology, request).units, ElementsAre(0, 2));
  request.must_include = {1, 2};
  EXPECT_THAT(Choose(Preference::kClosest, topology, request).units, ElementsAre(1, 2));
}

// Of all other sets none scores more than the one that is named as the next.
TEST(Choose, TheNextBestIsTheNextBest) {
  std::mt19937 random(12);
  for (int round = 0; round < 300; ++round) {
    size_t n = 3 + random() % 7;
    UnitTopology topology = RandomTopology(random, n, round % 2 == 0);
    FindTree(topology);
    ChoiceRequest request = OfAll(n, 1 + random() % (n - 1));
    if (random() % 2 == 0) request.must_include = {random() % n};
    Choice choice = Choose(Preference::kClosest, topology, request);
    Resource resource;
    resource.units.resize(n);
    resource.topology = std::make_shared<UnitTopology>(topology);
    std::optional<Choice> next = NextBest(resource, request, choice);
    std::optional<double> best;
    for (uint32_t set = 0; set < (1U << n); ++set) {
      std::vector<size_t> units;
      for (size_t unit = 0; unit < n; ++unit) {
        if ((set >> unit & 1) != 0) units.push_back(unit);
      }
      bool has_must = request.must_include.empty() || (set >> request.must_include[0] & 1) != 0;
      if (units.size() != request.size || !has_must || units == choice.units) continue;
      best = std::max(best.value_or(0), Score(topology, units));
    }
    ASSERT_EQ(next.has_value(), best.has_value()) << round;
    if (!next) continue;
    ASSERT_NEAR(next->score, *best, 1e-6) << round;
    ASSERT_NE(next->units, choice.units) << round;
  }
}

// A processor that is too slow: what was found first is the answer, with a bound that holds.
TEST(Choose, GivesUpWhenToldTo) {
  std::mt19937 random(4);
  UnitTopology topology = RandomTopology(random, 48, true);
  FindTree(topology);
  ASSERT_EQ(topology.tree, nullptr);
  ChoiceRequest request = OfAll(48, 12);
  Choice patient = Choose(Preference::kClosest, topology, request);
  size_t asked = 0;
  request.give_up = [&asked] { return ++asked > 1; };
  Choice hasty = Choose(Preference::kClosest, topology, request);
  EXPECT_THAT(hasty.units, ::testing::SizeIs(12));
  EXPECT_FALSE(hasty.optimal);
  EXPECT_LT(hasty.steps, patient.steps / 10);
  EXPECT_GE(hasty.bound, patient.score);
  request.give_up = [] { return false; };
  EXPECT_EQ(Choose(Preference::kClosest, topology, request).units, patient.units);
}

// Shares of cards: many units, few places.
TEST(Choose, SharesOfACardStayTogether) {
  UnitTopology topology;
  topology.size = 40;
  topology.places = 4;
  for (size_t unit = 0; unit < 40; ++unit) topology.place.push_back(unit / 10);
  topology.affinity = {80, 20, 10, 10, 20, 80, 10, 10, 10, 10, 80, 20, 10, 10, 20, 80};
  topology.subtrees.resize(1, {std::vector<size_t>(20), std::vector<size_t>(20)});
  for (size_t unit = 0; unit < 40; ++unit) topology.subtrees[0][unit / 20][unit % 20] = unit;
  ChoiceRequest request;
  request.size = 12;
  for (size_t unit = 0; unit < 40; ++unit) {
    request.healthy.push_back(unit);
    if (unit % 10 != 0 || unit >= 20) request.available.push_back(unit);
  }
  for (bool tree : {false, true}) {
    if (tree) FindTree(topology);
    ASSERT_EQ(topology.tree != nullptr, tree);
    Choice choice = Choose(Preference::kClosest, topology, request);
    EXPECT_THAT(choice.units, ElementsAre(20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31));
    EXPECT_EQ(choice.score, 45 * 80 + 80 + 20 * 20);
    EXPECT_TRUE(choice.optimal);
  }
  topology.tree = nullptr;
  topology.affinity[1 * 4 + 2] = topology.affinity[2 * 4 + 1] = 40;  // a link across
  FindTree(topology);
  ASSERT_EQ(topology.tree, nullptr);
  EXPECT_THAT(Choose(Preference::kClosest, topology, request).units,
              ElementsAre(11, 12, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29));
}

}  // namespace
}  // namespace cleave
