// SPDX-License-Identifier: Apache-2.0
#include "server/held_asker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/event_loop.h"
#include "server/kubelet_client.h"
#include "tests/server/fake_kubelet_client.h"
#include "tests/server/loop_thread.h"

namespace cleave {
namespace {

using std::chrono::milliseconds;

class HeldAskerTest : public ::testing::Test {
 protected:
  bool AwaitQuestions(size_t count) {
    return loop_.RunUntil(EventLoop::Clock::now() + testing::kPatience,
                          [&] { return client_.held_questions.size() >= count; });
  }
  size_t asked() const { return client_.held_questions.size(); }
  void Answer() { client_.held_questions.back()(HeldIds{}); }

  EventLoop loop_;
  testing::FakeKubeletClient client_;
  std::optional<milliseconds> every_;
  std::vector<bool> incomplete_;
  HeldAsker asker_{
      loop_,
      client_,
      {.answered = [this](const absl::StatusOr<HeldIds>& /*held*/, EventLoop::Clock::time_point /*asked*/,
                          bool incomplete) { incomplete_.push_back(incomplete); },
       .every = [this] { return every_; }}};
};

TEST_F(HeldAskerTest, AsksOnceMoreWhenAQuestionWasUnderWay) {
  asker_.Ask();
  asker_.Ask();
  asker_.Ask();
  EXPECT_EQ(asked(), 1U);
  Answer();
  EXPECT_EQ(asked(), 2U);
  Answer();
  EXPECT_EQ(asked(), 2U);
}

TEST_F(HeldAskerTest, AKubeletThatHasJustStartedDoesNotKnowItsPods) {
  asker_.KubeletAppeared(false);
  Answer();
  asker_.KubeletAppeared(true);
  Answer();
  EXPECT_EQ(incomplete_, (std::vector<bool>{false, true}));
}

TEST_F(HeldAskerTest, AKubeletThatAppearedIsAskedAgain) {
  asker_.KubeletAppeared(true);
  Answer();
  EXPECT_TRUE(AwaitQuestions(2));
}

TEST_F(HeldAskerTest, AsksAsLongAsItIsWanted) {
  every_ = milliseconds(1);
  asker_.Ask();
  for (size_t count = 2; count < 5; ++count) {
    Answer();
    ASSERT_TRUE(AwaitQuestions(count));
  }
  every_.reset();
  Answer();
  EXPECT_FALSE(loop_.RunUntil(EventLoop::Clock::now() + milliseconds(20), [&] { return asked() > 4; }));
}

TEST_F(HeldAskerTest, AQuestionThatFallsDueDuringAnotherIsNotTheLast) {
  asker_.Ask();
  asker_.AskSoon();
  // It falls due, and nothing is asked, since a question is under way.
  EXPECT_FALSE(loop_.RunUntil(EventLoop::Clock::now() + milliseconds(150), [&] { return asked() > 1; }));
  every_ = milliseconds(1);
  Answer();
  EXPECT_TRUE(AwaitQuestions(2));
}

TEST_F(HeldAskerTest, AFailureIsAnAnswer) {
  asker_.Ask();
  client_.held_questions.back()(absl::UnavailableError("nobody listens"));
  EXPECT_EQ(incomplete_.size(), 1U);
}

}  // namespace
}  // namespace cleave
