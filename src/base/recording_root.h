// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_BASE_RECORDING_ROOT_H_
#define CLEAVE_BASE_RECORDING_ROOT_H_

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/archive.h"
#include "base/host_root.h"
#include "base/mutex.h"

namespace cleave {

// A root that notes what is asked of another: who asks an archive of it the same questions gets the same
// answers. A file that was read is kept with what was read of it; one that was only seen is empty. Links are
// kept as they are, also when they lead nowhere.
//
// Ownership: keeps a reference to the other root. Threads: any.
class RecordingRoot final : public HostRoot {
 public:
  explicit RecordingRoot(const HostRoot& root) : root_(root) {}

  absl::StatusOr<std::string> Read(std::string_view path, size_t limit) const override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view path) const override;
  absl::StatusOr<FileInfo> Stat(std::string_view path) const override;
  absl::StatusOr<std::string> ReadLink(std::string_view path) const override;
  absl::StatusOr<std::string> Resolve(std::string_view path) const override;
  // Notes the folder and not the table of mounts: see huge_mounts().
  absl::StatusOr<std::string> MountTypeAt(std::string_view path) const override;
  bool live() const override { return root_.live(); }
  std::string WatchPath(std::string_view path) const override { return root_.WatchPath(path); }

  // Sorted by path.
  std::vector<ArchiveEntry> Entries() const;
  // Where MountTypeAt() found huge pages.
  std::set<std::string> huge_mounts() const;

 private:
  // Every link and folder on the way to `path`, and what is there, if anything.
  void Note(std::string_view path, const std::string* content = nullptr) const;

  // Of a path without links on the way; answers as ReadLink().
  absl::StatusOr<std::string> NoteOne(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const HostRoot& root_;
  mutable Mutex mutex_;
  mutable std::map<std::string, ArchiveEntry> seen_ ABSL_GUARDED_BY(mutex_);
  mutable std::set<std::string> huge_mounts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cleave

#endif  // CLEAVE_BASE_RECORDING_ROOT_H_
