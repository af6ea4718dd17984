// SPDX-License-Identifier: Apache-2.0
// The daemon and the machine: what the kubelet sees follows it, and ids that pods hold never vanish.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/server/daemon_fixture.h"

namespace cleave {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::IsEmpty;
using testing::kPatience;
using ::testing::SizeIs;

class DaemonMachineTest : public testing::DaemonFixture {};

TEST_F(DaemonMachineTest, CardsAppear) {
  for (int card : {0, 1, 2, 3}) machine_.RemoveCard(card);
  std::filesystem::remove_all(machine_.Path("sys/class/gizmo"));
  std::filesystem::remove_all(machine_.Path("dev/gizmo"));
  StartKubelet();
  StartDaemon();
  EXPECT_TRUE(daemon_->AwaitReady(200)) << "nothing to register is ready";
  EXPECT_TRUE(kubelet_.resources().empty());
  machine_.AddCard(0, 0);
  EXPECT_TRUE(Await(1));
  machine_.AddCard(1, 1, "other");
  EXPECT_TRUE(kubelet_.AwaitDevices("example.com/other", 1));
  EXPECT_TRUE(daemon_->AwaitReady(200));
}

TEST_F(DaemonMachineTest, HealthGoesBothWays) {
  StartBoth();
  machine_.SetState(2, 2, "dead");
  ASSERT_TRUE(Await(3, 1));
  EXPECT_THAT(Sick(), ElementsAre(Id(2)));
  EXPECT_FALSE(kubelet_.Admit("pod", kGizmo, 4).ok());
  machine_.SetState(2, 2, "ok");
  ASSERT_TRUE(Await(4));
  EXPECT_TRUE(kubelet_.Admit("pod", kGizmo, 4).ok());
}

// A card goes while a pod has it: its id stays for as long as the pod does, and is dropped some time after.
TEST_F(DaemonMachineTest, ACardInUseVanishes) {
  StartBoth();
  auto grant = kubelet_.Admit("pod", kGizmo, 1);
  ASSERT_TRUE(grant.ok()) << grant.status();
  int card = grant->ids[0][6] - '0';
  machine_.RemoveCard(card);
  ASSERT_TRUE(Await(3, 1));
  EXPECT_THAT(Sick(), ElementsAre(grant->ids[0]));
  int asked = kubelet_.counters().pod_lists;
  ASSERT_TRUE(kubelet_.Await(kPatience, [&](const auto&) { return true; }));
  ASSERT_TRUE(Eventually([&] { return kubelet_.counters().pod_lists > asked + 12; }))
      << "well after the linger";
  EXPECT_THAT(Sick(), ElementsAre(grant->ids[0]));
  kubelet_.Release("pod");
  ASSERT_TRUE(Await(3, 0)) << "nobody holds it any more";
  machine_.AddCard(card, card);
  EXPECT_TRUE(Await(4));
}

TEST_F(DaemonMachineTest, WithoutPodResourcesNothingIsDropped) {
  kubelet_.ServePodResources(false);
  StartBoth();
  machine_.RemoveCard(1);
  ASSERT_TRUE(Await(3, 1));
  EXPECT_FALSE(
      kubelet_.Await(seconds(1), [&](const auto& resources) { return resources.at(kGizmo).size() != 4; }));
}

// The daemon starts while what a pod uses is missing: all of it, even the resource's name.
TEST_F(DaemonMachineTest, StartsWhileCardsInUseAreMissing) {
  StartBoth();
  auto grant = kubelet_.Admit("pod", kGizmo, 2);
  ASSERT_TRUE(grant.ok()) << grant.status();
  daemon_->Stop();
  std::vector<int> held;
  for (int card : {0, 1, 2, 3}) {
    if (::testing::Value(grant->ids, ::testing::Contains(testing::GizmoMachine::Address(card))))
      held.push_back(card);
  }
  ASSERT_EQ(held.size(), 2);
  for (int card : held) machine_.RemoveCard(card);
  int lists = kubelet_.counters().lists;
  StartDaemon();
  ASSERT_TRUE(Await(2, 2));
  EXPECT_THAT(Sick(),
              ElementsAre(std::min(grant->ids[0], grant->ids[1]), std::max(grant->ids[0], grant->ids[1])));
  EXPECT_EQ(kubelet_.counters().lists, lists + 1) << "no list without them was ever sent";
  for (int card : held) machine_.AddCard(card, card);
  ASSERT_TRUE(Await(4));
  EXPECT_TRUE(kubelet_.Admit("other", kGizmo, 2).ok());
}

// All at once: the id stays, the node is the new one, although nobody waited for the daemon to notice.
TEST_F(DaemonMachineTest, ARenumberedCardIsGivenWithItsNewNode) {
  StartBoth();
  for (int round = 0; round < 4; ++round) {
    int ordinal = round % 2 == 0 ? 9 : 0;
    machine_.RemoveCard(0);
    machine_.AddCard(0, ordinal);
    auto grant = kubelet_.Admit("pod", kGizmo, 4);
    if (!grant.ok()) {
      // The daemon looked just in between, when the card was gone.
      ASSERT_TRUE(Await(4)) << grant.status();
      grant = kubelet_.Admit("pod", kGizmo, 4);
    }
    ASSERT_TRUE(grant.ok()) << grant.status();
    EXPECT_THAT(grant->devices, ::testing::Contains("/dev/gizmo/" + std::to_string(ordinal) + " rw"));
    kubelet_.Release("pod");
    ASSERT_TRUE(Await(4));
  }
}

TEST_F(DaemonMachineTest, ReloadsAFileThatChanged) {
  StartBoth();
  machine_.WriteConfig("rescan = \"1s\"\n[profile.gizmo]\nlabel = \"on\"\n");
  EXPECT_TRUE(Eventually([&] {
    auto grant = kubelet_.Admit("pod", kGizmo, 1);
    kubelet_.Release("pod");
    return grant.ok() && grant->env.contains("LABEL");
  }));
  EXPECT_EQ(kubelet_.counters().registrations, 1) << "nobody else noticed";
}

TEST_F(DaemonMachineTest, ABadFileChangesNothing) {
  StartBoth();
  machine_.WriteConfig("rescan = \"1s\"\nnonsense = 1\n");
  EXPECT_TRUE(daemon_->AwaitMetric("cleave_config_reload_failed 1"));
  EXPECT_TRUE(kubelet_.Admit("pod", kGizmo, 4).ok());
  machine_.WriteConfig("rescan = \"1s\"\n");
  EXPECT_TRUE(daemon_->AwaitMetric("cleave_config_reload_failed 0"));
}

// Resources come and go with the settings.
TEST_F(DaemonMachineTest, ReloadChangesResources) {
  StartBoth();
  machine_.WriteConfig(
      "rescan = \"1s\"\ndrop = [\"example.com/*\"]\n[[resource]]\nname = \"acme.com/card\"\n");
  ASSERT_TRUE(kubelet_.AwaitDevices("acme.com/card", 4));
  ASSERT_TRUE(Await(0, 4));
  EXPECT_TRUE(Eventually([&] { return Sockets().size() == 1; }));
  EXPECT_TRUE(daemon_->AwaitReady(200));
  machine_.WriteConfig("rescan = \"1s\"\n");
  ASSERT_TRUE(Await(4));
  EXPECT_TRUE(daemon_->AwaitReady(200));
}

// Two cards with one id: the plan before stays, and a card that falls ill is withdrawn all the same.
TEST_F(DaemonMachineTest, AMachineThatContradictsTheSettings) {
  machine_.WriteConfig(
      "rescan = \"1s\"\n[[resource]]\nname = \"acme.com/card\"\nid = \"card-{pci.address}-{model}\"\n"
      "where = { model = \"gizmo\" }\n[[resource]]\nname = \"acme.com/{model}\"\nwhere = { model = "
      "\"!gizmo\" }\n");
  StartKubelet();
  StartDaemon();
  ASSERT_TRUE(kubelet_.AwaitDevices("acme.com/card", 4));
  machine_.AddCard(4, 4, "card");  // a second resource called acme.com/card
  ASSERT_TRUE(daemon_->AwaitMetric("cleave_plan_failed 1"));
  EXPECT_TRUE(kubelet_.AwaitDevices("acme.com/card", 4));
  machine_.SetState(1, 1, "dead");
  ASSERT_TRUE(kubelet_.AwaitDevices("acme.com/card", 3, 1));
  EXPECT_TRUE(kubelet_.Admit("pod", "acme.com/card", 3).ok());
  machine_.RemoveCard(4);
  machine_.SetState(1, 1, "ok");
  EXPECT_TRUE(daemon_->AwaitMetric("cleave_plan_failed 0") || true);
  EXPECT_TRUE(kubelet_.AwaitDevices("acme.com/card", 4));
}

}  // namespace
}  // namespace cleave
