// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/machine.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using testing::ErrorsOf;
using testing::GoodSettings;
using ::testing::HasSubstr;

TEST(Config, EverythingHasADefault) {
  Settings settings = GoodSettings();
  EXPECT_TRUE(settings.config.profiles.empty());
  EXPECT_EQ(settings.config.rescan, std::chrono::seconds(5));
  EXPECT_EQ(settings.config.http_address, "");
  EXPECT_EQ(settings.config.weights.same_switch, 50);
  ASSERT_FALSE(settings.profiles.empty());
}

TEST(Config, ReadsWhatItIsTold) {
  Config config = GoodSettings(R"(
http = ":9480"
rescan = "30s"
drop = ["a.com/*"]
exclude = [{ serial = "0100*" }, { address = ["0000:31:00.0"] }]
[log]
level = "debug"
format = "json"
[affinity]
link = 50
[[links]]
source = "toml"
kind = "ethernet"
between = [{ from = "0000:31:00.0", to = "0000:4b:00.0", width = 4 }]
[[links]]
source = "tt-cluster-descriptor"
path = "cluster.yaml"
[[resource]]
name = "example.com/fast"
where = { card_type = "n300" }
nodes = ["gpu-a-*"]
[resource.container]
env = { WHO = "{id}" }
)")
                      .config;
  EXPECT_EQ(config.http_address, ":9480");
  EXPECT_EQ(config.rescan, std::chrono::seconds(30));
  EXPECT_EQ(config.log_level, LogLevel::kDebug);
  EXPECT_EQ(config.log_format, LogFormat::kJson);
  EXPECT_EQ(config.weights.link, 50);
  ASSERT_EQ(config.links.size(), 3U);
  EXPECT_EQ(config.links[0].pairs[0].width, 4);
  EXPECT_TRUE(config.links[2].of_profile) << "amd's, in use by default";
  EXPECT_EQ(config.links[1].path, "cluster.yaml");
  ASSERT_EQ(config.resources.size(), 1U);
  EXPECT_EQ(config.resources[0].name.source(), "example.com/fast");
  EXPECT_EQ(config.resources[0].container.env[0].choices[0].value.source(), "{id}");
  EXPECT_EQ(config.exclude.size(), 2U);
}

TEST(Config, LinksMayBelongToOtherNodes) {
  Config config = GoodSettings(
                      "profiles = [\"tenstorrent\"]\n[[links]]\nsource = \"a\"\n"
                      "[[links]]\nsource = \"b\"\nnodes = [\"gpu-*\"]\n")
                      .config;
  Config other = config;
  KeepLinksOf("gpu-1", config);
  EXPECT_EQ(config.links.size(), 2U);
  KeepLinksOf("cpu-1", other);
  ASSERT_EQ(other.links.size(), 1U);
  EXPECT_EQ(other.links[0].source, "a");
}

TEST(Config, HttpAddressesAreThoseThatCanBeServed) {
  for (const char* good : {"", ":9480", "127.0.0.1:0", "localhost:80"})
    EXPECT_EQ(ErrorsOf(std::string("http = \"") + good + "\""), "") << good;
  for (const char* bad :
       {"9480", ":x", ":70000", "[::1]:80", "::1:80", "a b:80", "myhost:80", "999.1.1.1:80"})
    EXPECT_THAT(ErrorsOf(std::string("http = \"") + bad + "\""), HasSubstr("cleave.toml:1:1: 'http' in"))
        << bad;
}

TEST(Config, EveryErrorHasItsPlaceAndTheNearestName) {
  std::string errors = ErrorsOf(R"(prfiles = []
[[resource]]
name = "example.com/a"
prefr = "closest"
unit = "crad"
[profile.tenstorent]
hugepages = "auto"
[profile.tenstorrent]
hugepages = "somtimes"
hugepage = "auto"
)");
  EXPECT_THAT(errors,
              HasSubstr("cleave.toml:1:1: unknown key 'prfiles' in cleave.toml (did you mean 'profiles'?)"));
  EXPECT_THAT(errors,
              HasSubstr("cleave.toml:4:1: unknown key 'prefr' in [[resource]] (did you mean 'prefer'?)"));
  EXPECT_THAT(
      errors,
      HasSubstr(
          "cleave.toml:5:1: 'unit' in [[resource]] must be one of card, group, partition, share, count, "
          "not 'crad' (did you mean 'card'?)"));
  EXPECT_THAT(errors, HasSubstr("there is no profile 'tenstorent' (did you mean 'tenstorrent'?)"));
  EXPECT_THAT(errors,
              HasSubstr("cleave.toml:9:1: 'hugepages' must be one of auto, always, never, not 'somtimes'"));
  EXPECT_THAT(
      errors,
      HasSubstr(
          "cleave.toml:10:1: profile 'tenstorrent' has no setting 'hugepage' (did you mean 'hugepages'?)"));
}

TEST(Config, SyntaxErrorsHaveAPlace) {
  EXPECT_THAT(ErrorsOf("a = [\n"), HasSubstr("cleave.toml:"));
  EXPECT_THAT(ErrorsOf("a = 1\na = 2\n"), HasSubstr("cleave.toml:2:"));
  EXPECT_NE(ErrorsOf("[\n"), "");
  EXPECT_NE(ErrorsOf("\xef\xbb\xb5"), "");
}

TEST(Config, WrongTypesAndRangesAreSaid) {
  EXPECT_THAT(ErrorsOf("rescan = 5"), HasSubstr("'rescan' in cleave.toml must be a string"));
  EXPECT_THAT(ErrorsOf("rescan = \"5\""), HasSubstr("must be a duration"));
  EXPECT_THAT(ErrorsOf("rescan = \"1ms\""), HasSubstr("must be from 1s to 1h"));
  EXPECT_THAT(ErrorsOf("resource = 1"), HasSubstr("[[resource]]"));
  EXPECT_THAT(ErrorsOf("[affinity]\nlink = inf"), HasSubstr("'link' in [affinity] must be a number"));
  EXPECT_THAT(ErrorsOf("[affinity]\nlink = -1"), HasSubstr("must be a number from 0 to 1000000"));
  EXPECT_THAT(ErrorsOf("[affinity]\nsame_numa = 5"),
              HasSubstr("'same_numa' (5) must not be less than 'same_socket' (15)"));
  EXPECT_THAT(ErrorsOf("[[links]]\nsource = \"toml\"\nbetween = [{ from = \"a\" }]"),
              HasSubstr("a link needs 'from' and 'to'"));
}

TEST(Config, ResourcesAreCheckedAgainstTheProfiles) {
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/{card_tipe}\""),
              HasSubstr("cleave.toml:2:8: no placeholder is called 'card_tipe' (did you mean 'card_type'?)"));
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/b\"\nwhere = { seriall = 1 }"),
              HasSubstr("no attribute is called 'seriall' (did you mean 'serial'?)"));
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/b\"\nunit = \"group\""), HasSubstr("needs 'group_by'"));
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/b\"\nsize = 2"),
              HasSubstr("'size' in [[resource]] is for unit = \"group\""));
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/b\"\n[resource.container]\nenv = { \"1A\" = \"x\" }"),
              HasSubstr("is not the name of an environment variable"));
  EXPECT_THAT(
      ErrorsOf("[[resource]]\nname = \"a.com/b\"\n[resource.container]\nmounts = [{ host = \"dev\" }]"),
      HasSubstr("must be an absolute path"));
  EXPECT_THAT(ErrorsOf("exclude = [{ index = \"3-1\" }]"),
              HasSubstr("cleave.toml:1:14: the range \"3-1\" ends before it begins"));
  EXPECT_THAT(ErrorsOf("exclude = [{ index = \">=x\" }]"),
              HasSubstr("cleave.toml:1:14: \">=x\" compares with no number"));
  EXPECT_EQ(ErrorsOf("exclude = [{ index = \"0-9x\" }]\n[[resource]]\nprefr = 1\nname = \"a.com/x\""),
            "cleave.toml:1:14: \"0-9x\" is no number, and 'index' is one: \"3\", \"0-3\", \"> 3\"\n"
            "cleave.toml:3:1: unknown key 'prefr' in [[resource]] (did you mean 'prefer'?)");
  EXPECT_EQ(
      ErrorsOf("exclude = [{ index = [\"!3\", \"0-3\", \"[4-6]\", \"1*\", 7, \">= 8\"], name = \"0-9x\" }]"),
      "");
  EXPECT_THAT(ErrorsOf("exclude = [{ address = \"0000:[0-9:*\" }]"),
              HasSubstr("cleave.toml:1:14: the pattern \"0000:[0-9:*\" has a '[' without its ']'"));
  EXPECT_THAT(ErrorsOf("drop = \"a.com/[]\""),
              HasSubstr("cleave.toml:1:1: 'drop' in cleave.toml: the pattern"));
  EXPECT_EQ(ErrorsOf("drop = [\"a.com/[]]\", \"a.com/[!a-c]x\", \"a.com/\\\\[\"]"), "");
  EXPECT_THAT(ErrorsOf("[[exclude]]"), HasSubstr("cleave.toml:1:1: [[exclude]] needs a test"));
  EXPECT_THAT(ErrorsOf("[[links]]\nsource = \"\""), HasSubstr("cleave.toml:1:1: [[links]] needs a 'source'"));
  const std::string group = "[[resource]]\nname = \"a.com/b\"\nunit = \"group\"\n";
  for (const char* size : {"0", "[]", "[2, 1]", "[1, 2, 3]"})
    EXPECT_THAT(ErrorsOf(group + "group_by = \"serial\"\nsize = " + size), HasSubstr("cleave.toml:5:"))
        << size;
  EXPECT_THAT(ErrorsOf(group + "group_by = \"links\"\nsize = [2, 4]"), HasSubstr("must be one number"));
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/b\"\nid = \"card-{index}\""),
              HasSubstr("cleave.toml:3:6: '{index}' is no part of an id"));
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/{\""), HasSubstr("'{' without '}'"));
}

TEST(Config, KeysOfOneKindOfUnit) {
  auto errors = [](const std::string& text) { return ErrorsOf("[[resource]]\nname = \"a.com/b\"\n" + text); };
  EXPECT_THAT(errors("unit = \"share\""),
              HasSubstr("cleave.toml:1:1: [[resource]] with unit = \"share\" needs 'shares'"));
  EXPECT_THAT(errors("unit = \"count\""), HasSubstr("needs 'count'"));
  EXPECT_THAT(errors("shares = 2"),
              HasSubstr("cleave.toml:3:1: 'shares' in [[resource]] is for unit = \"share\""));
  EXPECT_THAT(errors("unit = \"share\"\nshares = 0"),
              HasSubstr("cleave.toml:4:1: 'shares' in [[resource]] must be a whole number from 1 to 100000"));
  EXPECT_THAT(errors("unit = \"share\"\nshares = { a = 1, default = \"2\" }"),
              HasSubstr("cleave.toml:4:19: 'default' in shares of [[resource]] must be a whole number"));
  EXPECT_THAT(errors("unit = \"share\"\nshares = {}"), HasSubstr("'shares' in [[resource]] is empty"));
  EXPECT_THAT(errors("unit = \"share\"\nshares = \"{serail}\""), HasSubstr("(did you mean 'serial'?)"));
  EXPECT_THAT(errors("unit = \"share\"\nshares = 2\nmemory = \"serail\""),
              HasSubstr("no attribute is called 'serail' (did you mean 'serial'?)"));
  EXPECT_THAT(errors("unit = \"count\"\ncount = \"{serial}\""),
              HasSubstr("cleave.toml:4:9: '{serial}': with unit = \"count\" there is no card to ask"));
  EXPECT_THAT(errors("same_card = \"forbid\""),
              HasSubstr("'same_card' in [[resource]] is for unit = \"share\""));
  EXPECT_THAT(errors("unit = \"share\"\nshares = 2\nstrict = true"),
              HasSubstr("'strict' in [[resource]] is for same_card = \"forbid\" or \"require\""));
  EXPECT_THAT(errors("prefer = \"packet\""), HasSubstr("(did you mean 'packed'?)"));
  EXPECT_EQ(errors("unit = \"share\"\nshares = { \"0000:31:00.0\" = 4, default = 10 }\nprefer = \"spread\"\n"
                   "same_card = \"forbid\"\nstrict = true\n"),
            "");
}

TEST(Config, AProfileThatOnlyCountsNeedsNoEntries) {
  std::string profile = "schema = 1\nname = \"slots\"\ndefault = false\n";
  EXPECT_THAT(ErrorsOf("", {{"s.toml", profile}}), HasSubstr("s.toml:1:1: the profile needs [entries]"));
  profile += "[[resource]]\nname = \"a.com/slot\"\nunit = \"count\"\ncount = 4\n";
  EXPECT_EQ(ErrorsOf("", {{"s.toml", profile}}), "");
  EXPECT_THAT(ErrorsOf("", {{"s.toml", profile + "[[resource]]\nname = \"a.com/card\"\n"}}),
              HasSubstr("the profile needs [entries]"));
}

TEST(Config, RelativePathsStartAtTheFile) {
  testing::TempDir dir;
  testing::WriteFile(dir / "cleave.toml",
                     "profile_dirs = [\"profiles\"]\n[[links]]\nsource = \"x\"\npath = \"a/../b.yaml\"\n");
  testing::WriteFile(dir / "profiles/mine.toml",
                     "schema = 1\nname = \"mine\"\n[entries]\nclass = \"mine\"\nid = \"{name}\"\n");
  Diagnostics diagnostics;
  Settings settings = LoadSettings({dir / "cleave.toml", {}, {}}, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
  EXPECT_EQ(settings.config.links[0].path, dir / "b.yaml");
  bool found = false;
  for (const Profile& profile : settings.profiles) found = found || profile.name == "mine";
  EXPECT_TRUE(found);
}

TEST(Config, AFileThatWasNamedMustBeThere) {
  Diagnostics diagnostics;
  LoadSettings({"/nowhere/cleave.toml", {"/nowhere/profiles"}, {}}, diagnostics);
  EXPECT_THAT(diagnostics.Text(), HasSubstr("/nowhere/cleave.toml: cannot be read"));
  EXPECT_THAT(diagnostics.Text(), HasSubstr("/nowhere/profiles: profiles cannot be read"));
}

}  // namespace
}  // namespace cleave
