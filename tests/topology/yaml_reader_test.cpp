// SPDX-License-Identifier: Apache-2.0
#include "topology/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/status.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;
using Kind = YamlNode::Kind;

std::string ErrorOf(const std::string& text) {
  auto result = ParseYaml(text);
  return result.ok() ? "no error" : MessageOf(result.status());
}

TEST(YamlReaderTest, ReadsValuesAsWritten) {
  auto top = ParseYaml("a:\n  - 0000:01:00.0\n  - \"0x01\"\n  - true\nb: {c: }\n4: [x, {y: z}]\n");
  ASSERT_TRUE(top.ok()) << top.status();
  const YamlNode* a = top->Find("a");
  ASSERT_NE(a, nullptr);
  ASSERT_EQ(a->items.size(), 3U);
  EXPECT_EQ(a->items[0].scalar, "0000:01:00.0");  // 60 by YAML 1.1
  EXPECT_EQ(a->items[0].line, 2);
  EXPECT_EQ(a->items[1].scalar, "0x01");
  EXPECT_EQ(a->items[2].scalar, "true");
  EXPECT_EQ(top->Find("b")->Find("c")->kind, Kind::kNull);
  EXPECT_EQ(top->Find("4")->items[1].Find("y")->scalar, "z");
  EXPECT_EQ(top->Find("d"), nullptr);
}

TEST(YamlReaderTest, SaysWhere) {
  EXPECT_THAT(ErrorOf("a: 1\nb: [1, 2\nc: }\n"), HasSubstr("line 3: "));
  EXPECT_EQ(ErrorOf("a: 1\nb: 2\na: 3\n"), "line 3: 'a' is there twice");
  EXPECT_THAT(ErrorOf("a:\n\t- b\n"), HasSubstr("line 2: "));
  EXPECT_EQ(ErrorOf(""), "line 1: the file is empty");
  EXPECT_EQ(ErrorOf("? [a]\n: b\n"), "line 1: a key must be a plain word");
}

TEST(YamlReaderTest, RefusesWhatGrows) {
  EXPECT_EQ(ErrorOf("a: &x [1]\nb: [*x, *x]\n"), "line 1: anchors are not supported");
  EXPECT_THAT(ErrorOf(std::string(100'000, '[')), HasSubstr("nested too deep"));
  EXPECT_THAT(ErrorOf(std::string(100'000, '{')), HasSubstr("line 1: "));
  EXPECT_EQ(ErrorOf(std::string(2 << 20, ' ')), "longer than 1048576 bytes");
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep = std::string(static_cast<size_t>(100 - i), ' ') + "a:\n" + deep;
  EXPECT_THAT(ErrorOf(deep), HasSubstr("line "));
}

}  // namespace
}  // namespace cleave
