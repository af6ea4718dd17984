// SPDX-License-Identifier: Apache-2.0
#include "server/file_watcher.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "server/event_loop.h"
#include "tests/machine.h"
#include "tests/server/loop_thread.h"

namespace cleave {
namespace {

using testing::TempDir;
using testing::WriteFile;

class FileWatcherTest : public ::testing::Test {
 protected:
  void Watch(std::vector<FileWatcher::Want> wants) {
    watcher_.Watch("test", std::move(wants),
                   [this](const FileWatcher::Change& change) { changes_.push_back(change); });
  }
  // Names of changes, until `name` is among them.
  bool Await(const std::string& name) {
    return loop_.RunUntil(EventLoop::Clock::now() + testing::kPatience, [&] { return Saw(name); });
  }
  bool Saw(const std::string& name) const {
    for (const FileWatcher::Change& change : changes_) {
      if (change.name == name) return true;
    }
    return false;
  }
  // Lets everything that has happened so far be told.
  void Settle() {
    WriteFile(marker_ / "marker", "");
    bool seen = false;
    watcher_.Watch("marker", {{marker_.path(), {}, false}}, [&](const FileWatcher::Change&) { seen = true; });
    WriteFile(marker_ / "marker2", "");
    EXPECT_TRUE(loop_.RunUntil(EventLoop::Clock::now() + testing::kPatience, [&] { return seen; }));
    watcher_.Watch("marker", {}, [](const FileWatcher::Change&) {});
    std::filesystem::remove(marker_ / "marker2");
  }

  TempDir dir_;
  TempDir marker_;
  EventLoop loop_;
  FileWatcher watcher_{loop_};
  std::vector<FileWatcher::Change> changes_;
};

TEST_F(FileWatcherTest, TellsWhatComesAndGoes) {
  Watch({{dir_.path(), {}, false}});
  WriteFile(dir_ / "a", "");
  ASSERT_TRUE(Await("a"));
  EXPECT_TRUE(changes_.front().created);
  EXPECT_EQ(changes_.front().directory, dir_.path());
  changes_.clear();
  std::filesystem::rename(dir_ / "a", dir_ / "b");
  ASSERT_TRUE(Await("b"));
  EXPECT_EQ(changes_.front().name, "a");
  EXPECT_FALSE(changes_.front().created);
}

TEST_F(FileWatcherTest, PassesOverOtherNames) {
  Watch({{dir_.path(), {"kubelet.sock", "cleave-"}, false}});
  WriteFile(dir_ / "kubelet_internal_checkpoint", "");
  WriteFile(dir_ / "cleave-x", "");
  ASSERT_TRUE(Await("cleave-x"));
  EXPECT_FALSE(Saw("kubelet_internal_checkpoint"));
}

TEST_F(FileWatcherTest, ContentsOnlyWhereWanted) {
  WriteFile(dir_ / "a", "1");
  Watch({{dir_.path(), {}, false}});
  WriteFile(dir_ / "a", "2");
  Settle();
  EXPECT_FALSE(Saw("a"));
  Watch({{dir_.path(), {}, true}});
  WriteFile(dir_ / "a", "3");
  EXPECT_TRUE(Await("a"));
}

// The directory is three levels below what exists; it is found as soon as it is made, and again after it was
// replaced.
TEST_F(FileWatcherTest, FindsADirectoryThatComesLater) {
  std::string deep = dir_ / "one/two/three";
  Watch({{deep, {}, false}});
  EXPECT_TRUE(changes_.empty()) << "what is there at first is no news";
  std::filesystem::create_directories(deep);
  ASSERT_TRUE(Await("")) << "the directory came";
  WriteFile(deep + "/file", "");
  ASSERT_TRUE(Await("file"));
  changes_.clear();
  std::filesystem::rename(dir_ / "one", dir_ / "gone");
  std::filesystem::create_directories(deep);
  watcher_.Refresh();
  WriteFile(deep + "/again", "");
  ASSERT_TRUE(Await("again"));
  std::filesystem::rename(deep, dir_ / "gone-too");
  std::filesystem::create_directories(deep);
  ASSERT_TRUE(Await("")) << "of the directory itself events do tell";
}

TEST_F(FileWatcherTest, TwoGroupsMayWatchOneDirectory) {
  int others = 0;
  watcher_.Watch("other", {{dir_.path(), {"b"}, false}}, [&](const FileWatcher::Change&) { ++others; });
  Watch({{dir_.path(), {"a"}, false}});
  WriteFile(dir_ / "b", "");
  WriteFile(dir_ / "a", "");
  ASSERT_TRUE(Await("a"));
  EXPECT_EQ(others, 1);
  watcher_.Watch("other", {}, [](const FileWatcher::Change&) {});
  changes_.clear();
  std::filesystem::remove(dir_ / "b");
  std::filesystem::remove(dir_ / "a");
  ASSERT_TRUE(Await("a"));
  EXPECT_EQ(others, 1);
}

}  // namespace
}  // namespace cleave
