// SPDX-License-Identifier: Apache-2.0
#include "base/recording_root.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/archive.h"
#include "base/memory_root.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Shown(const RecordingRoot& root) {
  std::vector<std::string> shown;
  for (const ArchiveEntry& entry : root.Entries()) {
    const std::string sign = entry.kind == FileKind::kSymlink ? " -> " : " = ";
    shown.push_back(entry.path + (entry.kind == FileKind::kDirectory ? "/" : sign + entry.content));
  }
  return shown;
}

TEST(RecordingRoot, NotesWhatWasAskedAndNoMore) {
  MemoryRoot machine;
  machine.AddFile("sys/devices/a/serial", "42");
  machine.AddFile("sys/devices/a/secret", "no");
  machine.AddLink("sys/class/x/x0", "../../devices/a");
  RecordingRoot seen(machine);
  EXPECT_EQ(seen.Read("sys/class/x/x0/serial", 64).value(), "42");
  EXPECT_THAT(Shown(seen),
              ElementsAre("sys/", "sys/class/", "sys/class/x/", "sys/class/x/x0 -> ../../devices/a",
                          "sys/devices/", "sys/devices/a/", "sys/devices/a/serial = 42"));
  // The longest look counts.
  EXPECT_EQ(seen.Read("sys/devices/a/serial", 1).value(), "4");
  EXPECT_THAT(Shown(seen), ::testing::Contains("sys/devices/a/serial = 42"));
}

TEST(RecordingRoot, NamesOfAFolder) {
  MemoryRoot machine;
  machine.AddFile("dev/a", "text");
  machine.AddLink("dev/gone", "/run/nothing");
  machine.AddDirectory("dev/b");
  RecordingRoot seen(machine);
  EXPECT_THAT(seen.List("dev").value(), ElementsAre("a", "b", "gone"));
  EXPECT_THAT(Shown(seen), ElementsAre("dev/", "dev/a = ", "dev/b/", "dev/gone -> /run/nothing"));
}

TEST(RecordingRoot, WhatIsNotThereStaysAway) {
  MemoryRoot machine;
  machine.AddLink("sys/round", "about");
  machine.AddLink("sys/about", "round");
  RecordingRoot seen(machine);
  EXPECT_FALSE(seen.Stat("sys/nothing/at/all").ok());
  EXPECT_FALSE(seen.Exists("sys/round"));
  EXPECT_THAT(Shown(seen), ElementsAre("sys/", "sys/about -> round", "sys/round -> about"));
}

// The table of mounts tells of everything; one line of it is enough.
TEST(RecordingRoot, MountsAreNotNoted) {
  MemoryRoot machine;
  machine.AddFile("proc/mounts", "none /secret nfs rw 0 0\nnone /dev/hugepages hugetlbfs rw 0 0\n");
  machine.AddDirectory("dev/hugepages");
  RecordingRoot seen(machine);
  EXPECT_EQ(seen.MountTypeAt("dev/hugepages").value(), "hugetlbfs");
  EXPECT_THAT(Shown(seen), ElementsAre("dev/", "dev/hugepages/"));
  EXPECT_THAT(seen.huge_mounts(), ElementsAre("/dev/hugepages"));
}

}  // namespace
}  // namespace cleave
