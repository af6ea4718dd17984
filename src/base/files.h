// SPDX-License-Identifier: Apache-2.0
// Files of our own side: configuration and CDI, not the machine's (see host_root.h).
#ifndef CLEAVE_BASE_FILES_H_
#define CLEAVE_BASE_FILES_H_

#include <string>

#include "absl/status/statusor.h"

namespace cleave {

// All of a file. The error, see ErrnoStatus(), says why without naming the file. Threads: any.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace cleave

#endif  // CLEAVE_BASE_FILES_H_
