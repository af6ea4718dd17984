// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <fmt/core.h>
#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace cleave {
namespace {

constexpr int kMostCpus = 65536;

template <typename T>
std::optional<T> ParseNumber(std::string_view text, int base) {
  T value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t keep = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = keep;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view Trim(std::string_view text) {
  auto is_blank = [](char c) { return c == '\0' || std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (const std::string& part : parts) {
    if (&part != &parts.front()) joined += separator;
    joined += part;
  }
  return joined;
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

std::string Shown(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string shown(text.substr(0, kMost));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return shown;
}

std::optional<int64_t> ParseInt(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) return ParseNumber<int64_t>(text.substr(2), 16);
  return ParseNumber<int64_t>(text, 10);
}

std::optional<uint64_t> ParseHex(std::string_view text) { return ParseNumber<uint64_t>(text, 16); }

bool GlobMatch(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  // Two slips in a word of three letters make another word.
  size_t best_distance = std::min(std::max<size_t>(2, word.size() / 3), word.size() / 2) + 1;
  for (const std::string& candidate : candidates) {
    size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::optional<std::vector<int>> ParseCpuList(std::string_view text) {
  std::vector<int> cpus;
  text = Trim(text);
  if (text.empty()) return cpus;
  for (const std::string& part : Split(text, ',')) {
    size_t dash = part.find('-');
    std::optional<int> first = ParseNumber<int>(std::string_view(part).substr(0, dash), 10);
    std::optional<int> last =
        dash == std::string::npos ? first : ParseNumber<int>(std::string_view(part).substr(dash + 1), 10);
    if (!first || !last || *first < 0 || *last < *first || *last >= kMostCpus) return std::nullopt;
    for (int cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
    if (cpus.size() > kMostCpus) return std::nullopt;
  }
  return cpus;
}

std::optional<std::vector<int>> ParseCpuMask(std::string_view text) {
  text = Trim(text);
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  if (text.empty() || text.size() > kMostCpus / 2) return std::nullopt;
  std::vector<int> cpus;
  int base = 0;
  // The last word holds the lowest CPUs; each is 32 bits wide whatever number of digits is printed.
  std::vector<std::string> words = Split(text, ',');
  for (auto word = words.rbegin(); word != words.rend(); ++word, base += 32) {
    std::optional<uint64_t> bits = ParseHex(*word);
    if (!bits || word->size() > (words.size() == 1 ? 16 : 8)) return std::nullopt;
    for (int bit = 0; bit < 64; ++bit) {
      if ((*bits >> bit) & 1) cpus.push_back(base + bit);
    }
  }
  return cpus;
}

std::string HashText(std::string_view text) {
  uint32_t hash = 2166136261U;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return fmt::format("{:08x}", hash);
}

}  // namespace cleave
