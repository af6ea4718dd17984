// SPDX-License-Identifier: Apache-2.0
#include "policy/name_patterns.h"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/profile.h"
#include "config/resource_spec.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"

namespace cleave {
namespace {

// A shell pattern, character by character: [..] is a ?, and \x is x as it is.
struct Step {
  enum Kind { kText, kAny, kMany } kind;
  char text = 0;
};

std::vector<Step> StepsOf(std::string_view pattern) {
  std::vector<Step> steps;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    // A ] that comes first is one of the set.
    const size_t end = c == '[' ? pattern.find(']', i + (pattern.substr(i + 1).starts_with('!') ? 3 : 2))
                                : std::string_view::npos;
    if (end != std::string_view::npos) {
      steps.push_back({Step::kAny});
      i = end;
    } else if (c == '*' || c == '?') {
      steps.push_back({c == '*' ? Step::kMany : Step::kAny});
    } else {
      if (c == '\\' && i + 1 < pattern.size()) ++i;
      steps.push_back({Step::kText, pattern[i]});
    }
  }
  return steps;
}

}  // namespace

std::vector<std::string> NamePatterns(const Settings& settings) {
  std::set<std::string> patterns;
  for (const Profile& profile : settings.profiles) {
    if (!settings.Active(profile)) continue;
    const std::map<std::string, std::string> values = settings.Values(profile);
    const TextTemplate::Lookup known = SettingsTextLookup(&values);
    for (const ResourceSpec& spec : profile.resources) {
      if (!spec.when.Holds(SettingsLookup(&values))) continue;
      auto lookup = [&](const std::string& name) { return std::optional(known(name).value_or("*")); };
      if (auto name = spec.name.Expand(lookup); name.ok()) patterns.insert(*name);
    }
  }
  return {patterns.begin(), patterns.end()};
}

bool MayMeet(std::string_view a, std::string_view b) {
  const std::vector<Step> left = StepsOf(a);
  const std::vector<Step> right = StepsOf(b);
  // meet[i][j]: the first i steps of one and the first j of the other have a text in common.
  std::vector<std::vector<char>> meet(left.size() + 1, std::vector<char>(right.size() + 1, 0));
  for (size_t i = 0; i <= left.size(); ++i) {
    for (size_t j = 0; j <= right.size(); ++j) {
      const bool left_many = i > 0 && left[i - 1].kind == Step::kMany;
      const bool right_many = j > 0 && right[j - 1].kind == Step::kMany;
      bool here = i == 0 && j == 0;
      here = here || (left_many && (meet[i - 1][j] || (j > 0 && meet[i][j - 1])));
      here = here || (right_many && (meet[i][j - 1] || (i > 0 && meet[i - 1][j])));
      if (!here && i > 0 && j > 0 && !left_many && !right_many) {
        const Step& x = left[i - 1];
        const Step& y = right[j - 1];
        here = meet[i - 1][j - 1] && (x.kind == Step::kAny || y.kind == Step::kAny || x.text == y.text);
      }
      meet[i][j] = here ? 1 : 0;
    }
  }
  return meet[left.size()][right.size()] != 0;
}

}  // namespace cleave
