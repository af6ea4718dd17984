// SPDX-License-Identifier: Apache-2.0
// YAML as plain values with line numbers: the wrapper of yaml-cpp, whose exceptions stay inside. Private to
// src/topology.
#ifndef CLEAVE_TOPOLOGY_YAML_READER_H_
#define CLEAVE_TOPOLOGY_YAML_READER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace cleave {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 0;  // from 1
  std::string
      scalar;  // as written: nothing is taken for a number (0000:01:00.0 is 60 in YAML 1.1), quotes removed
  std::vector<YamlNode> keys;   // of a map, in the order of the file; scalars
  std::vector<YamlNode> items;  // of a list; of a map: the value of each key

  // The value of a key; nullptr when there is none.
  const YamlNode* Find(std::string_view key) const;
};

// The first document of `text`. INVALID_ARGUMENT "line 3: ..." when it is no YAML, has a key twice, is nested
// more than a few levels deep, is longer than 1 MiB, or uses anchors and aliases (a short text could then
// stand for a huge one).
absl::StatusOr<YamlNode> ParseYaml(const std::string& text);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_YAML_READER_H_
