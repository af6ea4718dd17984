// SPDX-License-Identifier: Apache-2.0
#include "server/event_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/loop_thread.h"

namespace cleave {
namespace {

using std::chrono::milliseconds;

TEST(EventLoop, TimersRunInTheOrderOfTheirTimes) {
  EventLoop loop;
  std::string order;
  auto now = EventLoop::Clock::now();
  loop.RunAt(now + milliseconds(20), [&] {
    order += "c";
    loop.Quit();
  });
  loop.RunAt(now + milliseconds(10), [&] { order += "b"; });
  loop.RunAt(now, [&] { order += "a"; });
  EventLoop::TimerId never = loop.RunAt(now + milliseconds(5), [&] { order += "x"; });
  loop.Cancel(never);
  loop.Cancel(never);
  loop.Cancel(0);
  loop.Run();
  EXPECT_EQ(order, "abc");
  EXPECT_GE(EventLoop::Clock::now() - now, milliseconds(20));
}

// A timer that sets itself again for now does not keep the others from running.
TEST(EventLoop, NoTimerStarvesTheRest) {
  EventLoop loop;
  int turns = 0;
  std::function<void()> again = [&] {
    ++turns;
    loop.RunAfter(milliseconds(0), again);
  };
  again();
  bool task = false;
  loop.Post([&] { task = true; });
  EXPECT_TRUE(
      loop.RunUntil(EventLoop::Clock::now() + testing::kPatience, [&] { return task && turns > 10; }));
}

TEST(EventLoop, TasksOfManyThreadsAllRun) {
  EventLoop loop;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) loop.Post([&] { ++count; });
    });
  }
  EXPECT_TRUE(loop.RunUntil(EventLoop::Clock::now() + testing::kPatience, [&] { return count == 4000; }));
  for (std::thread& thread : threads) thread.join();
}

TEST(EventLoop, WatchesDescriptors) {
  EventLoop loop;
  std::array<int, 2> ends;
  ASSERT_EQ(pipe(ends.data()), 0);
  int reads = 0;
  loop.Watch(ends[0], [&] {
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    if (++reads == 2) loop.Unwatch(ends[0]);
  });
  ASSERT_EQ(write(ends[1], "abc", 3), 3);
  EXPECT_FALSE(loop.RunUntil(EventLoop::Clock::now() + milliseconds(50), [&] { return reads > 2; }));
  EXPECT_EQ(reads, 2);
  close(ends[0]);
  close(ends[1]);
}

TEST(EventLoop, RunUntilEndsInTime) {
  EventLoop loop;
  auto start = EventLoop::Clock::now();
  EXPECT_FALSE(loop.RunUntil(start + milliseconds(30), [] { return false; }));
  EXPECT_GE(EventLoop::Clock::now() - start, milliseconds(30));
}

TEST(EventLoop, KnowsHowLongItIsBusy) {
  testing::LoopThread thread;
  thread.Do([] {});
  milliseconds busy = thread.Do([&] {
    std::this_thread::sleep_for(milliseconds(30));
    return thread.loop().BusyFor();
  });
  EXPECT_GE(busy, milliseconds(25));
}

}  // namespace
}  // namespace cleave
