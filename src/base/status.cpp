// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <fmt/core.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"

namespace cleave {

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

absl::Status Annotate(const absl::Status& status, std::string_view noun) {
  if (status.ok()) return status;
  return {status.code(), fmt::format("{}: {}", noun, MessageOf(status))};
}

absl::Status ErrnoStatus(int error, std::string_view noun) {
  // std::generic_category() and not strerror(): gRPC threads read files too.
  std::string text = fmt::format("{}: {}", noun, std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case ENODATA:
    case ENODEV:
    case ENXIO:
    case EBUSY:
    case EAGAIN:
    case EIO:
      return absl::UnavailableError(text);
    default:
      return absl::UnknownError(text);
  }
}

}  // namespace cleave
