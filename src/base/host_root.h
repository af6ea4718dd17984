// SPDX-License-Identifier: Apache-2.0
// The one seam to a host's file system: everything that is read of a machine is read through a HostRoot.
#ifndef CLEAVE_BASE_HOST_ROOT_H_
#define CLEAVE_BASE_HOST_ROOT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace cleave {

enum class FileKind { kRegular, kDirectory, kSymlink, kCharDevice, kBlockDevice, kOther };

struct FileInfo {
  FileKind kind = FileKind::kOther;
  uint32_t major = 0;  // of a device node, else 0
  uint32_t minor = 0;
  // Of a live root: another one when something else took the path. Number and time of change of the inode.
  std::pair<uint64_t, int64_t> identity = {};
  bool operator==(const FileInfo&) const = default;
};

// A host's file system, read only. Paths are relative to the root; a leading / is dropped, ".." never leaves
// the root, and symbolic links (absolute ones too) are resolved inside it. Errors name the path as the host
// would write it; for their codes see ErrnoStatus.
//
// Threads: every method may be called from any thread.
class HostRoot {
 public:
  // A file longer than this is cut. The longest file of interest is a PCI config space (4 KiB) or
  // /proc/mounts.
  static constexpr size_t kReadLimit = size_t{64} * 1024;

  HostRoot() = default;
  HostRoot(const HostRoot&) = delete;
  HostRoot& operator=(const HostRoot&) = delete;
  virtual ~HostRoot() = default;

  // The first `limit` bytes, as they are.
  virtual absl::StatusOr<std::string> Read(std::string_view path, size_t limit = kReadLimit) const = 0;

  // The names in a directory, sorted, without . and ..
  virtual absl::StatusOr<std::vector<std::string>> List(std::string_view path) const = 0;

  // What is there, links followed.
  virtual absl::StatusOr<FileInfo> Stat(std::string_view path) const = 0;

  // The text of the link that `path` itself is. INVALID_ARGUMENT when it is no link.
  virtual absl::StatusOr<std::string> ReadLink(std::string_view path) const = 0;

  // The type of the file system mounted at `path` ("hugetlbfs"), if something is mounted exactly there, else
  // "".
  virtual absl::StatusOr<std::string> MountTypeAt(std::string_view path) const;

  // True when the machine may change under us; false for a still picture.
  virtual bool live() const = 0;

  // The directory on this machine that `path` stands for, to be watched; "" when there is none.
  virtual std::string WatchPath(std::string_view path) const = 0;

  // Read() without white space at both ends: one attribute file.
  absl::StatusOr<std::string> ReadText(std::string_view path) const;

  // The path that `path` leads to when all links are followed, without a leading /. Fails where something is
  // missing.
  virtual absl::StatusOr<std::string> Resolve(std::string_view path) const;

  bool Exists(std::string_view path) const { return Stat(path).ok(); }

  // Paths that match; each component may be a shell pattern (*, ?, [..]). Sorted; links are not resolved.
  std::vector<std::string> Glob(std::string_view pattern) const;
};

// `path` without leading /, "." and "..", where ".." above the root stays at the root. Purely textual.
std::string NormalPath(std::string_view path);

// What a link at `link_path` with text `target` names, textually: relative targets start at the link's
// directory.
std::string LinkTarget(std::string_view link_path, std::string_view target);

// The path that `path` leads to, as HostRoot::Resolve(), when `read_link` says of each path on the way, which
// has no links itself, what HostRoot::ReadLink() would.
absl::StatusOr<std::string> FollowLinks(
    std::string_view path, absl::FunctionRef<absl::StatusOr<std::string>(const std::string& path)> read_link);

// The last component of a path.
std::string BaseName(std::string_view path);

// Opens a directory of this machine, or an archive (.tar, .tar.gz, .tar.zst) with one top folder that is the
// root.
absl::StatusOr<std::unique_ptr<HostRoot>> OpenHostRoot(const std::string& path);

}  // namespace cleave

#endif  // CLEAVE_BASE_HOST_ROOT_H_
