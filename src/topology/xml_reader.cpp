// SPDX-License-Identifier: Apache-2.0
#include "topology/xml_reader.h"

#include <expat.h>
#include <fmt/core.h>

#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"

namespace cleave {
namespace {

constexpr size_t kDeepest = 64;
constexpr size_t kMostElements = 65536;

// Builds XmlNodes from the parser's calls. C code is between us and the caller, so nothing is thrown.
class Collector {
 public:
  explicit Collector(XML_Parser parser) : parser_(parser) {
    XML_SetUserData(parser, this);
    XML_SetElementHandler(parser, OnStart, OnEnd);
    XML_SetStartDoctypeDeclHandler(parser, OnDoctype);
  }

  const std::string& problem() const { return problem_; }  // "" when all is well
  XmlNode Take() { return std::move(top_); }

 private:
  static void OnStart(void* self, const XML_Char* name, const XML_Char** attributes) {
    static_cast<Collector*>(self)->Open(name, attributes);
  }
  static void OnEnd(void* self, const XML_Char* /*name*/) { static_cast<Collector*>(self)->Close(); }
  static void OnDoctype(void* self, const XML_Char* /*name*/, const XML_Char* /*system*/,
                        const XML_Char* /*pub*/, int /*has_internal_subset*/) {
    static_cast<Collector*>(self)->Refuse("a document type is not supported");
  }

  void Refuse(std::string_view why) {
    if (problem_.empty()) problem_ = fmt::format("line {}: {}", XML_GetCurrentLineNumber(parser_), why);
    XML_StopParser(parser_, XML_FALSE);
  }

  void Open(const XML_Char* name, const XML_Char** attributes) {
    if (!problem_.empty()) return;  // calls may still come after a refusal
    if (open_.size() >= kDeepest) return Refuse("nested too deep");
    if (++elements_ > kMostElements) return Refuse(fmt::format("more than {} elements", kMostElements));
    XmlNode node;
    node.name = name;
    node.line = static_cast<int>(XML_GetCurrentLineNumber(parser_));
    for (const XML_Char** at = attributes; *at != nullptr; at += 2) node.attributes.emplace(at[0], at[1]);
    open_.push_back(std::move(node));
  }

  void Close() {
    if (!problem_.empty()) return;
    XmlNode node = std::move(open_.back());
    open_.pop_back();
    if (open_.empty()) {
      top_ = std::move(node);
    } else {
      open_.back().children.push_back(std::move(node));
    }
  }

  XML_Parser parser_;
  std::string problem_;
  std::vector<XmlNode> open_;  // from the top element to the one that is being read
  XmlNode top_;
  size_t elements_ = 0;
};

}  // namespace

std::string_view XmlNode::Attribute(std::string_view key) const {
  auto found = attributes.find(key);
  return found == attributes.end() ? std::string_view() : found->second;
}

absl::StatusOr<XmlNode> ParseXml(const std::string& text) {
  if (Trim(text).empty()) return absl::InvalidArgumentError("line 1: it is empty");
  if (text.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    return absl::InvalidArgumentError("line 1: too long");
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser(
      XML_ParserCreate(nullptr), &XML_ParserFree);
  if (parser == nullptr) return absl::ResourceExhaustedError("no memory");
  Collector collector(parser.get());
  const XML_Status status = XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE);
  if (!collector.problem().empty()) return absl::InvalidArgumentError(collector.problem());
  if (status != XML_STATUS_OK) {
    return absl::InvalidArgumentError(
        fmt::format("line {}: {} ({})", XML_GetCurrentLineNumber(parser.get()),
                    Trim(text).starts_with('<') ? "the XML is broken here" : "this is no XML",
                    XML_ErrorString(XML_GetErrorCode(parser.get()))));
  }
  return collector.Take();
}

}  // namespace cleave
