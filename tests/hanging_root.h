// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_TESTS_HANGING_ROOT_H_
#define CLEAVE_TESTS_HANGING_ROOT_H_

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/mutex.h"

namespace cleave::testing {

// A machine with drivers that keep whoever reads certain files waiting, until they are released.
class HangingRoot final : public HostRoot {
 public:
  explicit HangingRoot(std::unique_ptr<HostRoot> root) : root_(std::move(root)) {}

  // Every file whose path ends so.
  void Hang(const std::string& end) {
    MutexLock lock(mutex_);
    hanging_.insert(end);
  }
  void Release() {
    MutexLock lock(mutex_);
    hanging_.clear();
    changed_.NotifyAll();
  }
  // How many calls have hung or do.
  size_t hung() const {
    MutexLock lock(mutex_);
    return hung_;
  }

  absl::StatusOr<std::string> Read(std::string_view path, size_t limit) const override {
    Wait(path);
    return root_->Read(path, limit);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view path) const override {
    return root_->List(path);
  }
  absl::StatusOr<FileInfo> Stat(std::string_view path) const override { return root_->Stat(path); }
  absl::StatusOr<std::string> ReadLink(std::string_view path) const override { return root_->ReadLink(path); }
  absl::StatusOr<std::string> Resolve(std::string_view path) const override { return root_->Resolve(path); }
  bool live() const override { return root_->live(); }
  std::string WatchPath(std::string_view path) const override { return root_->WatchPath(path); }

 private:
  void Wait(std::string_view path) const {
    MutexLock lock(mutex_);
    if (Hangs(path)) ++hung_;
    while (Hangs(path)) changed_.Wait(mutex_);
  }
  bool Hangs(std::string_view path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const std::string& end : hanging_) {
      if (path.ends_with(end)) return true;
    }
    return false;
  }

  const std::unique_ptr<HostRoot> root_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::set<std::string> hanging_ ABSL_GUARDED_BY(mutex_);
  mutable size_t hung_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_HANGING_ROOT_H_
