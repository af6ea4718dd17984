// SPDX-License-Identifier: Apache-2.0
// Choosing among fractions: a contract that every preference keeps, and what each is for, against an oracle
// that tries every way to distribute the units.
#include "policy/choose_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policy/seats.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Cards with this many units each, two cards a switch, two switches a NUMA node.
Resource Cards(const std::vector<size_t>& units, Preference prefer, SameCard same_card = SameCard::kAllow) {
  Resource resource;
  resource.unit = UnitKind::kShare;
  resource.prefer = prefer;
  resource.same_card = same_card;
  auto seats = std::make_shared<Seats>();
  auto topology = std::make_shared<UnitTopology>();
  size_t n = units.size();
  topology->size = n;
  topology->affinity.assign(n * n, 0);
  topology->subtrees.resize(2);
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < n; ++b) {
      if (a != b) topology->affinity[a * n + b] = a / 2 == b / 2 ? 50 : a / 4 == b / 4 ? 20 : 10;
    }
  }
  for (size_t first = 0; first + 4 <= n && n > 4; first += 4)
    topology->subtrees[0].push_back({first, first + 1, first + 2, first + 3});
  for (size_t first = 0; first + 2 <= n && n > 2; first += 2)
    topology->subtrees[1].push_back({first, first + 1});
  FindTree(*topology);
  for (size_t seat = 0; seat < n; ++seat) {
    seats->units.emplace_back();
    seats->numa.push_back(seat / 4);
    for (size_t i = 0; i < units[seat]; ++i) {
      Unit unit;
      unit.id = std::to_string(seat) + "::" + std::to_string(i);
      unit.cards = {seat};
      unit.share = Share{static_cast<int>(i), static_cast<int>(units[seat])};
      seats->units[seat].push_back(resource.units.size());
      seats->of_unit.push_back(seat);
      resource.units.push_back(unit);
    }
  }
  auto all = std::make_shared<UnitTopology>();
  all->size = resource.units.size();
  all->place = seats->of_unit;
  all->places = n;
  all->affinity = topology->affinity;
  for (size_t seat = 0; seat < n; ++seat) all->affinity[seat * n + seat] = 80;
  FindTree(*all);
  resource.topology = all;
  seats->topology = topology;
  resource.seats = seats;
  return resource;
}

// `used` units of each card are in use, the first ones.
ChoiceRequest Ask(const Resource& resource, size_t size, const std::vector<size_t>& used = {}) {
  ChoiceRequest request;
  request.size = size;
  for (size_t seat = 0; seat < resource.seats->units.size(); ++seat) {
    const std::vector<size_t>& units = resource.seats->units[seat];
    for (size_t i = 0; i < units.size(); ++i) {
      request.healthy.push_back(units[i]);
      if (seat >= used.size() || i >= used[seat]) request.available.push_back(units[i]);
    }
  }
  return request;
}

// How many units of each card.
std::vector<size_t> PerCard(const Resource& resource, const std::vector<size_t>& units) {
  std::vector<size_t> counts(resource.seats->units.size(), 0);
  for (size_t unit : units) ++counts[resource.seats->of_unit[unit]];
  return counts;
}

std::vector<size_t> Answer(const Resource& resource, const ChoiceRequest& request) {
  return PerCard(resource, ChooseUnits(resource, request).choice.units);
}

TEST(ChooseUnits, PackedFillsCardsThatAreInUse) {
  Resource resource = Cards({4, 4, 4, 4}, Preference::kPacked);
  EXPECT_THAT(Answer(resource, Ask(resource, 1, {0, 2, 3, 0})), ElementsAre(0, 0, 1, 0)) << "the fullest";
  EXPECT_THAT(Answer(resource, Ask(resource, 2, {0, 2, 3, 0})), ElementsAre(0, 2, 0, 0)) << "one card";
  EXPECT_THAT(Answer(resource, Ask(resource, 3, {0, 2, 3, 0})), ElementsAre(0, 2, 1, 0)) << "no new card";
  EXPECT_THAT(Answer(resource, Ask(resource, 4, {0, 2, 3, 0})), ElementsAre(4, 0, 0, 0))
      << "a new card is needed, so one card is enough";
  EXPECT_THAT(Answer(resource, Ask(resource, 6, {0, 2, 3, 0})), ElementsAre(4, 2, 0, 0)) << "near card 1";
}

TEST(ChooseUnits, PackedTakesCardsThatAreNear) {
  Resource resource = Cards({4, 4, 4, 4, 4, 4, 4, 4}, Preference::kPacked);
  EXPECT_THAT(Answer(resource, Ask(resource, 8, {4, 0, 0, 0, 4})), ElementsAre(0, 0, 4, 4, 0, 0, 0, 0));
  // A new card is opened beside those in use, so that switches stay whole.
  EXPECT_THAT(Answer(resource, Ask(resource, 1, {0, 0, 0, 0, 0, 0, 4})), ElementsAre(0, 0, 0, 0, 0, 0, 0, 1));
}

TEST(ChooseUnits, ClosestTakesAsFewCardsWhateverIsInUse) {
  Resource resource = Cards({4, 4, 4, 4}, Preference::kClosest);
  EXPECT_THAT(Answer(resource, Ask(resource, 3, {2, 2, 3, 0})), ElementsAre(0, 0, 0, 3));
}

TEST(ChooseUnits, SpreadTakesDifferentCardsTheLeastUsedFirst) {
  Resource resource = Cards({4, 4, 4, 4}, Preference::kSpread);
  EXPECT_THAT(Answer(resource, Ask(resource, 1, {1, 0, 2, 1})), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(Answer(resource, Ask(resource, 2, {2, 0, 1, 1})), ElementsAre(0, 1, 1, 0))
      << "2 and 3 are used alike, 2 comes first";
  EXPECT_THAT(Answer(resource, Ask(resource, 6, {1, 0, 2, 0})), ElementsAre(1, 2, 1, 2));
  // A card in two shares of which one is used is as full as one in ten with five.
  Resource uneven = Cards({2, 10}, Preference::kSpread);
  EXPECT_THAT(Answer(uneven, Ask(uneven, 1, {1, 4})), ElementsAre(0, 1));
}

TEST(ChooseUnits, BalancedEvensNumaNodesThenCards) {
  Resource resource = Cards({4, 4, 4, 4, 4, 4, 4, 4}, Preference::kBalanced);
  EXPECT_THAT(Answer(resource, Ask(resource, 1, {2, 2, 2, 2, 4})), ElementsAre(0, 0, 0, 0, 0, 1, 0, 0))
      << "card 0 is less used than card 4, but its node is fuller";
  EXPECT_THAT(Answer(resource, Ask(resource, 4, {})), ElementsAre(1, 1, 0, 0, 1, 1, 0, 0));
}

TEST(ChooseUnits, WholeCardsAreBalancedOverNumaNodes) {
  Resource resource = Cards({1, 1, 1, 1, 1, 1, 1, 1}, Preference::kSpread);
  resource.unit = UnitKind::kCard;
  resource.topology = resource.seats->topology;
  EXPECT_THAT(Answer(resource, Ask(resource, 2, {1, 1})), ElementsAre(0, 0, 0, 0, 1, 1, 0, 0));
  resource.prefer = Preference::kPacked;
  EXPECT_THAT(Answer(resource, Ask(resource, 2, {1, 1})), ElementsAre(0, 0, 1, 1, 0, 0, 0, 0));
}

TEST(ChooseUnits, NeverTwoOfOneCard) {
  for (Preference prefer : {Preference::kClosest, Preference::kPacked, Preference::kSpread}) {
    Resource resource = Cards({4, 4, 4, 4}, prefer, SameCard::kForbid);
    std::vector<size_t> counts = Answer(resource, Ask(resource, 3, {1, 3}));
    EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 1U);
  }
  Resource packed = Cards({4, 4, 4, 4}, Preference::kPacked, SameCard::kForbid);
  EXPECT_THAT(Answer(packed, Ask(packed, 2, {0, 1, 0, 3})), ElementsAre(0, 1, 0, 1)) << "cards in use first";
  UnitChoice five = ChooseUnits(packed, Ask(packed, 5));
  EXPECT_THAT(five.warning, HasSubstr("5 devices cannot be had on different cards"));
  EXPECT_THAT(PerCard(packed, five.choice.units), ElementsAre(2, 1, 1, 1)) << "as near to it as can be";
}

TEST(ChooseUnits, AllOfOneCard) {
  Resource packed = Cards({4, 4, 4, 4}, Preference::kPacked, SameCard::kRequire);
  EXPECT_THAT(Answer(packed, Ask(packed, 2, {0, 1, 2, 3})), ElementsAre(0, 0, 2, 0))
      << "the fullest with room";
  Resource spread = Cards({4, 4, 4, 4}, Preference::kSpread, SameCard::kRequire);
  EXPECT_THAT(Answer(spread, Ask(spread, 2, {1, 1, 0, 2})), ElementsAre(0, 0, 2, 0)) << "the least used";
  ChoiceRequest beside = Ask(packed, 3, {0, 1, 2, 3});
  beside.must_include = {4 + 1};
  EXPECT_THAT(Answer(packed, beside), ElementsAre(0, 3, 0, 0)) << "where the one is that must be in";
  UnitChoice six = ChooseUnits(packed, Ask(packed, 6));
  EXPECT_THAT(six.warning, HasSubstr("6 devices cannot be had on one card"));
  EXPECT_THAT(PerCard(packed, six.choice.units), ElementsAre(4, 2, 0, 0));
}

TEST(ChooseUnits, CountedUnitsAreAllTheSame) {
  Resource resource;
  resource.unit = UnitKind::kCount;
  for (size_t i = 0; i < 5; ++i) {
    resource.units.emplace_back();
    resource.units.back().id = "slot-" + std::to_string(i);
  }
  ChoiceRequest request;
  request.size = 3;
  request.available = {0, 2, 3, 4};
  request.must_include = {4};
  EXPECT_THAT(ChooseUnits(resource, request).choice.units, ElementsAre(0, 2, 4));
}

TEST(ChooseUnits, StrictNamesTheUnitsAndTheCard) {
  Plan plan;
  auto inventory = std::make_shared<Inventory>();
  inventory->cards.resize(2);
  inventory->cards[0].id = "card-a";
  plan.inventory = inventory;
  Resource resource = Cards({2, 2}, Preference::kPacked, SameCard::kForbid);
  EXPECT_THAT(BreaksSameCard(plan, resource, {&resource.units[0], &resource.units[1]}),
              HasSubstr("0::0 and 0::1 are on one card, card-a"));
  EXPECT_EQ(BreaksSameCard(plan, resource, {&resource.units[0], &resource.units[2]}), "");
  resource.same_card = SameCard::kRequire;
  EXPECT_THAT(BreaksSameCard(plan, resource, {&resource.units[0], &resource.units[2]}),
              HasSubstr("0::0 and 1::0 are on different cards"));
  EXPECT_EQ(BreaksSameCard(plan, resource, {&resource.units[0], &resource.units[1]}), "");
}

struct Case {
  Resource resource;
  ChoiceRequest request;
  std::vector<size_t> used;
};

// Anything may be in use, fixed, or sick.
Case RandomCase(std::mt19937& random, Preference prefer, SameCard same_card) {
  std::vector<size_t> units(1 + random() % 6);
  for (size_t& count : units) count = 1 + random() % 4;
  Case one{Cards(units, prefer, same_card), {}, std::vector<size_t>(units.size(), 0)};
  for (size_t unit = 0; unit < one.resource.units.size(); ++unit) {
    switch (random() % 8) {
      case 0:
        break;  // sick
      case 1:
      case 2:
        one.request.healthy.push_back(unit);
        ++one.used[one.resource.seats->of_unit[unit]];
        break;
      case 3:
        one.request.must_include.push_back(unit);
        [[fallthrough]];
      default:
        one.request.healthy.push_back(unit);
        one.request.available.push_back(unit);
    }
  }
  one.request.size = random() % (one.request.available.size() + 2);
  one.request.size = std::max(one.request.size, one.request.must_include.size());
  return one;
}

TEST(ChooseUnits, EveryPreferenceKeepsTheContract) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    auto prefer = static_cast<Preference>(random() % 4);
    auto same_card = static_cast<SameCard>(random() % 3);
    Case one = RandomCase(random, prefer, same_card);
    UnitChoice first = ChooseUnits(one.resource, one.request);
    const std::vector<size_t>& units = first.choice.units;
    size_t possible = std::min(one.request.size, one.request.available.size());
    ASSERT_EQ(units.size(), possible);
    std::set<size_t> chosen(units.begin(), units.end());
    ASSERT_EQ(chosen.size(), possible) << "one twice";
    std::set<size_t> available(one.request.available.begin(), one.request.available.end());
    for (size_t unit : chosen) ASSERT_TRUE(available.contains(unit));
    for (size_t unit : one.request.must_include) ASSERT_TRUE(chosen.contains(unit));
    ASSERT_EQ(ChooseUnits(one.resource, one.request).choice.units, units) << "another answer the second time";
    std::shuffle(one.request.available.begin(), one.request.available.end(), random);
    ASSERT_EQ(ChooseUnits(one.resource, one.request).choice.units, units) << "the order matters";
  }
}

// Every way to take `size` units, as numbers per card.
void Ways(const std::vector<size_t>& room, size_t size, std::vector<size_t>& way,
          const std::function<void(const std::vector<size_t>&)>& visit) {
  if (way.size() == room.size()) {
    if (size == 0) visit(way);
    return;
  }
  for (size_t take = 0; take <= std::min(size, room[way.size()]); ++take) {
    way.push_back(take);
    Ways(room, size - take, way, visit);
    way.pop_back();
  }
}

// What packed promises: as few untouched cards as can be, then as few cards; and forbid and require hold
// whenever there is a way.
TEST(ChooseUnits, NoWayIsBetterThanPacked) {
  std::mt19937 random(11);
  for (int round = 0; round < 1500; ++round) {
    auto same_card = static_cast<SameCard>(random() % 3);
    Case one = RandomCase(random, Preference::kPacked, same_card);
    std::vector<size_t> fixed = PerCard(one.resource, one.request.must_include);
    std::vector<size_t> room = PerCard(one.resource, one.request.available);
    for (size_t seat = 0; seat < room.size(); ++seat) room[seat] -= fixed[seat];
    if (one.request.size > one.request.available.size()) continue;
    auto cost = [&](const std::vector<size_t>& counts) {
      size_t opened = 0;
      size_t cards = 0;
      for (size_t seat = 0; seat < counts.size(); ++seat) {
        if (counts[seat] == 0) continue;
        ++cards;
        if (one.used[seat] == 0 && fixed[seat] == 0) ++opened;
      }
      return std::pair(opened, cards);
    };
    auto keeps = [&](const std::vector<size_t>& counts) {
      size_t cards = 0;
      size_t most = 0;
      for (size_t count : counts) cards += count > 0 ? 1 : 0, most = std::max(most, count);
      return same_card == SameCard::kAllow || (same_card == SameCard::kForbid ? most <= 1 : cards <= 1);
    };
    bool possible = false;
    auto best = std::pair(room.size() + 1, room.size() + 1);
    std::vector<size_t> way;
    Ways(room, one.request.size - one.request.must_include.size(), way, [&](const std::vector<size_t>& take) {
      std::vector<size_t> counts = fixed;
      for (size_t seat = 0; seat < counts.size(); ++seat) counts[seat] += take[seat];
      if (!keeps(counts)) return;
      possible = true;
      best = std::min(best, cost(counts));
    });
    UnitChoice choice = ChooseUnits(one.resource, one.request);
    std::vector<size_t> counts = PerCard(one.resource, choice.choice.units);
    bool nothing_to_choose = one.request.size == one.request.available.size() ||
                             one.request.size == one.request.must_include.size();
    if (!nothing_to_choose) {
      ASSERT_EQ(choice.warning.empty(), possible) << round;
    }
    if (!possible) continue;
    ASSERT_TRUE(keeps(counts)) << round;
    ASSERT_EQ(cost(counts), best) << round;
  }
}

// As many cards as can be, and never one twice as often as another that had room.
TEST(ChooseUnits, NoWayIsMoreSpread) {
  std::mt19937 random(13);
  for (int round = 0; round < 1500; ++round) {
    Case one = RandomCase(random, Preference::kSpread, SameCard::kAllow);
    std::vector<size_t> counts = PerCard(one.resource, ChooseUnits(one.resource, one.request).choice.units);
    std::vector<size_t> fixed = PerCard(one.resource, one.request.must_include);
    std::vector<size_t> room = PerCard(one.resource, one.request.available);
    for (size_t a = 0; a < counts.size(); ++a) {
      for (size_t b = 0; b < counts.size(); ++b) {
        bool moved = counts[a] > fixed[a] && counts[b] < room[b];
        if (moved) {
          ASSERT_LE(counts[a], counts[b] + 1) << round;
        }
      }
    }
  }
}

TEST(ChooseUnits, ManyCardsInUse) {
  // More sets than are looked at one by one.
  Resource resource = Cards(std::vector<size_t>(32, 3), Preference::kPacked);
  std::vector<size_t> used(32, 1);
  UnitChoice choice = ChooseUnits(resource, Ask(resource, 16, used));
  std::vector<size_t> counts = PerCard(resource, choice.choice.units);
  EXPECT_EQ(std::count(counts.begin(), counts.end(), 2U), 8);
  EXPECT_EQ(std::count(counts.begin(), counts.end(), 0U), 24);
  EXPECT_THAT(choice.warning, IsEmpty());
}

}  // namespace
}  // namespace cleave
