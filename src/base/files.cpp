// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"

namespace cleave {
namespace {

constexpr const char* kNoun = "cannot be read";

absl::Status CheckRegular(const struct stat& st, const std::string& noun) {
  if (S_ISREG(st.st_mode)) return absl::OkStatus();
  if (S_ISDIR(st.st_mode)) return ErrnoStatus(EISDIR, noun);
  return absl::FailedPreconditionError(noun + ": not a regular file");
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::string> ReadRegular(int fd, size_t limit, const std::string& noun) {
  struct stat st = {};
  if (fstat(fd, &st) != 0) return ErrnoStatus(errno, noun);
  CLEAVE_RETURN_IF_ERROR(CheckRegular(st, noun));
  std::string text;
  while (text.size() < limit) {
    size_t old = text.size();
    size_t want = std::min<size_t>(limit - old, old == 0 ? 512 : std::max<size_t>(old, 16384));
    text.resize(old + want);
    ssize_t got = read(fd, text.data() + old, want);
    if (got < 0 && errno == EINTR) {
      text.resize(old);
      continue;
    }
    if (got < 0) return ErrnoStatus(errno, noun);
    text.resize(old + static_cast<size_t>(got));
    if (got == 0) break;
  }
  return text;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most) {
  // To open a device node may do something to the device, so that nothing but a file is opened.
  struct stat st = {};
  if (stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, kNoun);
  // /dev/null (kernel Documentation/admin-guide/devices.txt) is how one says "no file".
  if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) return "";
  CLEAVE_RETURN_IF_ERROR(CheckRegular(st, kNoun));
  auto too_long = [&] {
    return absl::ResourceExhaustedError(fmt::format("{}: longer than {} bytes", kNoun, most));
  };
  if (st.st_size > 0 && static_cast<size_t>(st.st_size) > most) return too_long();
  Fd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, kNoun);
  CLEAVE_ASSIGN_OR_RETURN(std::string text, ReadRegular(fd.get(), most + 1, kNoun));
  if (text.size() > most) return too_long();
  return text;
}

}  // namespace cleave
