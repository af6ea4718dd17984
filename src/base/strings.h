// SPDX-License-Identifier: Apache-2.0
// Small text helpers that the standard library of C++20 lacks.
#ifndef CLEAVE_BASE_STRINGS_H_
#define CLEAVE_BASE_STRINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cleave {

// Without white space and NUL bytes at both ends (some drivers write one byte too many).
std::string_view Trim(std::string_view text);

// The parts of `text` between `separator`; empty parts are kept, an empty text gives one empty part.
std::vector<std::string> Split(std::string_view text, char separator);

std::string Join(const std::vector<std::string>& parts, std::string_view separator);

std::string ToLower(std::string_view text);

// Foreign text, fit for a message: its first 40 bytes, without what a terminal would act on.
std::string Shown(std::string_view text);

// A whole decimal number, or one with 0x before it; nullopt for anything else, overflow included.
std::optional<int64_t> ParseInt(std::string_view text);

// Hexadecimal digits without a prefix.
std::optional<uint64_t> ParseHex(std::string_view text);

// A shell pattern over the whole text: * ? [..], see fnmatch(3); / is not special.
bool GlobMatch(const std::string& pattern, const std::string& text);

// The candidate nearest to `word` by edit distance, if it is near enough to be a slip of the keyboard; else
// "".
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

// CPU or node lists as the kernel prints them, "0-3,8,10-11". An empty text is an empty list.
// nullopt when it is malformed or names more than 65,536 numbers.
std::optional<std::vector<int>> ParseCpuList(std::string_view text);

// CPU masks as the kernel prints them, "00000000,000000ff", also with 0x before.
std::optional<std::vector<int>> ParseCpuMask(std::string_view text);

// Eight hexadecimal digits that stay the same between builds and machines: FNV-1a,
// http://www.isthe.com/chongo/tech/comp/fnv/.
std::string HashText(std::string_view text);

}  // namespace cleave

#endif  // CLEAVE_BASE_STRINGS_H_
