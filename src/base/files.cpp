// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/status.h"

namespace cleave {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (file == nullptr) return ErrnoStatus(errno, "cannot be read");
  std::string text;
  while (true) {
    size_t old = text.size();
    text.resize(old + 16384);
    size_t got = std::fread(text.data() + old, 1, text.size() - old, file.get());
    text.resize(old + got);
    if (std::ferror(file.get()) != 0) return ErrnoStatus(errno, "cannot be read");  // a directory, for one
    if (got == 0) return text;
  }
}

}  // namespace cleave
