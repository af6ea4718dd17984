// SPDX-License-Identifier: Apache-2.0
#include "config/text_template.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cleave {
namespace {

bool IsNameChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("_.-/*").find(c) != std::string_view::npos;
}

}  // namespace

absl::StatusOr<TextTemplate> TextTemplate::Parse(std::string_view text) {
  TextTemplate result;
  result.source_ = text;
  std::string literal;
  auto flush = [&] {
    if (!literal.empty()) result.parts_.push_back({false, literal});
    literal.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "{{" || text.substr(i, 2) == "}}") {
      literal += text[i++];
    } else if (text[i] == '}') {
      return absl::InvalidArgumentError(fmt::format("'}}' without '{{' in \"{}\"", text));
    } else if (text[i] == '{') {
      size_t end = text.find('}', i);
      if (end == std::string_view::npos)
        return absl::InvalidArgumentError(fmt::format("'{{' without '}}' in \"{}\"", text));
      std::string name(text.substr(i + 1, end - i - 1));
      if (name.empty() || !std::all_of(name.begin(), name.end(), IsNameChar)) {
        return absl::InvalidArgumentError(fmt::format("'{{{}}}' is no placeholder in \"{}\"", name, text));
      }
      flush();
      result.parts_.push_back({true, name});
      i = end;
    } else {
      literal += text[i];
    }
  }
  flush();
  return result;
}

absl::StatusOr<std::string> TextTemplate::Expand(const Lookup& lookup) const {
  std::string out;
  for (const Part& part : parts_) {
    if (!part.is_placeholder) {
      out += part.text;
      continue;
    }
    std::optional<std::string> value = lookup(part.text);
    if (!value) return absl::NotFoundError(fmt::format("'{{{}}}' has no value", part.text));
    out += *value;
  }
  return out;
}

bool TextTemplate::HasPlaceholders() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.is_placeholder; });
}

std::vector<std::string> TextTemplate::Placeholders() const {
  std::vector<std::string> names;
  for (const Part& part : parts_) {
    if (part.is_placeholder) names.push_back(part.text);
  }
  return names;
}

}  // namespace cleave
