// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_BASE_DIRECTORY_ROOT_H_
#define CLEAVE_BASE_DIRECTORY_ROOT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"

namespace cleave {

// A directory of this machine as a host's root: "/" in production, an unpacked machine in tests. The
// directory is opened once and everything is resolved beneath it by the kernel (openat2 with RESOLVE_IN_ROOT,
// Linux 5.6; where a sandbox refuses that call, by plain openat, where an absolute link leads out of the
// root).
class DirectoryRoot final : public HostRoot {
 public:
  // FAILED_PRECONDITION when `path` exists and is no directory.
  static absl::StatusOr<std::unique_ptr<HostRoot>> Open(const std::string& path);
  ~DirectoryRoot() override;

  absl::StatusOr<std::string> Read(std::string_view path, size_t limit) const override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view path) const override;
  absl::StatusOr<FileInfo> Stat(std::string_view path) const override;
  absl::StatusOr<std::string> ReadLink(std::string_view path) const override;
  absl::StatusOr<std::string> Resolve(std::string_view path) const override;
  absl::StatusOr<std::string> MountTypeAt(std::string_view path) const override;
  bool live() const override { return true; }
  std::string WatchPath(std::string_view path) const override;

 private:
  DirectoryRoot(std::string path, int fd);
  int OpenBeneath(std::string_view path, int flags) const;  // -1 with errno
  bool MayLeadToNode(std::string_view path) const;

  const std::string path_;  // without a trailing /
  const int fd_;
  const std::string real_path_;  // all links followed, with a trailing /; "" where /proc does not tell
  const bool has_sysfs_;         // "sys" is the kernel's own, not a copy of one
};

}  // namespace cleave

#endif  // CLEAVE_BASE_DIRECTORY_ROOT_H_
