// SPDX-License-Identifier: Apache-2.0
#include "base/recording_root.h"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/archive.h"
#include "base/host_root.h"
#include "base/mutex.h"
#include "base/status.h"

namespace cleave {

absl::StatusOr<std::string> RecordingRoot::NoteOne(const std::string& path) const {
  auto known = seen_.find(path);
  if (known == seen_.end()) {
    ArchiveEntry entry = {path, FileKind::kSymlink, ""};
    if (absl::StatusOr<std::string> target = root_.ReadLink(path); target.ok()) {
      entry.content = *std::move(target);
    } else {
      CLEAVE_ASSIGN_OR_RETURN(FileInfo info, root_.Stat(path));
      entry.kind = info.kind;
    }
    known = seen_.try_emplace(path, std::move(entry)).first;
  }
  if (known->second.kind != FileKind::kSymlink) return absl::InvalidArgumentError("not a link");
  return known->second.content;
}

void RecordingRoot::Note(std::string_view path, const std::string* content) const {
  MutexLock lock(mutex_);
  absl::StatusOr<std::string> end = FollowLinks(
      path, [this](const std::string& part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return NoteOne(part); });
  auto found = end.ok() ? seen_.find(*end) : seen_.end();
  if (content != nullptr && found != seen_.end() && found->second.content.size() < content->size())
    found->second.content = *content;
}

absl::StatusOr<std::string> RecordingRoot::Read(std::string_view path, size_t limit) const {
  absl::StatusOr<std::string> text = root_.Read(path, limit);
  Note(path, text.ok() ? &*text : nullptr);
  return text;
}

absl::StatusOr<std::vector<std::string>> RecordingRoot::List(std::string_view path) const {
  absl::StatusOr<std::vector<std::string>> names = root_.List(path);
  Note(path);
  if (!names.ok()) return names;
  // A link in the folder is noted with what it leads to, that is, whether it leads anywhere.
  for (const std::string& name : *names) Note(std::string(path) + "/" + name);
  return names;
}

absl::StatusOr<FileInfo> RecordingRoot::Stat(std::string_view path) const {
  Note(path);
  return root_.Stat(path);
}

absl::StatusOr<std::string> RecordingRoot::ReadLink(std::string_view path) const {
  Note(path);
  return root_.ReadLink(path);
}

absl::StatusOr<std::string> RecordingRoot::Resolve(std::string_view path) const {
  Note(path);
  return root_.Resolve(path);
}

absl::StatusOr<std::string> RecordingRoot::MountTypeAt(std::string_view path) const {
  Note(path);
  absl::StatusOr<std::string> type = root_.MountTypeAt(path);
  if (type.ok() && *type == "hugetlbfs") {
    MutexLock lock(mutex_);
    huge_mounts_.insert("/" + NormalPath(path));
  }
  return type;
}

std::vector<ArchiveEntry> RecordingRoot::Entries() const {
  MutexLock lock(mutex_);
  std::vector<ArchiveEntry> entries;
  entries.reserve(seen_.size());
  for (const auto& [path, entry] : seen_) entries.push_back(entry);
  return entries;
}

std::set<std::string> RecordingRoot::huge_mounts() const {
  MutexLock lock(mutex_);
  return huge_mounts_;
}

}  // namespace cleave
