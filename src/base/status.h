// SPDX-License-Identifier: Apache-2.0
// Errors as values: helpers around absl::Status.
#ifndef CLEAVE_BASE_STATUS_H_
#define CLEAVE_BASE_STATUS_H_

#include <string>
#include <string_view>
#include <utility>  // IWYU pragma: keep (for the macros)

#include "absl/status/status.h"
#include "absl/status/statusor.h"  // IWYU pragma: keep (for the macros)

namespace cleave {

// The message of a status as a std::string (Debian's absl::string_view is not std::string_view).
std::string MessageOf(const absl::Status& status);

// `status` with "noun: " put before its message, the code kept. An OK status stays as it is.
absl::Status Annotate(const absl::Status& status, std::string_view noun);

// A status for `error` (errno), message "noun: text of the error". ENOENT and ENOTDIR are NOT_FOUND, EACCES
// and EPERM PERMISSION_DENIED; ENODATA, ENODEV, ENXIO, EBUSY, EAGAIN and EIO are UNAVAILABLE: drivers answer
// so while a device resets, and it may pass; everything else is UNKNOWN.
absl::Status ErrnoStatus(int error, std::string_view noun);

}  // namespace cleave

#define CLEAVE_CONCAT_INNER_(a, b) a##b
#define CLEAVE_CONCAT_(a, b) CLEAVE_CONCAT_INNER_(a, b)

// Returns from the function when `expr` (an absl::Status) is not OK.
#define CLEAVE_RETURN_IF_ERROR(expr)                 \
  do {                                               \
    absl::Status cleave_status_ = (expr);            \
    if (!cleave_status_.ok()) return cleave_status_; \
  } while (false)

// Declares or assigns `lhs` from a StatusOr expression, or returns its status.
#define CLEAVE_ASSIGN_OR_RETURN(lhs, expr) \
  CLEAVE_ASSIGN_OR_RETURN_(CLEAVE_CONCAT_(cleave_or_, __LINE__), lhs, expr)
#define CLEAVE_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return tmp.status();            \
  lhs = *std::move(tmp)

#endif  // CLEAVE_BASE_STATUS_H_
