// SPDX-License-Identifier: Apache-2.0
// The choice against an oracle that tries every subset and shares no code with it.
#include "policy/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "policy/choose_explain.h"
#include "tests/policy/choose_oracle.h"

namespace cleave {
namespace {

using testing::Bits;
using testing::BruteForce;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using testing::OfAll;
using testing::Oracle;
using testing::RandomTopology;
using ::testing::SizeIs;
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
