// SPDX-License-Identifier: Apache-2.0
#include "base/host_root.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/archive.h"
#include "base/directory_root.h"
#include "base/status.h"
#include "base/strings.h"

namespace cleave {
namespace {

constexpr int kMostLinks = 40;  // as the kernel's ELOOP limit, path_resolution(7)

bool IsPattern(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

std::string JoinPath(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

}  // namespace

std::string NormalPath(std::string_view path) {
  std::vector<std::string> kept;
  for (std::string& part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(std::move(part));
    }
  }
  return Join(kept, "/");
}

std::string LinkTarget(std::string_view link_path, std::string_view target) {
  if (target.starts_with('/')) return NormalPath(target);
  return NormalPath(std::string(link_path) + "/../" + std::string(target));
}

std::string BaseName(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

absl::StatusOr<std::string> FollowLinks(
    std::string_view path,
    absl::FunctionRef<absl::StatusOr<std::string>(const std::string& path)> read_link) {
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
    std::string next = JoinPath(done, part);
    absl::StatusOr<std::string> target = read_link(next);
    if (absl::IsInvalidArgument(target.status())) {
      done = std::move(next);
      continue;
    }
    if (!target.ok()) return target.status();
    if (++links > kMostLinks)
      return absl::FailedPreconditionError("/" + NormalPath(path) + ": too many links");
    if (target->starts_with('/')) done.clear();
    std::vector<std::string> parts = Split(*target, '/');
    todo.insert(todo.end(), parts.rbegin(), parts.rend());
  }
  return done;
}

absl::StatusOr<std::string> HostRoot::ReadText(std::string_view path) const {
  CLEAVE_ASSIGN_OR_RETURN(std::string text, Read(path));
  return std::string(Trim(text));
}

absl::StatusOr<std::string> HostRoot::Resolve(std::string_view path) const {
  return FollowLinks(path, [this](const std::string& link) { return ReadLink(link); });
}

absl::StatusOr<std::string> HostRoot::MountTypeAt(std::string_view path) const {
  // proc(5): "device mountpoint type options 0 0", blanks in names written as \040. The last line for a point
  // counts.
  CLEAVE_ASSIGN_OR_RETURN(std::string mounts, Read("proc/mounts"));
  std::string wanted = "/" + NormalPath(path);
  std::string type;
  for (const std::string& line : Split(mounts, '\n')) {
    std::vector<std::string> fields = Split(line, ' ');
    if (fields.size() >= 3 && fields[1] == wanted) type = fields[2];
  }
  return type;
}

std::vector<std::string> HostRoot::Glob(std::string_view pattern) const {
  std::vector<std::string> found = {""};
  for (const std::string& part : Split(NormalPath(pattern), '/')) {
    std::vector<std::string> next;
    for (const std::string& directory : found) {
      if (!IsPattern(part)) {
        next.push_back(JoinPath(directory, part));
        continue;
      }
      absl::StatusOr<std::vector<std::string>> names = List(directory);
      if (!names.ok()) continue;
      for (const std::string& name : *names) {
        if (GlobMatch(part, name)) next.push_back(JoinPath(directory, name));
      }
    }
    found = std::move(next);
  }
  std::erase_if(found, [this](const std::string& path) { return !Exists(path); });
  std::sort(found.begin(), found.end());
  return found;
}

absl::StatusOr<std::unique_ptr<HostRoot>> OpenHostRoot(const std::string& path) {
  absl::StatusOr<std::unique_ptr<HostRoot>> directory = DirectoryRoot::Open(path);
  if (directory.ok() || !absl::IsFailedPrecondition(directory.status())) return directory;
  return ReadArchive(path);
}

}  // namespace cleave
