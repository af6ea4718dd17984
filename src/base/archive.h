// SPDX-License-Identifier: Apache-2.0
// Captured machines: a small tar archive with one top folder that is the root of a host.
//
// libarchive is loaded when the first archive is read or written (dlopen): the daemon never needs it, and
// linked it would cost 2 MB of memory. Where it is missing the functions fail with FAILED_PRECONDITION and
// name the package.
#ifndef CLEAVE_BASE_ARCHIVE_H_
#define CLEAVE_BASE_ARCHIVE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/memory_root.h"

namespace cleave {

// Reads .tar, .tar.gz or .tar.zst. An archive that would unpack to more than 256 MiB is refused.
absl::StatusOr<std::unique_ptr<HostRoot>> ReadArchive(const std::string& path);

// The same from bytes; `name` is used in errors.
absl::StatusOr<std::unique_ptr<MemoryRoot>> ReadArchiveBytes(std::string_view bytes, const std::string& name);

struct ArchiveEntry {
  std::string path;  // below the top folder, without a leading /
  FileKind kind = FileKind::kRegular;
  std::string content;  // of a file; the target of a link
};

// Writes a .tar.zst (.tar.gz, .tar by the name's end). The order of entries is kept, times and owners are
// zero, so equal machines give equal bytes. Device nodes are written as empty files.
absl::Status WriteArchive(const std::string& path, const std::string& top,
                          const std::vector<ArchiveEntry>& entries);

}  // namespace cleave

#endif  // CLEAVE_BASE_ARCHIVE_H_
