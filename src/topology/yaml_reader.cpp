// SPDX-License-Identifier: Apache-2.0
#include "topology/yaml_reader.h"

#include <fmt/core.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cleave {
namespace {

constexpr size_t kDeepest = 16;
constexpr size_t kLongest = size_t{1} << 20;  // at its worst yaml-cpp takes two seconds for it

// Builds YamlNodes from the parser's events. Refusals are thrown as the parser's own exception, with a
// position.
class Collector final : public YAML::EventHandler {
 public:
  YamlNode Take() { return std::move(top_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Add(Make(YamlNode::Kind::kNull, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw YAML::ParserException(mark, "aliases are not supported");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    YamlNode node = Make(YamlNode::Kind::kScalar, mark);
    node.scalar = value;
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    RefuseAnchor(mark, anchor);
    Open(Make(YamlNode::Kind::kList, mark));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    RefuseAnchor(mark, anchor);
    Open(Make(YamlNode::Kind::kMap, mark));
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    YamlNode node;
    std::set<std::string> keys;
  };

  static YamlNode Make(YamlNode::Kind kind, const YAML::Mark& mark) {
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }

  static void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw YAML::ParserException(mark, "anchors are not supported");
  }

  static YAML::Mark MarkOf(const YamlNode& node) {
    YAML::Mark mark;
    mark.line = node.line - 1;
    return mark;
  }

  void Open(YamlNode node) {
    if (levels_.size() >= kDeepest) throw YAML::ParserException(MarkOf(node), "nested too deep");
    levels_.push_back({});
    levels_.back().node = std::move(node);
  }

  void Close() {
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (levels_.empty()) {
      top_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    bool is_value =
        level.node.kind == YamlNode::Kind::kList || level.node.keys.size() > level.node.items.size();
    if (is_value) {
      level.node.items.push_back(std::move(node));
    } else {
      if (node.kind != YamlNode::Kind::kScalar)
        throw YAML::ParserException(MarkOf(node), "a key must be a plain word");
      if (!level.keys.insert(node.scalar).second) {
        throw YAML::ParserException(MarkOf(node), fmt::format("'{}' is there twice", node.scalar));
      }
      level.node.keys.push_back(std::move(node));
    }
  }

  YamlNode top_;
  std::vector<Level> levels_;
};

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].scalar == key) return &items[i];
  }
  return nullptr;
}

absl::StatusOr<YamlNode> ParseYaml(const std::string& text) {
  if (text.size() > kLongest)
    return absl::InvalidArgumentError(fmt::format("longer than {} bytes", kLongest));
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Collector collector;
    if (!parser.HandleNextDocument(collector)) return absl::InvalidArgumentError("line 1: the file is empty");
    return collector.Take();
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        fmt::format("line {}: {}", std::max(error.mark.line, 0) + 1, error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(fmt::format("not YAML: {}", error.what()));
  }
}

}  // namespace cleave
