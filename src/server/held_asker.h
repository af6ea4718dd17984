// SPDX-License-Identifier: Apache-2.0
// When the kubelet is asked which devices pods hold.
#ifndef CLEAVE_SERVER_HELD_ASKER_H_
#define CLEAVE_SERVER_HELD_ASKER_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/event_loop.h"
#include "server/kubelet_client.h"

namespace cleave {

// One question at a time: asked when a kubelet appears and some times after, whenever Ask() says so, and as
// often as `every` wants as long as it wants.
//
// Threads: the loop's only.
class HeldAsker {
 public:
  using Clock = EventLoop::Clock;
  struct Hooks {
    // The kubelet's answer to a question asked at `asked`; `incomplete` while it may not know all its pods.
    std::function<void(const absl::StatusOr<HeldIds>& held, Clock::time_point asked, bool incomplete)>
        answered;
    // How long until the next question; none while nothing waits for one.
    std::function<std::optional<std::chrono::milliseconds>()> every;
  };

  HeldAsker(EventLoop& loop, KubeletClient& client, Hooks hooks);
  HeldAsker(const HeldAsker&) = delete;
  HeldAsker& operator=(const HeldAsker&) = delete;
  ~HeldAsker();

  // `started`: it has just started and does not know its pods yet; one that runs since before us knows them.
  void KubeletAppeared(bool started);

  // Asks now. If a question is under way its answer may be older than what happened since, so it is asked
  // once more after it.
  void Ask();

  // Soon: what Allocate gave is listed by then, so that it can be seen when it is free.
  void AskSoon();

  // As `every` says, unless a question is due already.
  void AskLater();

 private:
  void AskUnlessAsking();
  void AskIn(std::chrono::milliseconds delay);
  void Answered(const absl::StatusOr<HeldIds>& held, Clock::time_point asked);

  EventLoop& loop_;
  KubeletClient& client_;
  const Hooks hooks_;
  EventLoop::TimerId timer_ = 0;
  std::vector<EventLoop::TimerId> after_start_;
  std::optional<Clock::time_point> started_;  // when the kubelet did
  bool asking_ = false;
  bool again_ = false;
  std::string problem_;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_HELD_ASKER_H_
