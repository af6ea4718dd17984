// SPDX-License-Identifier: Apache-2.0
// The one loop of the main thread: file descriptors, timers and tasks from other threads, over poll(2).
#ifndef CLEAVE_SERVER_EVENT_LOOP_H_
#define CLEAVE_SERVER_EVENT_LOOP_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace cleave {

// Runs everything that owns state. What is called from here must not block for long.
//
// Ownership: keeps the functions it is given until they are removed or have run; closes no descriptor of
// others. Threads: Post() and BusyFor() may be called from any thread, everything else from the loop's own.
class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;
  using TimerId = uint64_t;  // never 0

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  // Calls `readable` whenever `fd` can be read. One function for each descriptor.
  void Watch(int fd, Task readable);
  void Unwatch(int fd);

  // Runs `task` once, not before `when`.
  TimerId RunAt(Clock::time_point when, Task task);
  TimerId RunAfter(Clock::duration delay, Task task) { return RunAt(Clock::now() + delay, std::move(task)); }
  // Nothing happens when the timer has run or `id` is 0.
  void Cancel(TimerId id);

  // Runs `task` on the loop's thread, in the order of the calls. Before Run() and after it, tasks wait.
  void Post(Task task);

  // Turns until Quit().
  void Run();
  void Quit() { quit_ = true; }

  // Turns until `done` holds or `deadline` has passed. Returns what `done` says then. May be used when Run()
  // is over.
  bool RunUntil(Clock::time_point deadline, const std::function<bool()>& done);

  // How long the loop has been at what it does now; zero while it waits for events or does not run.
  std::chrono::milliseconds BusyFor() const;

 private:
  void Turn(Clock::time_point deadline);
  void RunTasks();
  void RunTimers();

  int wake_fd_;
  bool quit_ = false;
  std::map<int, Task> watched_;
  std::map<std::pair<Clock::time_point, TimerId>, Task> timers_;
  std::map<TimerId, Clock::time_point> timer_times_;
  TimerId last_timer_ = 0;
  std::atomic<int64_t> busy_since_ms_{0};  // 0: waiting

  Mutex mutex_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_EVENT_LOOP_H_
