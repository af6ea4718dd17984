// SPDX-License-Identifier: Apache-2.0
#include "server/registrar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/event_loop.h"
#include "server/metrics.h"
#include "tests/server/fake_kubelet_client.h"
#include "tests/server/loop_thread.h"

namespace cleave {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RegistrarTest : public ::testing::Test {
 protected:
  RegistrarTest() {
    registrar_.Start();
    registrar_.Add("example.com/gpu", "gpu.sock");
  }
  bool Await(size_t questions) {
    return loop_.RunUntil(EventLoop::Clock::now() + testing::kPatience,
                          [&] { return client_.questions.size() >= questions; });
  }
  // Turns the loop for a while in which nothing should be asked.
  bool Quiet(milliseconds time, size_t questions) {
    return !loop_.RunUntil(EventLoop::Clock::now() + time,
                           [&] { return client_.questions.size() > questions; });
  }
  void Answer(const absl::Status& status) { client_.questions.back().done(status); }
  milliseconds PauseBefore(size_t question) {
    return std::chrono::duration_cast<milliseconds>(client_.questions.at(question).at -
                                                    client_.questions.at(question - 1).at);
  }

  EventLoop loop_;
  Metrics metrics_{"test"};
  testing::FakeKubeletClient client_;
  int changes_ = 0;
  Registrar registrar_{loop_, client_, metrics_, [this] { ++changes_; }};
};

TEST(Backoff, DoublesToItsLimitWithJitter) {
  std::minstd_rand random(1);
  Backoff backoff(milliseconds(100), seconds(5));
  for (milliseconds expected : {milliseconds(100), milliseconds(200), milliseconds(400), milliseconds(800)}) {
    milliseconds pause = backoff.Next(random);
    EXPECT_GE(pause, expected * 3 / 4);
    EXPECT_LE(pause, expected * 5 / 4);
  }
  for (int i = 0; i < 20; ++i) EXPECT_LE(backoff.Next(random), seconds(5));
  EXPECT_GE(backoff.Next(random), milliseconds(3750));
  backoff.Reset();
  EXPECT_LE(backoff.Next(random), milliseconds(125));
}

TEST_F(RegistrarTest, WaitsForTheKubelet) {
  EXPECT_THAT(client_.questions, IsEmpty());
  EXPECT_THAT(registrar_.NotReady(), ElementsAre("example.com/gpu: the kubelet is not there"));
  registrar_.KubeletAppeared();
  ASSERT_EQ(client_.questions.size(), 1);
  EXPECT_EQ(client_.questions[0].endpoint, "gpu.sock");
  Answer(absl::OkStatus());
  EXPECT_THAT(registrar_.NotReady(), ElementsAre(::testing::HasSubstr("does not watch")))
      << "accepted is not watched";
  registrar_.StreamOpened("example.com/gpu", 1);
  EXPECT_THAT(registrar_.NotReady(), IsEmpty());
  EXPECT_TRUE(Quiet(milliseconds(100), 1));
}

TEST_F(RegistrarTest, NothingBeforeStart) {
  Registrar other(loop_, client_, metrics_, [] {});
  other.Add("example.com/x", "x.sock");
  other.KubeletAppeared();
  EXPECT_THAT(client_.questions, IsEmpty());
  other.Start();
  EXPECT_EQ(client_.questions.size(), 1);
  other.Start();
  EXPECT_EQ(client_.questions.size(), 1);
}

// Between bind and listen connections are refused for a moment.
TEST_F(RegistrarTest, ConnectionsThatAreRefusedAreTriedAgainQuickly) {
  registrar_.KubeletAppeared();
  Answer(absl::UnavailableError("connection refused"));
  ASSERT_TRUE(Await(2));
  EXPECT_LE(PauseBefore(1), milliseconds(100));
  Answer(absl::UnavailableError("connection refused"));
  ASSERT_TRUE(Await(3));
  Answer(absl::OkStatus());
}

TEST_F(RegistrarTest, ARefusalIsTriedAgainWithPauses) {
  registrar_.KubeletAppeared();
  for (size_t n = 1; n <= 3; ++n) {
    Answer(absl::UnknownError("no"));
    EXPECT_THAT(registrar_.NotReady(), ElementsAre(::testing::HasSubstr("refused by the kubelet: no")));
    ASSERT_TRUE(Await(n + 1));
    EXPECT_GE(PauseBefore(n), milliseconds(70) * (1 << (n - 1)));
  }
}

// The kubelet forgets a lost plugin by name a moment after the stream's end.
TEST_F(RegistrarTest, ALostStreamIsNeverFollowedAtOnce) {
  registrar_.KubeletAppeared();
  Answer(absl::OkStatus());
  registrar_.StreamOpened("example.com/gpu", 1);
  registrar_.StreamClosed("example.com/gpu", 1, seconds(60));
  EXPECT_THAT(registrar_.NotReady(), ElementsAre(::testing::HasSubstr("ended the stream")));
  EXPECT_TRUE(Quiet(milliseconds(150), 1));
  ASSERT_TRUE(Await(2));
  Answer(absl::OkStatus());
  registrar_.StreamOpened("example.com/gpu", 2);
  registrar_.StreamClosed("example.com/gpu", 2, milliseconds(5));
  EXPECT_TRUE(Quiet(milliseconds(330), 2)) << "twice as long, the stream did not last";
  ASSERT_TRUE(Await(3));
}

TEST_F(RegistrarTest, AStreamThatEndsDuringTheCallCountsToo) {
  registrar_.KubeletAppeared();
  registrar_.StreamOpened("example.com/gpu", 1);
  registrar_.StreamClosed("example.com/gpu", 1, milliseconds(1));
  Answer(absl::OkStatus());
  ASSERT_TRUE(Await(2)) << "and not only after ten seconds";
  EXPECT_LE(PauseBefore(1), seconds(2));
}

TEST_F(RegistrarTest, OneOfTwoStreamsMayEnd) {
  registrar_.KubeletAppeared();
  Answer(absl::OkStatus());
  registrar_.StreamOpened("example.com/gpu", 1);
  registrar_.StreamOpened("example.com/gpu", 2);
  registrar_.StreamClosed("example.com/gpu", 1, seconds(1));
  EXPECT_THAT(registrar_.NotReady(), IsEmpty());
  EXPECT_TRUE(Quiet(milliseconds(400), 1));
}

// The stream of the kubelet before ends after the next one has appeared.
TEST_F(RegistrarTest, AnEarlierKubeletsStreamDoesNotCount) {
  registrar_.KubeletAppeared();
  Answer(absl::OkStatus());
  registrar_.StreamOpened("example.com/gpu", 1);
  registrar_.KubeletGone();
  EXPECT_THAT(registrar_.NotReady(), IsEmpty()) << "it still watches";
  registrar_.KubeletAppeared();
  ASSERT_EQ(client_.questions.size(), 2);
  EXPECT_EQ(client_.forgotten, 2);
  EXPECT_THAT(registrar_.NotReady(), ::testing::SizeIs(1));
  registrar_.StreamClosed("example.com/gpu", 1, seconds(60));
  Answer(absl::OkStatus());
  registrar_.StreamOpened("example.com/gpu", 2);
  EXPECT_THAT(registrar_.NotReady(), IsEmpty());
  EXPECT_TRUE(Quiet(milliseconds(400), 2));
}

TEST_F(RegistrarTest, AnAnswerOfTheKubeletBeforeIsIgnored) {
  registrar_.KubeletAppeared();
  auto late = client_.questions[0].done;
  registrar_.KubeletAppeared();
  ASSERT_EQ(client_.questions.size(), 2);
  late(absl::UnavailableError("gone"));
  EXPECT_TRUE(Quiet(milliseconds(100), 2));
  Answer(absl::OkStatus());
  registrar_.StreamOpened("example.com/gpu", 1);
  EXPECT_THAT(registrar_.NotReady(), IsEmpty());
}

TEST_F(RegistrarTest, WhatIsRemovedIsNotTriedAgain) {
  registrar_.KubeletAppeared();
  Answer(absl::UnknownError("no"));
  registrar_.Remove("example.com/gpu");
  registrar_.Remove("example.com/gpu");
  registrar_.StreamOpened("example.com/gpu", 1);
  registrar_.StreamClosed("example.com/gpu", 1, seconds(1));
  EXPECT_TRUE(Quiet(milliseconds(300), 1));
  EXPECT_THAT(registrar_.NotReady(), IsEmpty());
  EXPECT_EQ(metrics_.Text().find("cleave_registered{"), std::string::npos);
}

TEST_F(RegistrarTest, NothingIsTriedWhileTheKubeletIsGone) {
  registrar_.KubeletAppeared();
  Answer(absl::UnavailableError("connection refused"));
  registrar_.KubeletGone();
  EXPECT_TRUE(Quiet(milliseconds(200), 1));
}

}  // namespace
}  // namespace cleave
