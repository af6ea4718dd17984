// SPDX-License-Identifier: Apache-2.0
// Regular expressions of profiles (RE2). What was compiled is kept: compiling costs more than matching, and
// the same few expressions are asked again at every look at the machine.
//
// An expression that RE2 does not accept matches nothing. Threads: any.
#ifndef CLEAVE_BASE_REGEX_H_
#define CLEAVE_BASE_REGEX_H_

#include <optional>
#include <string>

namespace cleave {

// Whether some part of `text` matches.
bool Finds(const std::string& expression, const std::string& text);

// Whether the whole of `text` matches.
bool Fits(const std::string& expression, const std::string& text);

// Group 1 of the first match, or all of it when the expression has no group. `whole`: of a match of all of
// `text`.
std::optional<std::string> FirstGroup(const std::string& expression, const std::string& text,
                                      bool whole = false);

}  // namespace cleave

#endif  // CLEAVE_BASE_REGEX_H_
