// SPDX-License-Identifier: Apache-2.0
// Options and files that make no sense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "tests/command/run.h"
#include "tests/machine.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using testing::Cleave;
using testing::Machine;
using testing::Result;

TEST(Options, EmptyOptions) {
  const std::pair<const char*, const char*> kOptions[] = {{"plan", "--root"},
                                                          {"plan", "--config"},
                                                          {"plan", "--profile"},
                                                          {"plan", "--profile-dir"},
                                                          {"plan", "--node-name"},
                                                          {"serve", "--kubelet-dir"},
                                                          {"serve", "--cdi-dir"},
                                                          {"serve", "--http"},
                                                          {"capture", "file"},
                                                          {"prefer x -n 1", "--available"},
                                                          {"prefer x -n 1", "--must-include"}};
  for (const auto& [command, option] : kOptions) {
    const std::string name = option;
    Result empty = Cleave(std::string(command) + (name == "file" ? "" : " " + name) + " ''");
    EXPECT_EQ(empty.code, 2) << name;
    EXPECT_THAT(empty.err, HasSubstr(name + ": must not be empty"));
  }
  for (const char* dir : {"--kubelet-dir", "--cdi-dir"}) {
    Result file = Cleave(std::string("serve ") + dir + " /etc/passwd/x");
    EXPECT_EQ(file.code, 2);
    EXPECT_THAT(file.err, HasSubstr("/etc/passwd is not a directory"));
  }
}

TEST(Options, NumbersSayWhatTheyMustBe) {
  struct Case {
    const char* arguments;
    const char* error;
  };
  for (const Case& one :
       {Case{"prefer x -n two", "--size: must be a whole number from 1 to 1000000, not 'two'"},
        Case{"prefer x -n 0", "--size: must be a whole number from 1 to 1000000, not '0'"},
        Case{"prefer x -n 1.5", "not '1.5'"},
        Case{"prefer x -n 1 --budget -1",
             "--budget: must be a whole number from 0 to 1099511627776, not '-1'"}}) {
    const Result wrong = Cleave(one.arguments);
    EXPECT_EQ(wrong.code, 2) << one.arguments;
    EXPECT_THAT(wrong.err, HasSubstr(one.error));
  }
}

TEST(Options, ACapturedMachineGoesBehindRoot) {
  const std::string archive = testing::SourcePath("tests/machines/tt-1numa.tar.zst");
  for (const std::string command : {"plan", "check", "prefer x -n 1", "topology --matrix"}) {
    const Result wrong = Cleave(command + " " + archive);
    EXPECT_EQ(wrong.code, 2) << command;
    EXPECT_THAT(wrong.err, HasSubstr("To look at a captured machine: --root " + archive + "\n")) << command;
  }
  EXPECT_THAT(Cleave("plan nosuch.tar.gz").err, HasSubstr("--root nosuch.tar.gz"));
  EXPECT_THAT(Cleave("plan nosuch").err, Not(HasSubstr("--root nosuch")));
}

// Configuration and roots that are no files: what would be waited for, or never ends.
TEST(Options, OnlyFilesAreRead) {
  testing::TempDir dir;
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  testing::WriteFile(dir / "long.tar", "");
  std::filesystem::resize_file(dir / "long.tar", uint64_t{20} << 30);
  testing::WriteFile(dir / "links.toml", "[[links]]\nsource = \"matrix\"\npath = \"" + fifo + "\"\n");
  const std::string machine = Machine("tt-1numa");
  for (const std::string& path : {fifo, std::string("/dev/zero")}) {
    EXPECT_THAT(Cleave("check --config " + path + machine).err,
                HasSubstr(path + ": cannot be read: not a regular file"));
    EXPECT_THAT(Cleave("check --profile " + path + machine).err, HasSubstr("not a regular file"));
    EXPECT_THAT(Cleave("plan --root " + path).err, HasSubstr(path + ": cannot be read: not a regular file"));
  }
  EXPECT_EQ(Cleave("check --config /dev/null" + machine).code, 0);
  EXPECT_THAT(Cleave("plan --root " + (dir / "long.tar")).err, HasSubstr("longer than 268435456 bytes"));
  EXPECT_THAT(Cleave("check --config " + (dir / "links.toml") + machine).err,
              HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace cleave
