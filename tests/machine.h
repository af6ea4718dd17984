// SPDX-License-Identifier: Apache-2.0
// Machines for tests: the archives in tests/machines, loaded into memory or unpacked into a directory of
// their own.
#ifndef CLEAVE_TESTS_MACHINE_H_
#define CLEAVE_TESTS_MACHINE_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/archive.h"
#include "base/memory_root.h"
#include "config/config.h"
#include "config/diagnostics.h"

namespace cleave::testing {

inline std::string SourcePath(const std::string& path) { return std::string(CLEAVE_SOURCE_DIR) + "/" + path; }

inline std::string ReadFileOrDie(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// tests/machines/NAME.tar.zst in memory, to be changed at will.
inline std::unique_ptr<MemoryRoot> LoadMachine(const std::string& name) {
  std::string path = SourcePath("tests/machines/" + name + ".tar.zst");
  auto root = ReadArchiveBytes(ReadFileOrDie(path), path);
  EXPECT_TRUE(root.ok()) << root.status();
  return root.ok() ? *std::move(root) : std::make_unique<MemoryRoot>();
}

// A directory that is removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cleave-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline void WriteFile(const std::string& path, std::string_view text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Settings of a cleave.toml that must be right.
inline Settings GoodSettings(std::string_view toml = "",
                             const std::vector<std::pair<std::string, std::string>>& profiles = {}) {
  Diagnostics diagnostics;
  Settings settings = LoadSettingsFromText(toml, "cleave.toml", profiles, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
  return settings;
}

// All errors of a cleave.toml, a line each.
inline std::string ErrorsOf(std::string_view toml,
                            const std::vector<std::pair<std::string, std::string>>& profiles = {}) {
  Diagnostics diagnostics;
  LoadSettingsFromText(toml, "cleave.toml", profiles, diagnostics);
  return diagnostics.Text();
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_MACHINE_H_
