// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace cleave
