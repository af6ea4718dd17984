// SPDX-License-Identifier: Apache-2.0
#include "base/recording_root.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/archive.h"
#include "base/host_root.h"
#include "base/mutex.h"
#include "base/strings.h"

namespace cleave {
namespace {

constexpr int kMostLinks = 40;  // as the kernel's ELOOP limit, path_resolution(7)

}  // namespace

void RecordingRoot::Note(std::string_view path, const std::string* content) const {
  MutexLock lock(mutex_);
  // Components still to walk are kept reversed, so that the target of a link can be pushed on top.
  std::vector<std::string> todo = Split(path, '/');
  std::reverse(todo.begin(), todo.end());
  std::string done;
  int links = 0;
  while (!todo.empty()) {
    std::string part = std::move(todo.back());
    todo.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      size_t slash = done.rfind('/');
      done.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    std::string next = done.empty() ? part : done + "/" + part;
    auto known = seen_.find(next);
    if (known == seen_.end()) {
      ArchiveEntry entry = {next, FileKind::kSymlink, ""};
      if (absl::StatusOr<std::string> target = root_.ReadLink(next); target.ok()) {
        entry.content = *std::move(target);
      } else {
        absl::StatusOr<FileInfo> info = root_.Stat(next);
        if (!info.ok()) return;
        entry.kind = info->kind;
      }
      known = seen_.try_emplace(next, std::move(entry)).first;
    }
    if (known->second.kind != FileKind::kSymlink) {
      done = std::move(next);
      continue;
    }
    const std::string& target = known->second.content;
    if (++links > kMostLinks) return;
    if (target.starts_with('/')) done.clear();
    std::vector<std::string> parts = Split(target, '/');
    todo.insert(todo.end(), parts.rbegin(), parts.rend());
  }
  auto found = seen_.find(done);
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
