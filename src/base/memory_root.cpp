// SPDX-License-Identifier: Apache-2.0
#include "base/memory_root.h"

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/status.h"
#include "base/strings.h"

namespace cleave {

MemoryRoot::Node& MemoryRoot::Make(std::string_view path) {
  Node* node = &top_;
  for (const std::string& part : Split(NormalPath(path), '/')) {
    if (part.empty()) continue;
    auto [child, added] = node->children.try_emplace(part);
    if (added) child->second.info.kind = FileKind::kDirectory;
    node = &child->second;
  }
  return *node;
}

void MemoryRoot::AddFile(std::string_view path, std::string content) {
  Make(path) = {
      .info = {.kind = FileKind::kRegular}, .text = std::move(content), .error = {}, .children = {}};
}

void MemoryRoot::AddDirectory(std::string_view path) { Make(path).info.kind = FileKind::kDirectory; }

void MemoryRoot::AddLink(std::string_view path, std::string target) {
  Make(path) = {.info = {.kind = FileKind::kSymlink}, .text = std::move(target), .error = {}, .children = {}};
}

void MemoryRoot::AddDevice(std::string_view path, FileInfo info) {
  Make(path) = {.info = info, .text = {}, .error = {}, .children = {}};
}

void MemoryRoot::AddFailingFile(std::string_view path, absl::Status error) {
  Make(path) = {.info = {.kind = FileKind::kRegular}, .text = {}, .error = std::move(error), .children = {}};
}

void MemoryRoot::Remove(std::string_view path) {
  std::vector<std::string> parts = Split(NormalPath(path), '/');
  Node* node = &top_;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    auto child = node->children.find(parts[i]);
    if (child == node->children.end()) return;
    node = &child->second;
  }
  node->children.erase(parts.back());
}

const MemoryRoot::Node* MemoryRoot::Child(const std::string& canonical) const {
  const Node* node = &top_;
  for (const std::string& part : Split(canonical, '/')) {
    if (part.empty()) continue;
    auto child = node->children.find(part);
    if (child == node->children.end()) return nullptr;
    node = &child->second;
  }
  return node;
}

absl::StatusOr<const MemoryRoot::Node*> MemoryRoot::Find(std::string_view path) const {
  absl::StatusOr<std::string> canonical = Resolve(path);
  if (!canonical.ok() && !absl::IsNotFound(canonical.status())) return canonical.status();
  const Node* node = canonical.ok() ? Child(*canonical) : nullptr;
  if (node == nullptr) return ErrnoStatus(ENOENT, "/" + NormalPath(path));
  return node;
}

absl::StatusOr<std::string> MemoryRoot::Read(std::string_view path, size_t limit) const {
  CLEAVE_ASSIGN_OR_RETURN(const Node* node, Find(path));
  if (!node->error.ok()) return Annotate(node->error, "/" + NormalPath(path));
  if (node->info.kind != FileKind::kRegular) {
    return absl::FailedPreconditionError("/" + NormalPath(path) + ": not a regular file");
  }
  return node->text.substr(0, limit);
}

absl::StatusOr<std::vector<std::string>> MemoryRoot::List(std::string_view path) const {
  CLEAVE_ASSIGN_OR_RETURN(const Node* node, Find(path));
  if (node->info.kind != FileKind::kDirectory) return ErrnoStatus(ENOTDIR, "/" + NormalPath(path));
  std::vector<std::string> names;
  names.reserve(node->children.size());
  for (const auto& [name, child] : node->children) names.push_back(name);
  return names;
}

absl::StatusOr<FileInfo> MemoryRoot::Stat(std::string_view path) const {
  CLEAVE_ASSIGN_OR_RETURN(const Node* node, Find(path));
  return node->info;
}

absl::StatusOr<std::string> MemoryRoot::ReadLink(std::string_view path) const {
  // Parents are resolved, the last component is not; Resolve() itself asks with resolved parents only.
  std::string normal(path);
  while (normal.ends_with('/')) normal.pop_back();
  size_t slash = normal.rfind('/');
  const Node* node = Child(normal);
  if (node == nullptr && slash != std::string::npos) {
    absl::StatusOr<const Node*> parent = Find(std::string_view(normal).substr(0, slash));
    if (parent.ok()) {
      auto child = (*parent)->children.find(std::string_view(normal).substr(slash + 1));
      if (child != (*parent)->children.end()) node = &child->second;
    }
  }
  if (node == nullptr) return ErrnoStatus(ENOENT, "/" + NormalPath(path));
  if (node->info.kind != FileKind::kSymlink) {
    return absl::InvalidArgumentError("/" + NormalPath(path) + ": not a symbolic link");
  }
  return node->text;
}

}  // namespace cleave
