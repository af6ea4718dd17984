// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_text.h"

#include <fmt/core.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cleave {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr std::string_view kEllipsis = "…";

// Takes one character off the front of `text`; kReplacement, and one byte, where there is no UTF-8.
char32_t TakeCharacter(std::string_view& text) {
  auto byte = [&text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t size = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  char32_t character = size == 1 ? first : first & (0xFFU >> (size + 1));
  bool valid = first < 0x80 || (first >= 0xC2 && first <= 0xF4 && size <= text.size());
  for (size_t i = 1; valid && i < size; ++i) {
    valid = (byte(i) & 0xC0U) == 0x80;
    character = (character << 6U) | (byte(i) & 0x3FU);
  }
  // Overlong forms and surrogates.
  valid = valid && !(size == 3 && character < 0x800) &&
          !(size == 4 && (character < 0x10000 || character > 0x10FFFF)) &&
          !(character >= 0xD800 && character <= 0xDFFF);
  text.remove_prefix(valid ? size : 1);
  return valid ? character : kReplacement;
}

bool IsForbidden(char32_t character) {
  if (character < 0x20 || (character >= 0x7F && character < 0xA0)) return true;
  if ((character >= 0x202A && character <= 0x202E) || (character >= 0x2066 && character <= 0x2069))
    return true;
  return (character & 0xFFFEU) == 0xFFFE ||
         (character >= 0xFDD0 && character <= 0xFDEF);  // no characters at all
}

double CharacterWidth(char32_t character, const Font& font) {
  if (character >= 0x1100 && (character < 0x2000 || character >= 0x2E80)) return 1.05;
  if (font.mono) return 0.61;
  if (character >= 0x80) return 0.85;
  const char c = static_cast<char>(character);
  if (std::string_view("iljtfrI.,:;'|![]()/- ").find(c) != std::string_view::npos) return 0.38;
  if (std::string_view("mwMW@%").find(c) != std::string_view::npos) return 0.95;
  if (c >= 'A' && c <= 'Z') return 0.72;
  return c >= 'a' && c <= 'z' ? 0.62 : 0.65;
}

}  // namespace

std::string CleanText(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t character = TakeCharacter(text);
    if (character == '\t' || character == '\n' || character == '\r') {
      out += ' ';
    } else if (character == kReplacement || IsForbidden(character)) {
      out += "\uFFFD";
    } else {
      out += before.substr(0, before.size() - text.size());
    }
  }
  return out;
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  for (char c : CleanText(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

double TextWidth(std::string_view text, const Font& font) {
  double width = 0;
  while (!text.empty()) width += CharacterWidth(TakeCharacter(text), font);
  return width * font.size * (font.bold && !font.mono ? 1.12 : 1);
}

std::string Ellipsize(std::string_view text, const Font& font, double width) {
  std::string clean = CleanText(text);
  if (TextWidth(clean, font) <= width) return clean;
  std::string out;
  std::string_view rest = clean;
  double used = TextWidth(kEllipsis, font);
  if (used > width) return "";
  while (!rest.empty()) {
    const std::string_view before = rest;
    TakeCharacter(rest);
    const std::string_view character = before.substr(0, before.size() - rest.size());
    used += TextWidth(character, font);
    if (used > width) break;
    out += character;
  }
  return out + std::string(kEllipsis);
}

std::string EllipsizeFront(std::string_view text, const Font& font, double width) {
  std::string clean = CleanText(text);
  if (TextWidth(clean, font) <= width) return clean;
  const double room = width - TextWidth(kEllipsis, font);
  if (room < 0) return "";
  std::string_view rest = clean;
  while (TextWidth(rest, font) > room) TakeCharacter(rest);
  return std::string(kEllipsis) + std::string(rest);
}

std::vector<std::string> WrapText(std::string_view text, const Font& font, double width, size_t lines) {
  const std::string clean = CleanText(text);
  std::string_view rest = clean;
  std::vector<std::string> out;
  while (!rest.empty() && out.size() + 1 < lines && TextWidth(rest, font) > width) {
    size_t end = 0;  // of the words that fit
    for (size_t blank = rest.find(' ', 1); blank != std::string_view::npos;
         blank = rest.find(' ', blank + 1)) {
      if (TextWidth(rest.substr(0, blank), font) > width) break;
      end = blank;
    }
    if (end == 0) break;
    out.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  if (!rest.empty()) out.push_back(Ellipsize(rest, font, width));
  return out;
}

std::string Number(double value) {
  const double rounded = std::round(value * 10) / 10;
  return fmt::format("{:.10g}", rounded == 0 ? 0 : rounded);  // never "-0"
}

}  // namespace cleave
