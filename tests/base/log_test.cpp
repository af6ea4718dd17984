// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace cleave
