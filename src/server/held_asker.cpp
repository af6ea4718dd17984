// SPDX-License-Identifier: Apache-2.0
#include "server/held_asker.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/status.h"
#include "server/event_loop.h"
#include "server/kubelet_client.h"

namespace cleave {
namespace {

// So long a kubelet that has just started may not know all its pods.
constexpr std::chrono::seconds kKubeletStarts{10};
// It is therefore asked again after it appeared.
constexpr std::chrono::seconds kAskAfter[] = {std::chrono::seconds(1), std::chrono::seconds(5),
                                              std::chrono::seconds(20), std::chrono::seconds(60)};
constexpr std::chrono::milliseconds kSoon{100};

}  // namespace

HeldAsker::HeldAsker(EventLoop& loop, KubeletClient& client, Hooks hooks)
    : loop_(loop), client_(client), hooks_(std::move(hooks)) {}

HeldAsker::~HeldAsker() {
  loop_.Cancel(timer_);
  for (EventLoop::TimerId timer : after_start_) loop_.Cancel(timer);
}

void HeldAsker::KubeletAppeared(bool started) {
  if (started) started_ = Clock::now();
  AskUnlessAsking();
  for (EventLoop::TimerId timer : std::exchange(after_start_, {})) loop_.Cancel(timer);
  for (std::chrono::seconds delay : kAskAfter) {
    after_start_.push_back(loop_.RunAfter(delay, [this] { AskUnlessAsking(); }));
  }
}

void HeldAsker::Ask() {
  again_ = asking_;
  AskUnlessAsking();
}

void HeldAsker::AskSoon() {
  loop_.Cancel(timer_);
  AskIn(kSoon);
}

void HeldAsker::AskLater() {
  if (timer_ != 0) return;
  if (std::optional<std::chrono::milliseconds> delay = hooks_.every()) AskIn(*delay);
}

void HeldAsker::AskIn(std::chrono::milliseconds delay) {
  timer_ = loop_.RunAfter(delay, [this] {
    timer_ = 0;
    AskUnlessAsking();
  });
}

void HeldAsker::AskUnlessAsking() {
  if (std::exchange(asking_, true)) return;
  loop_.Cancel(std::exchange(timer_, 0));
  client_.ListHeld(
      [this, asked = Clock::now()](const absl::StatusOr<HeldIds>& held) { Answered(held, asked); });
}

void HeldAsker::Answered(const absl::StatusOr<HeldIds>& held, Clock::time_point asked) {
  asking_ = false;
  std::string problem = held.ok() ? "" : MessageOf(held.status());
  if (!problem.empty() && problem != problem_) {
    Log(LogLevel::kDebug, "cannot ask which devices pods hold", {{"reason", problem}});
  }
  problem_ = std::move(problem);
  hooks_.answered(held, asked, started_ && asked - *started_ < kKubeletStarts);
  AskLater();
  if (std::exchange(again_, false)) Ask();
}

}  // namespace cleave
