// SPDX-License-Identifier: Apache-2.0
// cleave.toml, as an operator may write it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/config.h"
#include "config/diagnostics.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  cleave::Diagnostics alone;
  cleave::ParseConfig(text, "cleave.toml", alone);
  if (!alone.ok()) {
    if (alone.Text().empty()) abort();
    return 0;
  }
  // Reads the shipped profiles too, so only what is worth it.
  cleave::Diagnostics diagnostics;
  cleave::Settings settings = cleave::LoadSettingsFromText(text, "cleave.toml", {}, diagnostics);
  for (const cleave::Profile& profile : settings.profiles) {
    for (const auto& [key, setting] : profile.settings) settings.Value(profile, key);
  }
  return 0;
}
