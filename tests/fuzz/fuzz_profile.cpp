// SPDX-License-Identifier: Apache-2.0
// A vendor's profile, alone and together with everything that is checked across files.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  cleave::Diagnostics alone;
  cleave::Profile profile = cleave::ParseProfile(text, "profile.toml", alone);
  if (!alone.ok()) {
    if (alone.Text().empty()) abort();
    return 0;
  }
  cleave::Diagnostics diagnostics;
  cleave::Settings settings =
      cleave::LoadSettingsFromText("", "cleave.toml", {{"profile.toml", std::string(text)}}, diagnostics);
  if (diagnostics.ok()) {
    bool found = false;
    for (const cleave::Profile& each : settings.profiles) found |= each.name == profile.name;
    if (!found) abort();
  }
  return 0;
}
