// SPDX-License-Identifier: Apache-2.0
// What the kernel writes into small files: CPU lists and masks, numbers, links; and paths.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/host_root.h"
#include "base/strings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto& cpus : {cleave::ParseCpuList(text), cleave::ParseCpuMask(text)}) {
    if (!cpus) continue;
    if (cpus->size() > 65536) abort();
    for (int cpu : *cpus) {
      if (cpu < 0) abort();
    }
  }
  (void)cleave::ParseInt(text);
  (void)cleave::ParseHex(text);
  if (cleave::Join(cleave::Split(text, ','), ",") != text) abort();
  std::string_view trimmed = cleave::Trim(text);
  if (cleave::Trim(trimmed) != trimmed) abort();
  std::string normal = cleave::NormalPath(text);
  if (cleave::NormalPath(normal) != normal || normal.starts_with('/')) abort();
  for (const std::string& part : cleave::Split(normal, '/')) {
    if (part == "." || part == "..") abort();
  }
  (void)cleave::LinkTarget("sys/class/x", text);
  (void)cleave::BaseName(text);
  size_t half = text.size() / 2;
  if (text.size() < 64) (void)cleave::GlobMatch(text.substr(0, half), text.substr(half));
  if (text.size() < 256) (void)cleave::Nearest(text.substr(0, half), {text.substr(half), "prefer"});
  return 0;
}
