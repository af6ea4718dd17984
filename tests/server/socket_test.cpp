// SPDX-License-Identifier: Apache-2.0
#include "server/socket.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/host_root.h"
#include "base/status.h"
#include "tests/machine.h"

namespace cleave {
namespace {

using testing::TempDir;

TEST(SocketPath, NamesTheResourceAndTheInstance) {
  EXPECT_EQ(*SocketPath("/var/lib/kubelet", "example.com/gpu", "0a1b2c"),
            "/var/lib/kubelet/device-plugins/cleave-example.com_gpu-0a1b2c.sock");
}

TEST(SocketPath, IsShortenedWithAHash) {
  std::string resource = "a-very-long-domain.of-an-accelerator.example.com/" + std::string(60, 'x');
  std::string path = *SocketPath("/var/lib/kubelet", resource, "0a1b2c");
  EXPECT_EQ(path.size(), kLongestSocketPath);
  EXPECT_TRUE(path.starts_with("/var/lib/kubelet/device-plugins/cleave-a-very-long-domain")) << path;
  EXPECT_TRUE(path.ends_with("-0a1b2c.sock")) << path;
  EXPECT_NE(path, *SocketPath("/var/lib/kubelet", resource + "y", "0a1b2c"));
}

// Every length of the kubelet's directory gives a path that fits, or an error, and the shortest ones no hash.
TEST(SocketPath, FitsOrFails) {
  bool failed = false;
  for (size_t length = 1; length < 110; ++length) {
    auto path = SocketPath("/" + std::string(length, 'd'), "example.com/gpu", "0a1b2c");
    if (path.ok()) {
      EXPECT_FALSE(failed) << length;
      EXPECT_LE(path->size(), kLongestSocketPath);
      EXPECT_TRUE(BaseName(*path).starts_with("cleave-")) << *path;
    } else {
      failed = true;
      EXPECT_TRUE(absl::IsInvalidArgument(path.status()));
      EXPECT_NE(MessageOf(path.status()).find("example.com/gpu"), std::string::npos) << path.status();
    }
  }
  EXPECT_TRUE(failed);
}

// What the error says is left is what works.
TEST(SocketPath, TheErrorSaysWhatWouldFit) {
  std::string message =
      MessageOf(SocketPath("/" + std::string(100, 'd'), "example.com/gpu", "0a1b2c").status());
  size_t at = message.find("at most ");
  ASSERT_NE(at, std::string::npos) << message;
  size_t room = std::stoul(message.substr(at + 8));
  EXPECT_TRUE(SocketPath("/" + std::string(room - 1, 'd'), "example.com/gpu", "0a1b2c").ok());
  EXPECT_FALSE(SocketPath("/" + std::string(room, 'd'), "example.com/gpu", "0a1b2c").ok());
}

TEST(InstanceId, IsSixHexadecimalDigitsAndDiffers) {
  std::string a = NewInstanceId();
  EXPECT_EQ(a.size(), 6);
  EXPECT_EQ(a.find_first_not_of("0123456789abcdef"), std::string::npos) << a;
  EXPECT_NE(a, NewInstanceId());  // once in 16 million runs they are equal
}

TEST(ListeningSocket, RemovesItsFileOnlyWhileItIsItsOwn) {
  TempDir dir;
  std::string path = dir / "cleave-x.sock";
  {
    auto first = ListeningSocket::Open(path);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_TRUE(first->IsThere());
    auto second = ListeningSocket::Open(path);
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_FALSE(first->IsThere());
    EXPECT_TRUE(second->IsThere());
    { ListeningSocket closed = *std::move(first); }
    EXPECT_TRUE(second->IsThere());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1)
        << "nothing else is left there";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ListeningSocket, SaysWhyItCannot) {
  auto socket = ListeningSocket::Open("/no/such/directory/x.sock");
  EXPECT_TRUE(absl::IsNotFound(socket.status())) << socket.status();
}

TEST(StaleSockets, OnlyThoseThatRefuseGo) {
  TempDir dir;
  auto live = ListeningSocket::Open(dir / "cleave-live-000001.sock");
  ASSERT_TRUE(live.ok());
  {
    // A socket whose process was killed: the file stays.
    auto dead = ListeningSocket::Open(dir / "cleave-dead-000002.sock");
    ASSERT_TRUE(dead.ok());
    std::filesystem::rename(dir / "cleave-dead-000002.sock", dir / "kept");
  }
  std::filesystem::rename(dir / "kept", dir / "cleave-dead-000002.sock");
  {
    auto other = ListeningSocket::Open(dir / "other.sock");
    ASSERT_TRUE(other.ok());
    std::filesystem::rename(dir / "other.sock", dir / "kept");
  }
  std::filesystem::rename(dir / "kept", dir / "other.sock");
  testing::WriteFile(dir / "cleave-file.sock", "no socket");
  EXPECT_EQ(RemoveStaleSockets(dir.path()), std::vector<std::string>{"cleave-dead-000002.sock"});
  for (const char* name : {"cleave-live-000001.sock", "other.sock", "cleave-file.sock"}) {
    EXPECT_TRUE(std::filesystem::exists(dir / name)) << name;
  }
  EXPECT_TRUE(RemoveStaleSockets("/no/such/directory").empty());
}

TEST(FileIdentity, TellsAFileFromItsSuccessor) {
  TempDir dir;
  EXPECT_EQ(IdentityOf(dir / "x"), std::nullopt);
  testing::WriteFile(dir / "x", "1");
  auto first = IdentityOf(dir / "x");
  ASSERT_TRUE(first);
  testing::WriteFile(dir / "x", "2");
  EXPECT_EQ(IdentityOf(dir / "x"), first) << "other content, the same file";
  testing::WriteFile(dir / "y", "1");
  std::filesystem::rename(dir / "y", dir / "x");
  EXPECT_NE(IdentityOf(dir / "x"), first);
}

}  // namespace
}  // namespace cleave
