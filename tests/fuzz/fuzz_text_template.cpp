// SPDX-License-Identifier: Apache-2.0
// Text with placeholders.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "config/text_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  absl::StatusOr<cleave::TextTemplate> parsed = cleave::TextTemplate::Parse(text);
  if (!parsed.ok()) return 0;
  if (parsed->source() != text) abort();
  if (parsed->HasPlaceholders() != !parsed->Placeholders().empty()) abort();
  // With each placeholder's own name as its value nothing is lost but braces.
  absl::StatusOr<std::string> same =
      parsed->Expand([](const std::string& name) { return std::optional(name); });
  if (!same.ok() || same->size() > text.size()) abort();
  absl::StatusOr<std::string> none =
      parsed->Expand([](const std::string&) { return std::optional<std::string>(); });
  if (none.ok() == parsed->HasPlaceholders()) abort();
  return 0;
}
