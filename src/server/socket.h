// SPDX-License-Identifier: Apache-2.0
// The plugins' unix sockets in the kubelet's directory.
#ifndef CLEAVE_SERVER_SOCKET_H_
#define CLEAVE_SERVER_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace cleave {

// sockaddr_un::sun_path without its closing NUL; unix(7).
inline constexpr size_t kLongestSocketPath = 107;

// Where kubelet and plugins meet, below the kubelet's directory.
std::string PluginDirectory(const std::string& kubelet_dir);    // ".../device-plugins"
std::string KubeletSocketPath(const std::string& kubelet_dir);  // ".../device-plugins/kubelet.sock"
std::string PodResourcesSocketPath(const std::string& kubelet_dir);

// Six random hexadecimal digits. Every process has its own, so that the end of an old one never takes the
// socket of a new one with it.
std::string NewInstanceId();

// The socket of one resource: <kubelet_dir>/device-plugins/cleave-<resource with _ for />-<instance>.sock,
// the resource shortened to its beginning and a hash when the path would be too long for a socket.
// INVALID_ARGUMENT when even that is too long.
absl::StatusOr<std::string> SocketPath(const std::string& kubelet_dir, const std::string& resource,
                                       const std::string& instance);

// Which file is at a path: another one made there later has another identity, even if it gets the same inode
// number.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t born_ns = 0;  // 0 where the file system does not say
  bool operator==(const FileIdentity&) const = default;
};
// nullopt when nothing is there. Links are not followed.
std::optional<FileIdentity> IdentityOf(const std::string& path);

// A listening unix socket that is complete when its name appears: nobody is ever refused between bind and
// listen.
//
// Ownership: the descriptor, and the file for as long as it is the one that was made here.
// Threads: one thread at a time.
class ListeningSocket {
 public:
  // Replaces what is at `path`.
  static absl::StatusOr<ListeningSocket> Open(const std::string& path);
  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&& other) noexcept;
  ~ListeningSocket();  // closes, and removes the file if it is still ours

  int fd() const { return fd_; }
  // The next connection, close-on-exec and not blocking; -1 when there is none.
  int Accept() const;
  // False when somebody has removed or replaced the file.
  bool IsThere() const;

 private:
  ListeningSocket(std::string path, int fd, FileIdentity identity)
      : path_(std::move(path)), fd_(fd), identity_(identity) {}
  std::string path_;
  int fd_;
  FileIdentity identity_;
};

// True when `path` is a socket at which nobody listens any more.
bool Refuses(const std::string& path);

// Removes sockets of ours that earlier processes left behind: those that refuse connections. Returns their
// names.
std::vector<std::string> RemoveStaleSockets(const std::string& plugin_directory);

}  // namespace cleave

#endif  // CLEAVE_SERVER_SOCKET_H_
