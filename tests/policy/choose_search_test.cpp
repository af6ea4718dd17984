// SPDX-License-Identifier: Apache-2.0
// Choices among more units than all sets of can be looked at.
#include "policy/choose_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "policy/choose.h"
#include "policy/choose_small.h"
#include "tests/policy/choose_oracle.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using testing::OfAll;
using testing::RandomTopology;
using ::testing::SizeIs;

// Branch and bound judges by the same rules, down to the last tie.
TEST(Choose, TheSearchAgreesWithALookAtAllSets) {
  std::mt19937 random(21);
  for (int round = 0; round < 200; ++round) {
    const size_t n = 4 + random() % 11;
    UnitTopology topology = RandomTopology(random, n, true);
    if (round % 2 == 0) FindTree(topology);  // exchangeable units
    ChoiceRequest request = OfAll(n, 2 + random() % (n - 2));
    request.budget_steps = 2'000'000'000;
    std::vector<size_t> must = {random() % n};
    std::vector<size_t> open = request.available;
    std::erase(open, must.front());
    if (must.size() + open.size() <= request.size) continue;
    Choice search = ChooseBySearch(topology, request, must, open);
    Choice all = ChooseAmongAllSets(topology, request, must, open);
    ASSERT_TRUE(search.optimal && all.optimal);
    ASSERT_NEAR(search.score, all.score, 1e-6);
    ASSERT_EQ(search.units, all.units) << "round " << round;
  }
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

// Eight of twenty of a kind: 125,970 sets, all equal, and the first is good enough.
TEST(Choose, DoesNotWalkThroughEquals) {
  UnitTopology topology;
  topology.size = 20;
  topology.affinity.assign(400, 20);
  for (size_t i = 0; i < 20; ++i) topology.affinity[i * 21] = 0;
  ChoiceRequest request = OfAll(20, 8);
  Choice choice = Choose(Preference::kClosest, topology, request);
  EXPECT_THAT(choice.units, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_TRUE(choice.optimal);
  EXPECT_LT(choice.steps, 125'970U) << "more than there are sets";
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

}  // namespace
}  // namespace cleave
