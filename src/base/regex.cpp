// SPDX-License-Identifier: Apache-2.0
#include "base/regex.h"

#include <re2/re2.h>
#include <re2/stringpiece.h>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"

namespace cleave {
namespace {

// Expressions may hold values of attributes, so there is no end to them.
constexpr size_t kMostKept = 256;

class Compiled {
 public:
  std::shared_ptr<const re2::RE2> Get(const std::string& expression) {
    MutexLock lock(mutex_);
    if (auto found = kept_.find(expression); found != kept_.end()) return found->second;
    if (kept_.size() >= kMostKept) kept_.clear();
    return kept_[expression] = std::make_shared<const re2::RE2>(expression, re2::RE2::Quiet);
  }

 private:
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<const re2::RE2>> kept_ ABSL_GUARDED_BY(mutex_);
};

std::shared_ptr<const re2::RE2> Compile(const std::string& expression) {
  static Compiled compiled;
  return compiled.Get(expression);
}

}  // namespace

bool Finds(const std::string& expression, const std::string& text) {
  return re2::RE2::PartialMatch(text, *Compile(expression));
}

bool Fits(const std::string& expression, const std::string& text) {
  return re2::RE2::FullMatch(text, *Compile(expression));
}

std::optional<std::string> FirstGroup(const std::string& expression, const std::string& text, bool whole) {
  std::shared_ptr<const re2::RE2> compiled = Compile(expression);
  std::array<re2::StringPiece, 2> groups;
  int count = compiled->NumberOfCapturingGroups() > 0 ? 2 : 1;
  re2::RE2::Anchor anchor = whole ? re2::RE2::ANCHOR_BOTH : re2::RE2::UNANCHORED;
  if (!compiled->Match(text, 0, text.size(), anchor, groups.data(), count)) return std::nullopt;
  return groups[static_cast<size_t>(count) - 1].as_string();
}

}  // namespace cleave
