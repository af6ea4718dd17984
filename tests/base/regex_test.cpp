// SPDX-License-Identifier: Apache-2.0
#include "base/regex.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace cleave {
namespace {

TEST(Regex, FindsInSomePartFitsAll) {
  EXPECT_TRUE(Finds("b+", "abbc"));
  EXPECT_FALSE(Finds("d", "abbc"));
  EXPECT_TRUE(Fits("ab+c", "abbc"));
  EXPECT_FALSE(Fits("b+", "abbc"));
}

TEST(Regex, TakesTheFirstGroupOrAll) {
  EXPECT_EQ(FirstGroup("card([0-9]+)-x([0-9])", "card12-x3"), "12");
  EXPECT_EQ(FirstGroup("[0-9]+", "card12"), "12");
  EXPECT_EQ(FirstGroup("[0-9]+", "card12", true), std::nullopt);
}

TEST(Regex, WhatIsNoExpressionMatchesNothing) {
  EXPECT_FALSE(Finds("(", "("));
  EXPECT_EQ(FirstGroup("(", "("), std::nullopt);
}

TEST(Regex, ManyExpressionsStayRight) {
  for (int i = 0; i < 1000; ++i) {
    std::string expression = "^" + std::to_string(i) + "$";
    EXPECT_TRUE(Finds(expression, std::to_string(i)));
    EXPECT_TRUE(Finds("^0$", "0"));
  }
}

}  // namespace
}  // namespace cleave
