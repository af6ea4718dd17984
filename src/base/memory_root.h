// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_BASE_MEMORY_ROOT_H_
#define CLEAVE_BASE_MEMORY_ROOT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"

namespace cleave {

// A host's file system held in memory: a captured archive, or a machine that a test builds and changes.
//
// Threads: the reading methods may run together; the changing ones may not run beside anything else.
class MemoryRoot final : public HostRoot {
 public:
  MemoryRoot() = default;

  // Parents are made as needed. An existing node is replaced.
  void AddFile(std::string_view path, std::string content);
  void AddDirectory(std::string_view path);
  void AddLink(std::string_view path, std::string target);
  void AddDevice(std::string_view path, FileInfo info);
  // Reading this file fails with `error`, as a driver's attribute may.
  void AddFailingFile(std::string_view path, absl::Status error);
  // Removes the node and all below it.
  void Remove(std::string_view path);
  // What live() answers; a still picture by default.
  void set_live(bool live) { live_ = live; }

  absl::StatusOr<std::string> Read(std::string_view path, size_t limit) const override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view path) const override;
  absl::StatusOr<FileInfo> Stat(std::string_view path) const override;
  absl::StatusOr<std::string> ReadLink(std::string_view path) const override;
  bool live() const override { return live_; }
  std::string WatchPath(std::string_view) const override { return ""; }

 private:
  struct Node {
    FileInfo info;
    std::string text;  // content of a file, target of a link
    absl::Status error;
    std::map<std::string, Node, std::less<>> children;
  };
  Node& Make(std::string_view path);
  const Node* Child(const std::string& canonical) const;
  absl::StatusOr<const Node*> Find(std::string_view path) const;

  Node top_ = {.info = {.kind = FileKind::kDirectory}, .text = {}, .error = {}, .children = {}};
  bool live_ = false;
};

}  // namespace cleave

#endif  // CLEAVE_BASE_MEMORY_ROOT_H_
