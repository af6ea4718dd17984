// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "base/status.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

TEST(Strings, CpuListsAsTheKernelPrintsThem) {
  EXPECT_THAT(ParseCpuList("0-2,8,10-11\n"), Optional(ElementsAre(0, 1, 2, 8, 10, 11)));
  EXPECT_THAT(ParseCpuList("\n"), Optional(ElementsAre()));
  for (const char* bad : {"a", "1-", "-1", "3-1", "0-99999999", "1,,2", "0-65535,0-65535"}) {
    EXPECT_EQ(ParseCpuList(bad), std::nullopt) << bad;
  }
}

TEST(Strings, CpuMasksAsTheKernelPrintsThem) {
  EXPECT_THAT(ParseCpuMask("00000001,00000005\n"), Optional(ElementsAre(0, 2, 32)));
  EXPECT_THAT(ParseCpuMask("0xf"), Optional(ElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(ParseCpuMask("0"), Optional(ElementsAre()));
  for (const char* bad : {"", "x", "1,", "123456789,0"}) EXPECT_EQ(ParseCpuMask(bad), std::nullopt) << bad;
}

TEST(Strings, NumbersAreWholeOrNothing) {
  EXPECT_EQ(ParseInt("-1"), -1);
  EXPECT_EQ(ParseInt("0x1e52"), 0x1e52);
  for (const char* bad : {"", "1x", "0x", "99999999999999999999", " 1"})
    EXPECT_EQ(ParseInt(bad), std::nullopt) << bad;
}

TEST(Strings, TrimDropsBlanksAndNulBytes) {
  EXPECT_EQ(Trim(std::string_view(" -1\n\0", 5)), "-1");
  EXPECT_EQ(Trim(" \n"), "");
}

TEST(Strings, NearestFindsSlipsOnly) {
  EXPECT_EQ(Nearest("prefr", {"prefer", "profile"}), "prefer");
  EXPECT_EQ(Nearest("quantum", {"prefer", "profile"}), "");
  EXPECT_EQ(Nearest("foo", {"fme", "for"}), "for");
  EXPECT_EQ(Nearest("foo", {"fme"}), "");
  EXPECT_EQ(Nearest("crad", {"card"}), "card");
}

TEST(Strings, GlobsCoverTheWholeText) {
  EXPECT_TRUE(GlobMatch("p150*", "p150a"));
  EXPECT_FALSE(GlobMatch("p150", "p150a"));
  EXPECT_TRUE(GlobMatch("a/*", "a/b/c"));
}

TEST(Status, ErrnoBecomesWhatItMeansForADevice) {
  EXPECT_TRUE(absl::IsNotFound(ErrnoStatus(ENOENT, "/sys/x")));
  EXPECT_TRUE(absl::IsPermissionDenied(ErrnoStatus(EPERM, "/sys/x")));
  for (int passing : {ENODATA, ENODEV, EBUSY, EIO})
    EXPECT_TRUE(absl::IsUnavailable(ErrnoStatus(passing, "/sys/x"))) << passing;
  EXPECT_EQ(MessageOf(Annotate(ErrnoStatus(ENOENT, "/sys/x"), "card a")),
            "card a: /sys/x: No such file or directory");
}

TEST(Strings, Hash) {  // the published test vectors of FNV-1a, 32 bits
  EXPECT_EQ(HashText(""), "811c9dc5");
  EXPECT_EQ(HashText("foobar"), "bf9cf968");
}

TEST(Strings, ForeignBytesAreShownHarmlessAndShort) {
  EXPECT_EQ(Shown("n300"), "n300");
  EXPECT_EQ(Shown("a\x1b[31m\n\xff"), "a?[31m??");
  EXPECT_EQ(Shown(std::string(41, 'x')), std::string(40, 'x'));
}

}  // namespace
}  // namespace cleave
