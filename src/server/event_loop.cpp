// SPDX-License-Identifier: Apache-2.0
#include "server/event_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace cleave {
namespace {

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(EventLoop::Clock::now().time_since_epoch())
      .count();
}

// What poll(2) wants: never early, so rounded up; -1 is for ever.
int PollTimeout(EventLoop::Clock::time_point until, EventLoop::Clock::time_point now) {
  if (until == EventLoop::Clock::time_point::max()) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

}  // namespace

EventLoop::EventLoop() : wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

EventLoop::~EventLoop() { close(wake_fd_); }

void EventLoop::Watch(int fd, Task readable) { watched_[fd] = std::move(readable); }

void EventLoop::Unwatch(int fd) { watched_.erase(fd); }

EventLoop::TimerId EventLoop::RunAt(Clock::time_point when, Task task) {
  TimerId id = ++last_timer_;
  timers_.emplace(std::pair(when, id), std::move(task));
  timer_times_.emplace(id, when);
  return id;
}

void EventLoop::Cancel(TimerId id) {
  auto found = timer_times_.find(id);
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, id});
  timer_times_.erase(found);
}

void EventLoop::Post(Task task) {
  bool first;
  {
    MutexLock lock(mutex_);
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  // One byte is enough for all tasks that are taken together.
  if (first) (void)eventfd_write(wake_fd_, 1);
}

void EventLoop::Run() {
  quit_ = false;
  while (!quit_) Turn(Clock::time_point::max());
}

bool EventLoop::RunUntil(Clock::time_point deadline, const std::function<bool()>& done) {
  while (!done() && Clock::now() < deadline) Turn(deadline);
  return done();
}

void EventLoop::Turn(Clock::time_point deadline) {
  std::vector<pollfd> fds = {{.fd = wake_fd_, .events = POLLIN, .revents = 0}};
  for (const auto& [fd, task] : watched_) fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  if (!timers_.empty()) deadline = std::min(deadline, timers_.begin()->first.first);
  busy_since_ms_ = 0;
  int ready = poll(fds.data(), fds.size(), PollTimeout(deadline, Clock::now()));
  busy_since_ms_ = NowMs();
  if (ready > 0) {
    if (fds[0].revents != 0) {
      eventfd_t count;
      (void)eventfd_read(wake_fd_, &count);
    }
    for (size_t i = 1; i < fds.size(); ++i) {
      if (fds[i].revents == 0) continue;
      auto found = watched_.find(fds[i].fd);  // an earlier one may have removed it
      if (found == watched_.end()) continue;
      Task task = found->second;  // a copy: it may unwatch itself
      task();
    }
  }
  RunTasks();
  RunTimers();
  busy_since_ms_ = 0;
}

void EventLoop::RunTasks() {
  std::vector<Task> tasks;
  {
    MutexLock lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) task();
}

void EventLoop::RunTimers() {
  // Timers that these set for now run in the next turn, so that one of them cannot starve the rest.
  TimerId last = last_timer_;
  Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now && timers_.begin()->first.second <= last) {
    auto node = timers_.extract(timers_.begin());
    timer_times_.erase(node.key().second);
    node.mapped()();
  }
}

std::chrono::milliseconds EventLoop::BusyFor() const {
  int64_t since = busy_since_ms_;
  return std::chrono::milliseconds(since == 0 ? 0 : std::max<int64_t>(0, NowMs() - since));
}

}  // namespace cleave
