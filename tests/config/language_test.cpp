// SPDX-License-Identifier: Apache-2.0
// Templates and conditions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/status.h"
#include "config/condition.h"
#include "config/text_template.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::optional<std::string> Facts(const std::string& name) {
  if (name == "ordinal") return "3";
  return std::nullopt;
}

TEST(TextTemplate, FillsInValues) {
  TextTemplate text = TextTemplate::Parse("/dev/x/{ordinal}{{}}").value();
  EXPECT_EQ(text.Expand(Facts).value(), "/dev/x/3{}");
  EXPECT_THAT(text.Placeholders(), ElementsAre("ordinal"));
  EXPECT_FALSE(TextTemplate::Parse("plain")->HasPlaceholders());
}

TEST(TextTemplate, NamesThePlaceholderWithoutAValue) {
  absl::Status status = TextTemplate::Parse("{serial}")->Expand(Facts).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(MessageOf(status), HasSubstr("{serial}"));
}

TEST(TextTemplate, RefusesWhatIsNone) {
  for (const char* bad : {"{", "}", "{}", "{a b}", "{a", "a}b", "{{}"})
    EXPECT_FALSE(TextTemplate::Parse(bad).ok()) << bad;
}

bool Passes(std::vector<std::string> patterns, std::optional<AttributeValue> value) {
  return Matches({"x", std::move(patterns), {}}, value);
}

TEST(Condition, PatternsAndExceptions) {
  EXPECT_TRUE(Passes({"p150*", "n300"}, "p150a"));
  EXPECT_FALSE(Passes({"p150*", "!p150b"}, "p150b"));
  EXPECT_TRUE(Passes({"!p150b"}, "n150"));
  EXPECT_TRUE(Passes({"!p150b"}, std::nullopt));
  EXPECT_FALSE(Passes({"*"}, std::nullopt));
  EXPECT_TRUE(Passes({"true"}, true));
}

TEST(Condition, ComparesNumbers) {
  EXPECT_TRUE(Passes({"> 1"}, int64_t{2}));
  EXPECT_TRUE(Passes({"> 1"}, "2"));
  EXPECT_FALSE(Passes({"> 1"}, int64_t{1}));
  EXPECT_TRUE(Passes({"<= 4", ">= 9"}, int64_t{4}));
  EXPECT_FALSE(Passes({"> 1"}, "many"));
  EXPECT_FALSE(Passes({"> 1"}, std::nullopt));
}

TEST(Condition, RangesOfNumbers) {
  EXPECT_TRUE(Passes({"0-3"}, int64_t{3}));
  EXPECT_TRUE(Passes({"0-3", "6"}, "6"));
  EXPECT_FALSE(Passes({"0-3"}, int64_t{4}));
  EXPECT_FALSE(Passes({"0-12", "!4-5"}, int64_t{5}));
  EXPECT_TRUE(Passes({"4-5"}, "4-5")) << "a text that looks like a range";
  EXPECT_FALSE(Passes({"4-5"}, "4.5"));
  EXPECT_FALSE(Passes({"0-3"}, std::nullopt));
}

}  // namespace
}  // namespace cleave
