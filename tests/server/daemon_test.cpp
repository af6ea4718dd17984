// SPDX-License-Identifier: Apache-2.0
// The daemon and the kubelet: registered whatever happens.
#include "daemon.h"

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
using testing::Eventually;
using ::testing::IsEmpty;
using testing::kPatience;
using ::testing::SizeIs;

class DaemonTest : public testing::DaemonFixture {};

TEST_F(DaemonTest, RegistersAndServes) {
  StartBoth();
  EXPECT_THAT(Sockets(), SizeIs(1));
  auto grant = kubelet_.Admit("pod", kGizmo, 2);
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(grant->preferred, grant->ids) << "exactly what was preferred, no more and no less";
  EXPECT_THAT(grant->devices, SizeIs(2));
  EXPECT_EQ(grant->env.at("GIZMOS"), grant->ids[0] + "," + grant->ids[1]);
  EXPECT_EQ(kubelet_.resources()[kGizmo].at(Id(0)).numa_nodes, std::vector<int>{0});
  EXPECT_EQ(kubelet_.counters().registrations, 1);
  EXPECT_TRUE(daemon_->AwaitMetric("cleave_registered{resource=\"example.com/gizmo\"} 1"));
  EXPECT_TRUE(daemon_->AwaitMetric("cleave_kubelet_up 1"));
}

TEST_F(DaemonTest, StopsQuicklyAndCleanly) {
  StartBoth();
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(daemon_->Stop(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(1));
  EXPECT_THAT(Sockets(), IsEmpty());
  EXPECT_TRUE(Await(0, 4));
}

TEST_F(DaemonTest, WaitsForTheKubelet) {
  StartDaemon();
  EXPECT_TRUE(Eventually(
      [&] { return daemon_->Get("/readyz").body.find("the kubelet is not there") != std::string::npos; }));
  EXPECT_EQ(daemon_->Get("/readyz").status, 503);
  EXPECT_EQ(daemon_->Get("/healthz").status, 200);
  EXPECT_FALSE(std::filesystem::exists(machine_.kubelet_dir()));
  StartKubelet();  // makes the directory too
  EXPECT_TRUE(Await(4));
  EXPECT_TRUE(daemon_->AwaitReady(200));
}

TEST_F(DaemonTest, ComesBackWhenTheKubeletDoes) {
  StartBoth();
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(kubelet_.Restart().ok());
    auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(Await(4));
    EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(2));
    ASSERT_TRUE(kubelet_.Admit("pod", kGizmo, 4).ok());
    kubelet_.Release("pod");
  }
  EXPECT_TRUE(daemon_->AwaitReady(200));
  EXPECT_THAT(Sockets(), SizeIs(1));
}

TEST_F(DaemonTest, IsNotReadyWhileTheKubeletIsAway) {
  StartBoth();
  kubelet_.Stop();
  EXPECT_TRUE(daemon_->AwaitReady(503));
  StartKubelet();
  EXPECT_TRUE(daemon_->AwaitReady(200));
}

TEST_F(DaemonTest, RegistersAgainAfterALostStream) {
  StartBoth();
  int before = kubelet_.counters().registrations;
  kubelet_.DropStream(kGizmo);
  ASSERT_TRUE(Await(0, 4));
  ASSERT_TRUE(Await(4));
  EXPECT_EQ(kubelet_.counters().registrations, before + 1);
  EXPECT_TRUE(daemon_->AwaitReady(200));
}

TEST_F(DaemonTest, RegistersAgainAfterARefusal) {
  kubelet_.RefuseNext(2);
  StartKubelet();
  StartDaemon();
  ASSERT_TRUE(Await(4));
  EXPECT_EQ(kubelet_.counters().registrations, 3);
}

TEST_F(DaemonTest, AKubeletThatTakesItsTimeIsNotAskedTwice) {
  kubelet_.DelayRegister(milliseconds(500));
  StartKubelet();
  StartDaemon();
  ASSERT_TRUE(Await(4));
  EXPECT_EQ(kubelet_.counters().registrations, 1);
}

// Somebody tidies up the directory: the stream stays, and a new socket is there.
TEST_F(DaemonTest, MakesItsSocketAnew) {
  StartBoth();
  for (const std::string& name : Sockets())
    std::filesystem::remove(machine_.kubelet_dir() + "/device-plugins/" + name);
  ASSERT_TRUE(Eventually([&] { return Sockets().size() == 1; }));
  EXPECT_EQ(kubelet_.counters().streams_ended, 0);
  ASSERT_TRUE(kubelet_.Restart().ok());
  EXPECT_TRUE(Await(4));
}

// The device manager disconnects the new instance when the old one ends.
TEST_F(DaemonTest, SurvivesTheEndOfAnOldInstance) {
  StartBoth();
  testing::RunningDaemon other(Options());
  ASSERT_TRUE(other.AwaitReady(200));
  EXPECT_THAT(Sockets(), SizeIs(2));
  int lost = kubelet_.counters().streams_ended;
  EXPECT_EQ(daemon_->Stop(), 0);
  ASSERT_TRUE(Eventually([&] { return kubelet_.counters().streams_ended >= lost + 2; }))
      << "old and new stream";
  ASSERT_TRUE(Await(4));
  EXPECT_THAT(Sockets(), SizeIs(1));
  ASSERT_TRUE(kubelet_.Admit("pod", kGizmo, 4).ok());
}

TEST_F(DaemonTest, RemovesSocketsOfTheDead) {
  StartKubelet();
  std::string path = machine_.kubelet_dir() + "/device-plugins/cleave-example.com_gizmo-dead00.sock";
  testing::WriteFile(path, "");  // no socket: not ours to remove
  StartDaemon();
  ASSERT_TRUE(Await(4));
  EXPECT_THAT(Sockets(), SizeIs(2));
}

// Nothing happens, so nothing is sent.
TEST_F(DaemonTest, IsSilentWhenIdle) {
  StartBoth();
  int lists = kubelet_.counters().lists;
  EXPECT_FALSE(kubelet_.Await(milliseconds(2500), [&](const auto&) { return false; })) << "two rescans";
  EXPECT_EQ(kubelet_.counters().lists, lists);
  EXPECT_EQ(kubelet_.counters().registrations, 1);
}

TEST_F(DaemonTest, DoesNotStartWithABadConfiguration) {
  StartKubelet();
  machine_.WriteConfig("rescna = \"1s\"\n[[resource]]\nname = \"no name\"\n");
  EXPECT_EQ(Daemon(Options()).Run(), 1);
  EXPECT_EQ(kubelet_.counters().registrations, 0);
  EXPECT_THAT(Sockets(), IsEmpty());
}

TEST_F(DaemonTest, DoesNotStartWhereItCannotWork) {
  DaemonOptions options = Options();
  options.node.root = machine_.dir() + "/nowhere";
  EXPECT_EQ(Daemon(options).Run(), 1);
  options = Options();
  options.http_address = "nonsense";
  EXPECT_EQ(Daemon(options).Run(), 1);
  options = Options();
  options.kubelet_dir = "/" + std::string(100, 'k');
  EXPECT_EQ(Daemon(options).Run(), 1);
}

}  // namespace
}  // namespace cleave
