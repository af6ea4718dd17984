// SPDX-License-Identifier: Apache-2.0
// A captured machine that a user sent. Whatever is in it, every path stays inside and every walk ends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/archive.h"
#include "base/host_root.h"
#include "base/memory_root.h"

namespace {

void Walk(const cleave::HostRoot& root, const std::string& path, int depth, int& budget) {
  if (depth == 0 || --budget <= 0) return;
  auto names = root.List(path);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string child = path + "/" + name;
    (void)root.Stat(child);
    (void)root.ReadLink(child);
    (void)root.ReadText(child);
    (void)root.MountTypeAt(child);
    absl::StatusOr<std::string> resolved = root.Resolve(child);
    if (resolved.ok() && cleave::NormalPath(*resolved) != *resolved) abort();
    Walk(root, child, depth - 1, budget);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::StatusOr<std::unique_ptr<cleave::MemoryRoot>> root =
      cleave::ReadArchiveBytes(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!root.ok()) return 0;
  int budget = 200;
  Walk(**root, "", 8, budget);
  (void)(*root)->Glob("sys/class/*/device/hwmon/hwmon*/temp1_input");
  return 0;
}
