// SPDX-License-Identifier: Apache-2.0
#include "server/held_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/messages.h"
#include "tests/server/gizmo_machine.h"

namespace cleave {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::GizmoMachine;
using ::testing::IsEmpty;

TEST(CouldOffer, NamesAndTemplates) {
  Settings settings = testing::GizmoSettings(R"(
    profiles = ["gizmo"]
    drop = ["example.com/old*"]
    [[resource]]
    name = "acme.com/fixed"
    [[resource]]
    name = "acme.com/{model}-x"
    nodes = ["gpu-*"]
  )");
  EXPECT_TRUE(CouldOffer(settings, "cpu-1", "acme.com/fixed"));
  EXPECT_TRUE(CouldOffer(settings, "gpu-1", "acme.com/big-x"));
  EXPECT_FALSE(CouldOffer(settings, "cpu-1", "acme.com/big-x")) << "not for this node";
  EXPECT_FALSE(CouldOffer(settings, "gpu-1", "acme.com/big-y"));
  EXPECT_TRUE(CouldOffer(settings, "cpu-1", "example.com/anything")) << "the profile's {model}";
  EXPECT_FALSE(CouldOffer(settings, "cpu-1", "example.com/older")) << "dropped";
  EXPECT_FALSE(CouldOffer(settings, "cpu-1", "other.com/gpu"));
  EXPECT_FALSE(CouldOffer(settings, "cpu-1", "no resource name"));
}

TEST(CouldOffer, OnlyOfActiveProfiles) {
  Settings settings = testing::GizmoSettings("profiles = [\"tenstorrent\"]");
  EXPECT_FALSE(CouldOffer(settings, "n", "example.com/gizmo"));
}

class HeldDevicesTest : public ::testing::Test {
 protected:
  static constexpr const char* kResource = "example.com/gizmo";
  using Clock = HeldDevices::Clock;

  HeldDevicesTest()
      : machine_(3),
        root_(testing::OpenRoot(machine_)),
        settings_(testing::GizmoSettings()),
        scanner_(*root_, settings_) {}

  // One turn of the daemon: look, plan, complete.
  void Look() {
    Diagnostics diagnostics;
    auto plan = std::make_shared<Plan>(
        PlanFrom(settings_, ReadLinkTexts(settings_.config), scanner_.Scan(now_), "node-a", diagnostics));
    ASSERT_TRUE(diagnostics.ok()) << diagnostics.Text();
    held_.Complete(*plan, plan_.get(), settings_, now_);
    plan_ = plan;
    for (const std::string& card : held_.CardsToForget(*plan_, now_)) scanner_.Forget(card);
  }
  void Answer(const std::map<std::string, std::set<std::string>>& ids) {
    HeldIds held;
    for (const auto& [resource, of_resource] : ids) {
      for (const std::string& id : of_resource) held[resource][id] = "default/pod";
    }
    held_.SetHeld(std::move(held), now_);
  }
  std::vector<std::string> Ids(bool healthy, const std::string& resource = kResource) const {
    std::vector<std::string> ids;
    const Resource* found = plan_->Find(resource);
    if (found == nullptr) return {"no such resource"};
    for (const Unit& unit : found->units) {
      if ((unit.health != Health::kUnhealthy) == healthy) ids.push_back(unit.id);
    }
    return ids;
  }
  static std::string Id(int card) { return GizmoMachine::Address(card); }

  GizmoMachine machine_;
  std::unique_ptr<HostRoot> root_;
  Settings settings_;
  Scanner scanner_;
  HeldDevices held_;
  Clock::time_point now_ = Clock::now();
  std::shared_ptr<const Plan> plan_;
};

TEST_F(HeldDevicesTest, NothingIsAddedWhenNothingIsMissing) {
  Answer({{kResource, {Id(0)}}, {"other.com/gpu", {"x"}}});
  Look();
  EXPECT_THAT(Ids(true), ElementsAre(Id(0), Id(1), Id(2)));
  EXPECT_THAT(Ids(false), IsEmpty());
  EXPECT_EQ(plan_->resources.size(), 1);
  EXPECT_FALSE(held_.Pending());
}

// A card that a pod holds under a name that the machine does not lead to any more is not given away under the
// new one.
TEST_F(HeldDevicesTest, WhatIsHeldUnderAnotherNameIsWithheld) {
  settings_ = testing::GizmoSettings(R"(
    [[resource]]
    name = "example.com/old"
    where = { index = 9 }
  )");
  Answer({{"example.com/old", {Id(1), Id(2) + "::0"}},
          {kResource, {Id(2)}},
          {"other.com/gpu", {"0", "gizmo-0"}}});
  Look();
  EXPECT_THAT(Ids(true), ElementsAre(Id(0), Id(2))) << "what is held itself stays as it is";
  const Unit& withheld = *plan_->Find(kResource)->Find(Id(1));
  EXPECT_TRUE(withheld.withheld);
  EXPECT_EQ(withheld.reason,
            "card " + Id(1) + " is in use as example.com/old: device " + Id(1) + ", pod default/pod");
  EXPECT_EQ(plan_->Find("example.com/old"), nullptr);
  EXPECT_TRUE(held_.Pending()) << "the pod may end";
  Answer({});
  Look();
  EXPECT_THAT(Ids(true), ElementsAre(Id(0), Id(1), Id(2)));
}

// All ids of a long list change, as when cards are renamed: the old ones beside the new ones are more than
// the kubelet takes, and it would then hear of none.
TEST_F(HeldDevicesTest, WhatWouldMakeTheListTooLongIsLeftOut) {
  const auto plan_of = [](char letter) {
    Plan plan;
    plan.inventory = std::make_shared<const Inventory>();
    Resource& resource = plan.resources.emplace_back();
    resource.name = kResource;
    for (int i = 0; i < 600; ++i) {
      Unit unit;
      unit.id = std::to_string(i) + std::string(4096, letter);
      resource.units.push_back(std::move(unit));
    }
    return plan;
  };
  const Plan before = plan_of('a');
  Plan plan = plan_of('b');
  const std::string& held = before.resources[0].units[599].id;
  Answer({{kResource, {held}}});
  held_.Complete(plan, &before, settings_, now_);
  const std::vector<Unit>& units = plan.resources[0].units;
  size_t bytes = 0;
  for (const Unit& unit : units) bytes += BytesInList(unit);
  EXPECT_LE(bytes, kLongestMessage);
  EXPECT_GT(bytes + 5000, kLongestMessage) << "as many as there is room for";
  EXPECT_EQ(units[599].id, "599" + std::string(4096, 'b'));
  EXPECT_EQ(units[600].id, held) << "what a pod holds comes first";
  EXPECT_TRUE(held_.Pending());
}

// At start: a pod holds a card that is not there.
TEST_F(HeldDevicesTest, HeldIdsComeBackUnhealthy) {
  Answer({{kResource, {Id(0), "0000:77:00.0"}}});
  Look();
  EXPECT_THAT(Ids(true), ElementsAre(Id(0), Id(1), Id(2)));
  EXPECT_THAT(Ids(false), ElementsAre("0000:77:00.0"));
  EXPECT_TRUE(held_.Pending());
  EXPECT_FALSE(MakeEdits(*plan_, *plan_->Find(kResource), {"0000:77:00.0"}).ok());
}

// example.com/lost fits the settings, but its ids may be those of another plugin: whoever registers the name
// second takes it from the first.
TEST_F(HeldDevicesTest, WhatPodsHoldMakesNoResource) {
  for (int card : {0, 1, 2}) machine_.RemoveCard(card);
  Answer({{"example.com/lost", {"GPU-8a7c4b1e", "0000:31:00.0"}}, {"other.com/gpu", {"y"}}});
  ASSERT_TRUE(CouldOffer(settings_, "node-a", "example.com/lost"));
  Look();
  EXPECT_EQ(plan_->Find("example.com/lost"), nullptr);
  EXPECT_EQ(plan_->Find("other.com/gpu"), nullptr);
  EXPECT_FALSE(held_.Pending());
}

// A card goes while a pod holds it, and stays listed for as long as that is so.
TEST_F(HeldDevicesTest, ACardInUseIsKept) {
  Answer({{kResource, {Id(1)}}});
  Look();
  machine_.RemoveCard(1);
  Look();
  EXPECT_THAT(Ids(false), ElementsAre(Id(1)));
  EXPECT_TRUE(held_.Pending());
  for (int minute = 0; minute < 10; ++minute) {
    now_ += seconds(60);
    Answer({{kResource, {Id(1)}}});
    Look();
    EXPECT_THAT(Ids(false), ElementsAre(Id(1)));
  }
  machine_.AddCard(1, 1);
  Look();
  EXPECT_THAT(Ids(false), IsEmpty());
  EXPECT_FALSE(held_.Pending());
}

// Nobody holds it: it goes, but not before the kubelet was asked a minute later, and then once more for its
// id.
TEST_F(HeldDevicesTest, ACardThatNobodyHoldsIsForgottenInTheEnd) {
  Look();
  machine_.RemoveCard(1);
  Look();
  now_ += seconds(30);
  Answer({});
  Look();
  EXPECT_THAT(Ids(false), ElementsAre(Id(1)));
  now_ += seconds(31);
  Look();
  EXPECT_THAT(Ids(false), ElementsAre(Id(1))) << "the answer is from before the minute was over";
  Answer({});
  Look();  // the card is forgotten here, its id lingers on its own
  Look();
  EXPECT_THAT(Ids(false), ElementsAre(Id(1)));
  now_ += seconds(61);
  Answer({});
  Look();
  EXPECT_THAT(Ids(false), IsEmpty());
  EXPECT_THAT(Ids(true), ElementsAre(Id(0), Id(2)));
  EXPECT_FALSE(held_.Pending());
}

// The kubelet cannot be asked: nothing is ever dropped.
TEST_F(HeldDevicesTest, WithoutAnAnswerEverythingStays) {
  Look();
  machine_.RemoveCard(0);
  for (int hour = 0; hour < 5; ++hour) {
    Look();
    now_ += seconds(3600);
  }
  Look();
  EXPECT_THAT(Ids(false), ElementsAre(Id(0)));
}

// All cards go and are forgotten: the resource stays, with an empty list.
TEST_F(HeldDevicesTest, AResourceOnceOfferedStays) {
  Look();
  for (int card : {0, 1, 2}) machine_.RemoveCard(card);
  for (int turn = 0; turn < 4; ++turn) {
    Look();
    Look();
    now_ += seconds(61);
    Answer({});
  }
  Look();
  EXPECT_THAT(Ids(true), IsEmpty());
  EXPECT_THAT(Ids(false), IsEmpty());
}

// The settings change: units with other ids, or none any more.
TEST_F(HeldDevicesTest, IdsOfBeforeLingerAfterAReload) {
  Answer({{kResource, {Id(0)}}});
  Look();
  Settings other = testing::GizmoSettings(R"(
    [[resource]]
    name = "example.com/gizmo"
    id   = "new-{pci.address}"
  )");
  settings_ = other;
  scanner_.Replace(settings_);
  Look();
  EXPECT_THAT(Ids(false), ElementsAre(Id(0), Id(1), Id(2)));
  EXPECT_THAT(Ids(true), ElementsAre("new-" + Id(0), "new-" + Id(1), "new-" + Id(2)));
  now_ += seconds(61);
  Answer({{kResource, {Id(0)}}});
  Look();
  EXPECT_THAT(Ids(false), ElementsAre(Id(0)));
}

TEST_F(HeldDevicesTest, WhatTheSettingsDropGoesAtOnce) {
  Answer({{kResource, {Id(0)}}});
  Look();
  settings_ = testing::GizmoSettings("drop = [\"example.com/gizmo\"]");
  scanner_.Replace(settings_);
  Look();
  EXPECT_EQ(plan_->Find(kResource), nullptr);
  EXPECT_TRUE(held_.Pending()) << "its cards may get another name";
  now_ += seconds(61);
  Answer({});
  EXPECT_FALSE(held_.Pending());
}

// The operator renames a resource: what pods hold by the old name is withheld under the new one.
TEST_F(HeldDevicesTest, ARenamedResourceDoesNotFreeItsCards) {
  Look();
  settings_ = testing::GizmoSettings("[[resource]]\nname = \"example.org/new\"");
  scanner_.Replace(settings_);
  Look();
  EXPECT_THAT(Ids(true, "example.org/new"), ElementsAre(Id(0), Id(1), Id(2)));
  now_ += seconds(61);
  Answer({{kResource, {Id(1)}}});
  Look();
  EXPECT_THAT(Ids(false, "example.org/new"), ElementsAre(Id(1)));
  EXPECT_TRUE(held_.Pending());
  now_ += seconds(1);
  Answer({});
  Look();
  EXPECT_THAT(Ids(true, "example.org/new"), ElementsAre(Id(0), Id(1), Id(2)));
  EXPECT_FALSE(held_.Pending());
}

// A PCI address names one card, whoever has given it to the pod.
TEST_F(HeldDevicesTest, ACardOfAnotherPluginIsWithheld) {
  Answer({{"other.com/gpu", {Id(0), Id(2) + "::1"}}});
  Look();
  EXPECT_THAT(Ids(true), ElementsAre(Id(1)));
  Answer({});
  Look();
  EXPECT_THAT(Ids(true), ElementsAre(Id(0), Id(1), Id(2)));
}

}  // namespace
}  // namespace cleave
