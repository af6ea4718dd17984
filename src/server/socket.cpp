// SPDX-License-Identifier: Apache-2.0
#include "server/socket.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"

namespace cleave {
namespace {

constexpr std::string_view kPrefix = "cleave-";
constexpr std::string_view kSuffix = ".sock";
constexpr int kBacklog = 16;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), std::min(path.size(), kLongestSocketPath));
  return address;
}

int NewSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

}  // namespace

std::string PluginDirectory(const std::string& kubelet_dir) { return kubelet_dir + "/device-plugins"; }

std::string KubeletSocketPath(const std::string& kubelet_dir) {
  return kubelet_dir + "/device-plugins/kubelet.sock";
}

std::string PodResourcesSocketPath(const std::string& kubelet_dir) {
  return kubelet_dir + "/pod-resources/kubelet.sock";
}

std::string NewInstanceId() {
  uint32_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = static_cast<uint32_t>(getpid());
  return fmt::format("{:06x}", bits & 0xffffffU);
}

absl::StatusOr<std::string> SocketPath(const std::string& kubelet_dir, const std::string& resource,
                                       const std::string& instance) {
  std::string name = resource;
  std::replace(name.begin(), name.end(), '/', '_');
  std::string start = PluginDirectory(kubelet_dir) + "/" + std::string(kPrefix);
  std::string end = "-" + instance + std::string(kSuffix);
  size_t fixed = start.size() + end.size();
  if (fixed + name.size() <= kLongestSocketPath) return start + name + end;
  std::string hash = HashText(resource);
  if (fixed + hash.size() > kLongestSocketPath) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: too long for a socket of {}: at most {} characters are left for the kubelet's directory",
        kubelet_dir, resource, kLongestSocketPath - (fixed - kubelet_dir.size()) - hash.size()));
  }
  size_t room = kLongestSocketPath - fixed - hash.size();
  if (room > 1) hash = name.substr(0, room - 1) + "-" + hash;
  return start + hash + end;
}

std::optional<FileIdentity> IdentityOf(const std::string& path) {
  struct statx st = {};
  if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) != 0)
    return std::nullopt;
  FileIdentity identity;
  identity.device = (uint64_t{st.stx_dev_major} << 32) | st.stx_dev_minor;
  identity.inode = st.stx_ino;
  if ((st.stx_mask & STATX_BTIME) != 0)
    identity.born_ns = st.stx_btime.tv_sec * 1'000'000'000 + st.stx_btime.tv_nsec;
  return identity;
}

absl::StatusOr<ListeningSocket> ListeningSocket::Open(const std::string& path) {
  if (path.size() > kLongestSocketPath) return absl::InvalidArgumentError(path + ": too long for a socket");
  int fd = NewSocket();
  if (fd < 0) return ErrnoStatus(errno, "socket");
  // Bound under another name, that is shorter and no plugin's, and renamed when it listens.
  static std::atomic<unsigned> count{0};
  std::string name = fmt::format(".{:x}-{:x}", getpid(), count++);
  std::string temporary = (std::filesystem::path(path).parent_path() / name).string();
  if (temporary.size() > path.size()) temporary = path;
  (void)unlink(temporary.c_str());
  (void)fchmod(fd, S_IRUSR | S_IWUSR);  // before bind(2): the file gets this mode
  sockaddr_un address = AddressOf(temporary);
  int error = 0;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, kBacklog) != 0) {
    error = errno;
  } else if (temporary != path && rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
    (void)unlink(temporary.c_str());
  }
  std::optional<FileIdentity> identity = IdentityOf(path);
  if (error == 0 && !identity) error = ENOENT;
  if (error != 0) {
    close(fd);
    return ErrnoStatus(error, path);
  }
  return ListeningSocket(path, fd, *identity);
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), identity_(other.identity_) {}

ListeningSocket& ListeningSocket::operator=(ListeningSocket&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(identity_, other.identity_);
  return *this;
}

ListeningSocket::~ListeningSocket() {
  if (fd_ < 0) return;
  if (IsThere()) (void)unlink(path_.c_str());
  close(fd_);
}

int ListeningSocket::Accept() const { return accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); }

bool ListeningSocket::IsThere() const { return IdentityOf(path_) == identity_; }

bool Refuses(const std::string& path) {
  if (path.size() > kLongestSocketPath) return false;
  int fd = NewSocket();
  if (fd < 0) return false;
  sockaddr_un address = AddressOf(path);
  bool refuses =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
  close(fd);
  return refuses;
}

std::vector<std::string> RemoveStaleSockets(const std::string& plugin_directory) {
  std::vector<std::string> removed;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(plugin_directory, error)) {
    std::string name = entry.path().filename();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    std::error_code ignored;
    if (!entry.is_socket(ignored) || !Refuses(entry.path())) continue;
    if (unlink(entry.path().c_str()) == 0) removed.push_back(name);
  }
  std::sort(removed.begin(), removed.end());
  return removed;
}

}  // namespace cleave
