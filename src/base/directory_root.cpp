// SPDX-License-Identifier: Apache-2.0
#include "base/directory_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/files.h"
#include "base/host_root.h"
#include "base/status.h"

namespace cleave {
namespace {

std::string Shown(std::string_view path) { return "/" + NormalPath(path); }

// Where the kernel says that a descriptor leads, proc_pid_fd(5); "" when it does not say.
std::string PathOf(int fd) {
  std::array<char, 4096> path = {};
  ssize_t length = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), path.data(), path.size());
  return length < 0 || static_cast<size_t>(length) == path.size()
             ? ""
             : std::string(path.data(), static_cast<size_t>(length));
}

std::string WithSlash(const std::string& path) {
  return path.empty() || path.ends_with('/') ? path : path + "/";
}

// Magic number of the file system that a descriptor is on; 0 when it cannot be told.
auto FileSystemOf(int fd) {
  struct statfs fs = {};
  return fstatfs(fd, &fs) == 0 ? fs.f_type : 0;
}

FileInfo InfoOf(const struct stat& st) {
  FileInfo info;
  info.identity = {st.st_ino, int64_t{st.st_ctim.tv_sec} * 1'000'000'000 + st.st_ctim.tv_nsec};
  switch (st.st_mode & S_IFMT) {
    case S_IFREG:
      info.kind = FileKind::kRegular;
      break;
    case S_IFDIR:
      info.kind = FileKind::kDirectory;
      break;
    case S_IFLNK:
      info.kind = FileKind::kSymlink;
      break;
    case S_IFCHR:
    case S_IFBLK:
      info.kind = S_ISCHR(st.st_mode) ? FileKind::kCharDevice : FileKind::kBlockDevice;
      info.major = major(st.st_rdev);
      info.minor = minor(st.st_rdev);
      break;
    default:
      break;
  }
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HostRoot>> DirectoryRoot::Open(const std::string& path) {
  Fd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() && errno == ENOTDIR && access(path.c_str(), F_OK) == 0) {
    return absl::FailedPreconditionError(path + ": not a directory");
  }
  if (!fd.ok()) return ErrnoStatus(errno, path);
  std::string kept = path;
  while (kept.ends_with('/')) kept.pop_back();
  return std::unique_ptr<HostRoot>(new DirectoryRoot(std::move(kept), fd.release()));
}

DirectoryRoot::DirectoryRoot(std::string path, int fd)
    : path_(std::move(path)),
      fd_(fd),
      real_path_(WithSlash(PathOf(fd))),
      has_sysfs_(FileSystemOf(Fd(OpenBeneath("sys", O_PATH)).get()) == SYSFS_MAGIC) {}

DirectoryRoot::~DirectoryRoot() { close(fd_); }

int DirectoryRoot::OpenBeneath(std::string_view path, int flags) const {
  static std::atomic<bool> refused = false;  // by a seccomp filter or an old kernel; asked once
  // ".." is left to the kernel: after a link it means the parent of the link's target.
  std::string name = ".";
  if (size_t start = path.find_first_not_of('/'); start != std::string_view::npos) name = path.substr(start);
  if (!refused.load(std::memory_order_relaxed)) {
    open_how how = {};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_IN_ROOT;
    long fd = -1;
    // EAGAIN: while ".." was followed something was renamed or mounted, anywhere on the machine. To be asked
    // again.
    for (int attempt = 0; attempt < 1000; ++attempt) {
      fd = syscall(SYS_openat2, fd_, name.c_str(), &how, sizeof how);
      if (fd >= 0 || errno != EAGAIN) break;
    }
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(fd);
    refused.store(errno == ENOSYS || refused.load(), std::memory_order_relaxed);
  }
  return openat(fd_, name.c_str(), flags | O_CLOEXEC);
}

bool DirectoryRoot::MayLeadToNode(std::string_view path) const {
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return !has_sysfs_ || !path.starts_with("sys/") || path.find("..") != std::string_view::npos;
}

absl::StatusOr<std::string> DirectoryRoot::Read(std::string_view path, size_t limit) const {
  // To open a device node may do something to the device, so that nothing but a file is opened. In sysfs
  // there are no nodes and links do not lead out of it: most reads are spared the three calls.
  if (MayLeadToNode(path)) {
    CLEAVE_ASSIGN_OR_RETURN(FileInfo info, Stat(path));
    if (info.kind != FileKind::kRegular)
      return absl::FailedPreconditionError(Shown(path) + ": not a regular file");
  }
  // Something else may have come in its place since: O_NONBLOCK keeps a FIFO from stopping us.
  Fd fd(OpenBeneath(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (!fd.ok()) return ErrnoStatus(errno, Shown(path));
  return ReadRegular(fd.get(), limit, Shown(path));
}

absl::StatusOr<std::vector<std::string>> DirectoryRoot::List(std::string_view path) const {
  Fd fd(OpenBeneath(path, O_RDONLY | O_DIRECTORY));
  if (!fd.ok()) return ErrnoStatus(errno, Shown(path));
  DIR* dir = fdopendir(fd.get());
  if (dir == nullptr) return ErrnoStatus(errno, Shown(path));
  fd.release();  // closedir() closes it
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): one DIR, one thread
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<FileInfo> DirectoryRoot::Stat(std::string_view path) const {
  Fd fd(OpenBeneath(path, O_PATH));
  struct stat st = {};
  if (!fd.ok() || fstat(fd.get(), &st) != 0) return ErrnoStatus(errno, Shown(path));
  return InfoOf(st);
}

absl::StatusOr<std::string> DirectoryRoot::ReadLink(std::string_view path) const {
  while (path.ends_with('/')) path.remove_suffix(1);
  Fd fd(OpenBeneath(path, O_PATH | O_NOFOLLOW));
  if (!fd.ok()) return ErrnoStatus(errno, Shown(path));
  std::string target(4096, '\0');
  ssize_t length = readlinkat(fd.get(), "", target.data(), target.size());
  // readlinkat(2): with an empty path ENOENT means that the descriptor is no link.
  if (length < 0 && (errno == EINVAL || errno == ENOENT)) {
    return absl::InvalidArgumentError(Shown(path) + ": not a symbolic link");
  }
  if (length < 0) return ErrnoStatus(errno, Shown(path));
  target.resize(static_cast<size_t>(length));
  return target;
}

absl::StatusOr<std::string> DirectoryRoot::Resolve(std::string_view path) const {
  Fd fd(OpenBeneath(path, O_PATH));
  if (!fd.ok()) return ErrnoStatus(errno, Shown(path));
  // In one step, instead of one for each component. What was removed meanwhile is "... (deleted)".
  std::string real = PathOf(fd.get());
  if (real_path_.empty() || !real.starts_with(real_path_) || real.ends_with(" (deleted)"))
    return HostRoot::Resolve(path);
  return real.substr(real_path_.size());
}

absl::StatusOr<std::string> DirectoryRoot::MountTypeAt(std::string_view path) const {
  // A confined daemon may not read the host's mount table, but may look at the mounts below its own root.
  Fd fd(OpenBeneath(path, O_PATH));
  if (!fd.ok()) return ErrnoStatus(errno, Shown(path));
  if (FileSystemOf(fd.get()) == HUGETLBFS_MAGIC) return "hugetlbfs";
  absl::StatusOr<std::string> listed = HostRoot::MountTypeAt(path);
  return listed.ok() ? listed : "";
}

std::string DirectoryRoot::WatchPath(std::string_view path) const { return path_ + "/" + NormalPath(path); }

}  // namespace cleave
