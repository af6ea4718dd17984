// SPDX-License-Identifier: Apache-2.0
// Files of our own side: configuration, archives, lists of links and CDI, not the machine's (see
// host_root.h).
#ifndef CLEAVE_BASE_FILES_H_
#define CLEAVE_BASE_FILES_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace cleave {

// A file descriptor that is closed at the end; below 0: none.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// A configuration has a few KiB, a descriptor of 32 chips 20 KiB.
constexpr size_t kMostOfAFile = size_t{4} * 1024 * 1024;

// All of a file. FAILED_PRECONDITION when it is anything but a regular file: a FIFO or a device would be
// waited for, or never end; /dev/null is empty. RESOURCE_EXHAUSTED when it has more than `most` bytes.
// Errors, see also ErrnoStatus(), say why without naming the file. Threads: any.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most = kMostOfAFile);

// The first `limit` bytes of what `fd` is open for, which should be with O_NONBLOCK: something else than the
// file that was meant may have come in its place. Errors begin with `noun`.
absl::StatusOr<std::string> ReadRegular(int fd, size_t limit, const std::string& noun);

}  // namespace cleave

#endif  // CLEAVE_BASE_FILES_H_
