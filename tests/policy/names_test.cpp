// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "base/strings.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "policy/name_patterns.h"
#include "policy/plan.h"

namespace cleave {
namespace {

TEST(ResourceName, GoodOnes) {
  for (const char* name : {"tenstorrent.com/n300", "a/b", "example.com/1-2-gpu",
                           "fpga.intel.com/af-ce4.d84.zkiWk5jwXzOUbVYHCL4QithCTcSko8QT-J5DNoP5BAs"}) {
    EXPECT_EQ(BadResourceName(name), "") << name;
  }
  EXPECT_EQ(BadResourceName("a/" + std::string(63, 'x')), "");
}

TEST(ResourceName, WhatTheKubeletRefuses) {
  for (const char* name : {"gpu", "/gpu", "a/", "kubernetes.io/gpu", "x.kubernetes.io/gpu",
                           "requests.example.com/gpu", "Example.com/gpu", "example..com/gpu", "-a.com/gpu",
                           "a.com/-gpu", "a.com/gpu-", "a.com/g pu", "a.com/g/pu", "a.com/g{x}", ""}) {
    EXPECT_NE(BadResourceName(name), "") << name;
  }
  EXPECT_NE(BadResourceName("a/" + std::string(64, 'x')), "");
  EXPECT_EQ(
      BadResourceName("Tenstorrent.com/N 300"),
      "'Tenstorrent.com' is no domain name: small letters, digits, '-' and '.'; the part after the slash "
      "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends");
  EXPECT_NE(BadResourceName(std::string(64, 'a') + ".com/x"), "");
  std::string domain = "com";
  while (domain.size() <= 253) domain = "a." + domain;
  EXPECT_EQ(BadResourceName(domain + "/x"), "its domain has 255 characters, at most 244 are allowed");
}

TEST(DeviceId, AtMost63PrintableCharacters) {
  EXPECT_EQ(BadDeviceId("0000:31:00.0"), "");
  EXPECT_EQ(BadDeviceId(std::string(63, 'x')), "");
  for (const std::string& id : {std::string(), std::string(64, 'x'), std::string("a b"),
                                std::string("\xc3\xa4"), std::string("a\n")}) {
    EXPECT_NE(BadDeviceId(id), "") << id;
  }
}

TEST(NamePatterns, MeetWhereATextMatchesBoth) {
  struct Case {
    const char* a;
    const char* b;
    bool meet;
  };
  for (const Case& one : {Case{"", "", true},
                          {"", "*", true},
                          {"", "a", false},
                          {"a.com/x", "a.com/x", true},
                          {"a.com/x", "a.com/y", false},
                          {"a.com/n15*", "a.com/*", true},
                          {"b.com/n15*", "a.com/*", false},
                          {"*x*y*z*", "*", true},
                          {"*.com/x", "a.com/*-tray", false},
                          {"*.com/*y", "a.com/*-tray", true},
                          {"a?c", "abc", true},
                          {"a?c", "abbc", false},
                          {"a[bc]d", "acd", true},
                          {"a[]]d", "a]d", true},
                          {"a[!]]d", "abd", true},
                          {"a[b", "a[b", true},
                          {"a[b", "acb", false},
                          {"a\\*b", "a*b", true},
                          {"a\\*b", "axb", false}}) {
    EXPECT_EQ(MayMeet(one.a, one.b), one.meet) << one.a << " " << one.b;
    EXPECT_EQ(MayMeet(one.b, one.a), one.meet) << one.a << " " << one.b;
  }
}

// Of all texts of up to four letters, whatever both patterns match.
TEST(NamePatterns, MissNoTextThatMatchesBoth) {
  const std::vector<std::string> patterns = {"*",  "a*", "*a", "a*b", "?b",  "*[ab]",  "[!a]*", "a?*",
                                             "ab", "b",  "",   "*a*", "?*?", "a[ab]b", "b*a*b"};
  std::vector<std::string> texts = {""};
  for (size_t i = 0; texts[i].size() < 4; ++i) {
    texts.push_back(texts[i] + "a");
    texts.push_back(texts[i] + "b");
  }
  for (const std::string& a : patterns) {
    for (const std::string& b : patterns) {
      bool met = std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
        return GlobMatch(a, text) && GlobMatch(b, text);
      });
      if (met) {
        EXPECT_TRUE(MayMeet(a, b)) << a << " " << b;
      }
    }
  }
}

TEST(NamePatterns, HaveAStarForWhatACardTells) {
  Diagnostics diagnostics;
  const std::string profile =
      "schema = 1\nname = \"x\"\n[settings.domain]\ndefault = \"a.com\"\n[entries]\nclass = \"x\"\nid = "
      "\"{name}\"\n[[resource]]\nname = \"{settings.domain}/{name}-y\"\n[[resource]]\nname = "
      "\"a.com/z\"\nwhen = { \"settings.domain\" = \"b.com\" }\n";
  auto patterns = [&](const std::string& config) {
    return NamePatterns(LoadSettingsFromText(config, "cleave.toml", {{"x.toml", profile}}, diagnostics));
  };
  EXPECT_THAT(patterns("profiles = \"x\""), ::testing::ElementsAre("a.com/*-y"));
  EXPECT_THAT(patterns("profiles = \"x\"\n[profile.x]\ndomain = \"b.com\""),
              ::testing::ElementsAre("a.com/z", "b.com/*-y"));
  EXPECT_THAT(patterns("profiles = \"amd\""), ::testing::Each(::testing::StartsWith("amd.com/")));
  EXPECT_EQ(diagnostics.Text(), "");
}

}  // namespace
}  // namespace cleave
