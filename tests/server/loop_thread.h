// SPDX-License-Identifier: Apache-2.0
// An event loop that turns on a thread of its own, beside the test.
#ifndef CLEAVE_TESTS_SERVER_LOOP_THREAD_H_
#define CLEAVE_TESTS_SERVER_LOOP_THREAD_H_

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "server/event_loop.h"

namespace cleave::testing {

// What a test waits for at most. Never what it waits usually.
inline constexpr std::chrono::seconds kPatience{20};

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.Run(); }) {}
  ~LoopThread() {
    loop_.Post([this] { loop_.Quit(); });
    thread_.join();
  }
  EventLoop& loop() { return loop_; }

  // Runs `work` on the loop's thread and waits for it.
  template <typename Work>
  auto Do(Work work) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto result = task.get_future();
    loop_.Post([&task] { task(); });
    return result.get();
  }

 private:
  EventLoop loop_;
  std::thread thread_;
};

// A number that one thread sets and another waits for.
class Count {
 public:
  void Add(int n = 1) {
    std::lock_guard lock(mutex_);
    value_ += n;
    changed_.notify_all();
  }
  int value() {
    std::lock_guard lock(mutex_);
    return value_;
  }
  bool Await(int at_least) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return value_ >= at_least; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int value_ = 0;
};

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_SERVER_LOOP_THREAD_H_
