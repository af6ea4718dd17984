// SPDX-License-Identifier: Apache-2.0
// What the resources of profiles can be called, whatever cards there are.
#ifndef CLEAVE_POLICY_NAME_PATTERNS_H_
#define CLEAVE_POLICY_NAME_PATTERNS_H_

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace cleave {

// Of every resource of the profiles in use: its name, where * stands for what only a card can tell. Sorted,
// each once.
std::vector<std::string> NamePatterns(const Settings& settings);

// Whether some text may match both shell patterns; a [..] counts as any character. Takes the product of their
// lengths in steps.
bool MayMeet(std::string_view a, std::string_view b);

}  // namespace cleave

#endif  // CLEAVE_POLICY_NAME_PATTERNS_H_
