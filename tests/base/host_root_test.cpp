// SPDX-License-Identifier: Apache-2.0
// One contract for both kinds of root: a directory and a tree in memory must answer alike.
#include "base/host_root.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "base/directory_root.h"
#include "base/memory_root.h"
#include "tests/machine.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
namespace fs = std::filesystem;

class HostRootContract : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      auto memory = std::make_unique<MemoryRoot>();
      memory->AddFile("sys/devices/pci0000:30/card/serial", "0100\n");
      memory->AddFile("sys/devices/pci0000:30/card/hwmon/hwmon7/temp", "42");
      memory->AddLink("sys/class/x/x!0", "../../devices/pci0000:30/card");
      memory->AddLink("sys/absolute", "/sys/devices");
      memory->AddLink("sys/dangling", "nowhere");
      memory->AddLink("sys/loop", "loop");
      memory->AddFile("proc/mounts", "none /dev/huge hugetlbfs rw 0 0\n");
      memory->AddDirectory("dev/huge");
      root_ = std::move(memory);
      return;
    }
    testing::WriteFile(dir_ / "sys/devices/pci0000:30/card/serial", "0100\n");
    testing::WriteFile(dir_ / "sys/devices/pci0000:30/card/hwmon/hwmon7/temp", "42");
    fs::create_directories(dir_ / "sys/class/x");
    fs::create_symlink("../../devices/pci0000:30/card", dir_ / "sys/class/x/x!0");
    fs::create_symlink("/sys/devices", dir_ / "sys/absolute");
    fs::create_symlink("nowhere", dir_ / "sys/dangling");
    fs::create_symlink("loop", dir_ / "sys/loop");
    testing::WriteFile(dir_ / "proc/mounts", "none /dev/huge hugetlbfs rw 0 0\n");
    fs::create_directories(dir_ / "dev/huge");
    auto opened = DirectoryRoot::Open(dir_.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    root_ = *std::move(opened);
  }

  testing::TempDir dir_;
  std::unique_ptr<HostRoot> root_;
};

TEST_P(HostRootContract, ReadsThroughLinks) {
  EXPECT_EQ(root_->ReadText("/sys/class/x/x!0/serial").value(), "0100");
  EXPECT_EQ(root_->ReadText("sys/absolute/pci0000:30/card/serial").value(), "0100");
  EXPECT_EQ(root_->Read("sys/class/x/x!0/serial", 2).value(), "01");
}

TEST_P(HostRootContract, NeverLeavesTheRoot) {
  EXPECT_EQ(root_->ReadText("../../../../sys/class/x/x!0/serial").value(), "0100");
  EXPECT_TRUE(absl::IsNotFound(root_->Read("../../../../etc/passwd").status()));
}

TEST_P(HostRootContract, SaysWhatIsMissing) {
  absl::Status status = root_->Read("sys/class/x/x!1/serial").status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/sys/class/x/x!1/serial"));
  EXPECT_FALSE(root_->Exists("sys/dangling"));
  EXPECT_FALSE(root_->Exists("sys/loop"));
  EXPECT_FALSE(root_->Read("sys/class").ok());
  EXPECT_FALSE(root_->List("sys/class/x/x!0/serial").ok());
}

TEST_P(HostRootContract, LinksAreReadAndResolved) {
  EXPECT_EQ(root_->ReadLink("sys/class/x/x!0").value(), "../../devices/pci0000:30/card");
  EXPECT_TRUE(absl::IsInvalidArgument(root_->ReadLink("sys/class/x").status()));
  EXPECT_TRUE(absl::IsNotFound(root_->ReadLink("sys/class/y").status()));
  EXPECT_EQ(root_->ReadLink("sys/dangling").value(), "nowhere");
  EXPECT_EQ(root_->Resolve("sys/class/x/x!0/serial").value(), "sys/devices/pci0000:30/card/serial");
  EXPECT_EQ(root_->Resolve("sys/class/x/x!0/..").value(), "sys/devices/pci0000:30");
  EXPECT_FALSE(root_->Resolve("sys/loop").ok());
}

TEST_P(HostRootContract, ListsAndGlobs) {
  EXPECT_THAT(root_->List("/").value(), ElementsAre("dev", "proc", "sys"));
  EXPECT_THAT(root_->List("sys/class/x").value(), ElementsAre("x!0"));
  EXPECT_THAT(root_->Glob("sys/class/x/*/hwmon/hwmon*/temp"),
              ElementsAre("sys/class/x/x!0/hwmon/hwmon7/temp"));
  EXPECT_THAT(root_->Glob("sys/class/y/*"), ElementsAre());
}

TEST_P(HostRootContract, KnowsWhatIsMounted) {
  EXPECT_EQ(root_->MountTypeAt("/dev/huge").value(), "hugetlbfs");
  EXPECT_EQ(root_->MountTypeAt("/dev").value_or("none"), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, HostRootContract, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Memory" : "Directory"; });

TEST(MemoryRoot, AFileMayFailAsADriversAttributeDoes) {
  MemoryRoot root;
  root.AddFailingFile("sys/a", absl::UnavailableError("No data available"));
  EXPECT_TRUE(absl::IsUnavailable(root.Read("sys/a", 10).status()));
  root.Remove("sys");
  EXPECT_TRUE(absl::IsNotFound(root.Read("sys/a", 10).status()));
}

TEST(Paths, AreNormalisedTextually) {
  EXPECT_EQ(NormalPath("/a/./b//../c/"), "a/c");
  EXPECT_EQ(NormalPath("../.."), "");
  EXPECT_EQ(LinkTarget("sys/bus/pci/devices/x", "../../../devices/pci0000:00/x"), "sys/devices/pci0000:00/x");
  EXPECT_EQ(LinkTarget("sys/a", "/dev/b"), "dev/b");
  EXPECT_EQ(BaseName("a/b/"), "b");
}

// To open a device node may do something to the device. A FIFO stands for it: anybody may make one.
TEST(DirectoryRoot, OpensNothingButFiles) {
  testing::TempDir dir;
  testing::WriteFile(dir / "sys/file", "text");
  ASSERT_EQ(mkfifo((dir / "sys/node").c_str(), 0600), 0);
  fs::create_symlink("node", dir / "sys/link");
  auto root = DirectoryRoot::Open(dir.path());
  ASSERT_TRUE(root.ok()) << root.status();
  const int opened = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(opened, 0);
  ASSERT_GE(inotify_add_watch(opened, (dir / "sys").c_str(), IN_OPEN), 0);
  for (const char* path : {"sys/node", "sys/link", "sys"}) {
    const absl::Status status = (*root)->Read(path, 10).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  }
  std::array<char, 4096> events = {};
  EXPECT_EQ(read(opened, events.data(), events.size()), -1) << "something was opened";
  EXPECT_EQ((*root)->Read("sys/file", 10).value(), "text");
  EXPECT_GT(read(opened, events.data(), events.size()), 0) << "what is opened is noticed";
  close(opened);
}

TEST(OpenHostRoot, SaysWhatItCannotOpen) {
  testing::TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(OpenHostRoot(dir / "nothing").status()));
  testing::WriteFile(dir / "text.tar", "this is no archive");
  EXPECT_FALSE(OpenHostRoot(dir / "text.tar").ok());
}

}  // namespace
}  // namespace cleave
