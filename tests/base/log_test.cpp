// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace cleave {
namespace {

using ::testing::HasSubstr;

TEST(Log, JsonIsOneObjectALineWhateverIsInIt) {
  SetUpLog(LogFormat::kJson, LogLevel::kInfo);
  ::testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "said \"so\"", {{"card", "0000:31:00.0"}, {"text", "a\nb\\\xff"}});
  Log(LogLevel::kDebug, "not shown");
  std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(line,
              HasSubstr(R"("level":"info","msg":"said \"so\"","card":"0000:31:00.0","text":"a\nb\\�"})"));
  EXPECT_EQ(line.find("not shown"), std::string::npos);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  SetUpLog(LogFormat::kText, LogLevel::kInfo);
}

TEST(Log, TextQuotesWhatHasBlanks) {
  SetUpLog(LogFormat::kText, LogLevel::kDebug);
  ::testing::internal::CaptureStderr();
  Log(LogLevel::kDebug, "started", {{"root", "/"}, {"why", "two words"}});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(R"(started root=/ why="two words")"));
  EXPECT_TRUE(LogEnabled(LogLevel::kDebug));
  SetUpLog(LogFormat::kText, LogLevel::kInfo);
  EXPECT_FALSE(LogEnabled(LogLevel::kDebug));
}

// As a reload does, while other threads log. Each line is whole and of one format.
TEST(Log, TheFormatMayChangeWhileOthersLog) {
  constexpr int kThreads = 3;
  constexpr int kLines = 2000;
  ::testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (int line = 0; line < kLines; ++line) Log(LogLevel::kInfo, "said", {{"by", "one"}});
    });
  }
  for (int i = 0; i < kLines; ++i)
    SetUpLog(i % 2 == 0 ? LogFormat::kJson : LogFormat::kText, LogLevel::kInfo);
  for (std::thread& thread : threads) thread.join();
  SetUpLog(LogFormat::kText, LogLevel::kInfo);
  std::istringstream lines(::testing::internal::GetCapturedStderr());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const bool json =
        line.starts_with("{\"time\":\"20") && line.ends_with(R"("level":"info","msg":"said","by":"one"})");
    const bool text = line.starts_with("20") && line.ends_with(" info    said by=one");
    EXPECT_TRUE(json || text) << line;
  }
  EXPECT_EQ(count, kThreads * kLines);
}

}  // namespace
}  // namespace cleave
