// SPDX-License-Identifier: Apache-2.0
// XML as plain values with line numbers: the wrapper of Expat. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_XML_READER_H_
#define CLEAVE_TOPOLOGY_XML_READER_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace cleave {

// An element. Text between elements is not kept.
struct XmlNode {
  std::string name;
  int line = 0;  // from 1
  std::map<std::string, std::string, std::less<>> attributes;
  std::vector<XmlNode> children;

  // The value of an attribute, "" when there is none.
  std::string_view Attribute(std::string_view key) const;
};

// The top element of `text`. INVALID_ARGUMENT "line 3: ..." when it is no XML, has a document type (with
// entities a short text could stand for a huge one), is nested too deep or has too many elements.
absl::StatusOr<XmlNode> ParseXml(const std::string& text);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_XML_READER_H_
