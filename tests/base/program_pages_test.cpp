// SPDX-License-Identifier: Apache-2.0
#include "base/program_pages.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>

namespace cleave {
namespace {

// kB of the pages of files that cannot be written to (proc_pid_smaps(5)).
long ResidentOfPrograms() {
  std::ifstream smaps("/proc/self/smaps");
  const std::regex mapping("^[0-9a-f]+-[0-9a-f]+ (....) .*");
  long sum = 0;
  bool counts = false;
  for (std::string line; std::getline(smaps, line);) {
    std::smatch match;
    if (std::regex_match(line, match, mapping)) {
      counts = match[1].str()[1] == '-' && line.find(" /") != std::string::npos;
    } else if (counts && line.starts_with("Rss:")) {
      sum += std::stol(line.substr(4));
    }
  }
  return sum;
}

TEST(ProgramPages, WhatIsNotUsedIsNotResident) {
  (void)ResidentOfPrograms();  // what counts is resident from here on
  const long all = ResidentOfPrograms();
  DropUnusedPages();
  const long kept = ResidentOfPrograms();
  EXPECT_LT(kept, all);
  // And all that ran before still runs.
  EXPECT_TRUE(std::regex_match("0000:01:00.0", std::regex("[0-9a-f:.]+")));
}

}  // namespace
}  // namespace cleave
