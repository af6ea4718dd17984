// SPDX-License-Identifier: Apache-2.0
#include "base/archive.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/host_root.h"
#include "base/status.h"
#include "tests/machine.h"

namespace cleave {
namespace {

TEST(Archive, WhatIsWrittenIsReadBack) {
  testing::TempDir dir;
  std::vector<ArchiveEntry> entries = {{"sys/a", FileKind::kDirectory, ""},
                                       {"sys/a/b", FileKind::kRegular, "text\n"},
                                       {"sys/a/empty", FileKind::kRegular, ""},
                                       {"sys/link", FileKind::kSymlink, "a/b"},
                                       {"dev/x0", FileKind::kCharDevice, ""}};
  for (const char* name : {"m.tar", "m.tar.gz", "m.tar.zst"}) {
    absl::Status written = WriteArchive(dir / name, "m", entries);
    ASSERT_TRUE(written.ok()) << written;
    auto root = OpenHostRoot(dir / name);
    ASSERT_TRUE(root.ok()) << root.status();
    EXPECT_EQ((*root)->Read("sys/link").value(), "text\n") << name;
    EXPECT_EQ((*root)->Read("sys/a/empty").value(), "") << name;
    EXPECT_EQ((*root)->ReadLink("sys/link").value(), "a/b") << name;
    EXPECT_TRUE((*root)->Exists("dev/x0")) << name;
    EXPECT_FALSE((*root)->live());
  }
}

TEST(Archive, EqualMachinesGiveEqualBytes) {
  testing::TempDir dir;
  for (const char* name : {"1.tar.zst", "2.tar.zst"}) {
    ASSERT_TRUE(WriteArchive(dir / name, "m", {{"sys/a", FileKind::kRegular, "text"}}).ok());
  }
  EXPECT_EQ(testing::ReadFileOrDie(dir / "1.tar.zst"), testing::ReadFileOrDie(dir / "2.tar.zst"));
}

TEST(Archive, TheRootIsOneFolder) {
  testing::TempDir dir;
  ASSERT_TRUE(WriteArchive(dir / "m.tar", ".",
                           {{"one/a", FileKind::kRegular, "1"}, {"two/b", FileKind::kRegular, "2"}})
                  .ok());
  absl::Status two = OpenHostRoot(dir / "m.tar").status();
  EXPECT_EQ(two.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(two.message()).find("holds one and two at its top"), std::string::npos) << two;
}

// tar cf flat.tar sys
TEST(Archive, TheTopFolderIsNotTheMachineItself) {
  testing::TempDir dir;
  for (const char* top : {"sys", "dev", "proc"}) {
    ASSERT_TRUE(WriteArchive(dir / "flat.tar", top, {{"a", FileKind::kRegular, "1"}}).ok());
    absl::Status flat = OpenHostRoot(dir / "flat.tar").status();
    EXPECT_EQ(flat.code(), absl::StatusCode::kInvalidArgument) << flat;
    EXPECT_NE(std::string(flat.message()).find("where one folder should be"), std::string::npos) << flat;
  }
}

TEST(Archive, WhyItCannotBeWritten) {
  EXPECT_EQ(MessageOf(WriteArchive("/nowhere/m.tar", "m", {})),
            "/nowhere/m.tar: cannot be written: No such file or directory");
}

TEST(Archive, BrokenOnesAreRefused) {
  std::string bytes =
      testing::ReadFileOrDie(testing::SourcePath("tests/machines/tenstorrent-4x-n300.tar.zst"));
  EXPECT_TRUE(ReadArchiveBytes(bytes, "whole").ok());
  absl::Status cut = ReadArchiveBytes(bytes.substr(0, bytes.size() / 2), "half.tar.zst").status();
  EXPECT_FALSE(cut.ok());
  EXPECT_NE(std::string(cut.message()).find("half.tar.zst"), std::string::npos) << cut;
  EXPECT_FALSE(ReadArchiveBytes("", "empty").ok());
}

}  // namespace
}  // namespace cleave
