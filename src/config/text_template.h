// SPDX-License-Identifier: Apache-2.0
// Text with placeholders: "/dev/card{ordinal}".
#ifndef CLEAVE_CONFIG_TEXT_TEMPLATE_H_
#define CLEAVE_CONFIG_TEXT_TEMPLATE_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "config/diagnostics.h"

namespace cleave {

// A placeholder is a name in braces: letters, digits and _ . - / * ; "{{" and "}}" are literal braces.
class TextTemplate {
 public:
  struct Part {
    bool is_placeholder = false;
    std::string text;  // literal text, or the name without braces
  };
  // What a name stands for; nullopt when it has no value.
  using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

  TextTemplate() = default;
  // INVALID_ARGUMENT with the reason when the braces do not match or a name is not one.
  static absl::StatusOr<TextTemplate> Parse(std::string_view text);

  // NOT_FOUND names the placeholder without a value.
  absl::StatusOr<std::string> Expand(const Lookup& lookup) const;

  bool HasPlaceholders() const;
  std::vector<std::string> Placeholders() const;
  const std::string& source() const { return source_; }
  bool empty() const { return source_.empty(); }

  SourcePos pos;  // where it was written

 private:
  std::string source_;
  std::vector<Part> parts_;
};

}  // namespace cleave

#endif  // CLEAVE_CONFIG_TEXT_TEMPLATE_H_
