// SPDX-License-Identifier: Apache-2.0
// One card in several shapes: what is withheld while one of them is in use.
#include "server/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/gizmo_machine.h"

namespace cleave {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::GizmoMachine;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr const char* kWhole = "example.com/whole";
constexpr const char* kHalf = "example.com/half";
constexpr const char* kQuarter = "example.com/quarter";

constexpr const char* kShapes = R"(
[[resource]]
name = "example.com/whole"
overlap = "exclusive"
[[resource]]
name = "example.com/half"
unit = "share"
shares = 2
overlap = "exclusive"
[[resource]]
name = "example.com/quarter"
unit = "share"
shares = 4
overlap = "exclusive"
)";

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest()
      : machine_(2),
        root_(testing::OpenRoot(machine_)),
        settings_(testing::GizmoSettings(kShapes)),
        base_(testing::GizmoPlan(*root_, settings_)) {}

  static std::string Id(int card, int share = -1) {
    return GizmoMachine::Address(card) + (share < 0 ? "" : "::" + std::to_string(share));
  }
  void Listed(const std::vector<std::pair<std::string, std::string>>& held, bool incomplete = false) {
    HeldIds ids;
    for (const auto& [resource, id] : held) ids[resource][id] = "default/pod";
    ledger_.SetHeld(ids, now_, incomplete);
  }
  void Give(const std::string& resource, const std::string& id) { ledger_.Give(resource, {id}, now_); }
  // What the kubelet could get of a resource.
  std::vector<std::string> Offered(const std::string& resource) {
    std::vector<std::string> ids;
    plan_ = ledger_.Withhold(base_);
    for (const Unit& unit : plan_->Find(resource)->units) {
      if (unit.health != Health::kUnhealthy) ids.push_back(unit.id);
    }
    return ids;
  }
  const Unit& Find(const std::string& resource, const std::string& id) {
    plan_ = ledger_.Withhold(base_);
    return *plan_->Find(resource)->Find(id);
  }

  GizmoMachine machine_;
  std::unique_ptr<HostRoot> root_;
  Settings settings_;
  std::shared_ptr<const Plan> base_;
  std::shared_ptr<const Plan> plan_;
  Ledger::Clock::time_point now_ = Ledger::Clock::time_point() + seconds(1000);
  Ledger ledger_;
};

TEST_F(LedgerTest, AllShapesAreOfferedWhileNothingIsInUse) {
  EXPECT_FALSE(ledger_.known());
  EXPECT_THAT(Offered(kWhole), SizeIs(2));
  EXPECT_THAT(Offered(kHalf), SizeIs(4));
  EXPECT_THAT(Offered(kQuarter), SizeIs(8));
  EXPECT_EQ(plan_, base_) << "nothing to change";
  EXPECT_FALSE(ledger_.in_use());
}

TEST_F(LedgerTest, OneShapeInUseTakesTheOthersOutOfOffer) {
  Listed({{kHalf, Id(0, 1)}});
  EXPECT_THAT(Offered(kWhole), ElementsAre(Id(1)));
  EXPECT_THAT(Offered(kHalf), SizeIs(4)) << "the other half of the card, too";
  EXPECT_THAT(Offered(kQuarter), SizeIs(4));
  const Unit& withheld = Find(kWhole, Id(0));
  EXPECT_TRUE(withheld.withheld);
  EXPECT_EQ(withheld.reason,
            "card " + Id(0) + " is in use as example.com/half: device " + Id(0, 1) + ", pod default/pod");
  EXPECT_TRUE(ledger_.in_use());
  absl::Status refused = MakeEdits(*plan_, *plan_->Find(kWhole), {Id(0)}).status();
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("device " + Id(0) + " of example.com/whole is withheld: card"));
  Listed({});
  EXPECT_THAT(Offered(kWhole), SizeIs(2));
  EXPECT_FALSE(ledger_.in_use());
}

TEST_F(LedgerTest, WhatWasJustGivenCountsAtOnce) {
  Listed({});
  Give(kWhole, Id(1));
  EXPECT_THAT(Offered(kHalf), ElementsAre(Id(0, 0), Id(0, 1)));
  EXPECT_THAT(Find(kHalf, Id(1, 0)).reason, HasSubstr("given a moment ago"));
  // An answer to a question from before knows nothing of it.
  now_ -= seconds(1);
  Listed({});
  EXPECT_THAT(Offered(kHalf), SizeIs(2));
}

TEST_F(LedgerTest, WhatNeverBecameAPodIsFreeAfterAWhile) {
  Give(kWhole, Id(1));
  now_ += seconds(30);
  Listed({});
  EXPECT_THAT(Offered(kHalf), SizeIs(2)) << "not yet";
  now_ += seconds(1);
  Listed({});
  EXPECT_THAT(Offered(kHalf), SizeIs(4));
}

TEST_F(LedgerTest, WhatWasListedOnceIsFreeAsSoonAsItIsNot) {
  Give(kWhole, Id(1));
  now_ += seconds(1);
  Listed({{kWhole, Id(1)}});
  EXPECT_THAT(Offered(kHalf), SizeIs(2));
  now_ += seconds(1);
  Listed({});
  EXPECT_THAT(Offered(kHalf), SizeIs(4));
  // Given again meanwhile, to another pod.
  Listed({{kWhole, Id(1)}});
  now_ += seconds(1);
  Give(kWhole, Id(1));
  now_ += seconds(1);
  Listed({});
  EXPECT_THAT(Offered(kHalf), SizeIs(2));
}

TEST_F(LedgerTest, AKubeletThatStartsDoesNotFreeACard) {
  Listed({{kWhole, Id(1)}});
  now_ += seconds(60);
  Listed({}, true);
  EXPECT_THAT(Offered(kHalf), SizeIs(2));
  Listed({}, false);
  EXPECT_THAT(Offered(kHalf), SizeIs(4));
}

TEST_F(LedgerTest, WhatIsInUseIsNeverWithheld) {
  // Two shapes of one card at once, because somebody gave them before we came.
  Listed({{kWhole, Id(0)}, {kHalf, Id(0, 0)}});
  EXPECT_FALSE(Find(kWhole, Id(0)).withheld);
  EXPECT_FALSE(Find(kHalf, Id(0, 0)).withheld);
  EXPECT_THAT(Offered(kQuarter), SizeIs(4));
}

TEST_F(LedgerTest, AUnitThatThePlanHasNoMoreStillHoldsItsCard) {
  Listed({{kQuarter, Id(0, 3)}});
  EXPECT_THAT(Offered(kWhole), ElementsAre(Id(1)));
  auto fewer = std::make_shared<Plan>(*base_);
  for (Resource& resource : fewer->resources) {
    if (resource.name != kQuarter) continue;
    std::erase_if(resource.units, [](const Unit& unit) { return unit.share->index == 3; });
    Unit gone;
    gone.id = Id(0, 3);
    gone.health = Health::kUnhealthy;
    gone.gone = true;
    resource.units.push_back(gone);
  }
  base_ = fewer;
  EXPECT_THAT(Offered(kWhole), ElementsAre(Id(1)));
}

TEST_F(LedgerTest, TheSamePlanStaysTheSame) {
  Give(kHalf, Id(0, 0));
  EXPECT_THAT(Find(kWhole, Id(0)).reason, HasSubstr("device " + Id(0, 0) + ", given a moment ago"));
  now_ += seconds(1);
  Listed({{kHalf, Id(0, 0)}});
  std::shared_ptr<const Plan> first = ledger_.Withhold(base_);
  EXPECT_THAT(first->Find(kWhole)->Find(Id(0))->reason, HasSubstr("pod default/pod"));
  EXPECT_EQ(ledger_.Withhold(base_), first);
  Listed({{kHalf, Id(0, 0)}, {kHalf, Id(0, 1)}});
  EXPECT_EQ(ledger_.Withhold(base_), first) << "the same units are withheld";
}

// Whatever happens, no card is on offer in one shape while it is in use in another.
TEST_F(LedgerTest, NeverTwoShapesOfOneCard) {
  const std::vector<std::string> names = {kWhole, kHalf, kQuarter};
  unsigned random = 1;
  auto next = [&](unsigned limit) { return (random = random * 1664525 + 1013904223) / 65536 % limit; };
  std::vector<std::pair<std::string, std::string>> pods;
  int refused = 0;
  for (int step = 0; step < 5000; ++step) {
    now_ += std::chrono::milliseconds(next(400));
    if (!pods.empty() && next(2) == 0) pods.erase(pods.begin() + next(static_cast<unsigned>(pods.size())));
    if (next(3) == 0) Listed(pods);
    plan_ = ledger_.Withhold(base_);
    const std::string& name = names[next(3)];
    const Resource& resource = *plan_->Find(name);
    const Unit& unit = resource.units[next(static_cast<unsigned>(resource.units.size()))];
    if (std::find(pods.begin(), pods.end(), std::pair(name, unit.id)) != pods.end()) continue;
    if (!MakeEdits(*plan_, resource, {unit.id}).ok()) {
      ++refused;
      continue;
    }
    for (const auto& [other, id] : pods) {
      bool same_card = id.substr(0, 12) == unit.id.substr(0, 12);
      ASSERT_TRUE(!same_card || other == name)
          << step << ": " << unit.id << " of " << name << " beside " << id;
    }
    Give(name, unit.id);
    pods.emplace_back(name, unit.id);
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace cleave
