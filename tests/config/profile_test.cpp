// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "tests/machine.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHead = "schema = 1\nname = \"x\"\n[entries]\nclass = \"x\"\nid = \"{name}\"\n";

std::string Problems(const std::string& text) { return testing::ErrorsOf("", {{"x.toml", text}}); }

TEST(Profile, TheShippedOnesAreRight) {
  size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(testing::SourcePath("config/profiles"))) {
    Diagnostics diagnostics;
    Profile profile = ParseProfile(testing::ReadFileOrDie(file.path()), file.path().filename(), diagnostics);
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
    EXPECT_EQ(profile.name + ".toml", file.path().filename());
    EXPECT_NE(profile.summary, "");
    ++count;
  }
  EXPECT_EQ(testing::GoodSettings().profiles.size(), count);
}

TEST(Profile, ReadsTheLanguage) {
  Diagnostics diagnostics;
  Profile profile = ParseProfile(std::string(kHead) + R"toml(
pci = { vendor = 0x1e52, device = [1, 2], driver = ["a", "b"] }
piece_of = "{device/physical_id}"
board = ["{serial}/{tray}", "{serial}"]
[entries.unsupported]
"0xfaca" = "too old"
[entries.attributes]
serial = { read = "serial", wait = "120s" }
tray = [{ of = "serial", match = "^(.)", map = { a = 1 }, when = { serial = "a*" } }, { read = "tray", default = 7 }]
[entries.nodes]
main = "/dev/x/{name}"
[settings]
mode = { values = ["a", "b"], default = "a" }
[[health]]
name = "alive"
read = "beat"
must = "change"
within = "4s"
[[resource]]
name = "x.com/x"
)toml",
                                 "x.toml", diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.Text();
  EXPECT_EQ(profile.entries[0].pci->devices.size(), 2U);
  EXPECT_EQ(profile.entries[0].unsupported.at(0xfaca), "too old");
  ASSERT_EQ(profile.entries[0].attributes.size(), 2U);
  EXPECT_EQ(profile.entries[0].attributes[0].name, "serial");
  EXPECT_EQ(profile.entries[0].attributes[0].wait, std::chrono::seconds(120));
  EXPECT_EQ(profile.entries[0].attributes[1].rules.size(), 2U);
  EXPECT_EQ(profile.health[0].within, std::chrono::seconds(4));
  EXPECT_EQ(profile.health[0].strikes, 2);
  EXPECT_EQ(profile.resources[0].profile, "x");
}

// What follows from a mistake is not another one.
TEST(Profile, OneMistakeIsOneError) {
  EXPECT_EQ(Problems(std::string(kHead) +
                     "[[health]]\nname = \"a\"\nread = \"b\"\nwithin = \"4s\"\nmust = \"chnge\""),
            "x.toml:10:1: 'must' in [[health]] must be one of change, not 'chnge' (did you mean 'change'?)");
}

TEST(Profile, AClassIsAName) {
  for (const char* bad : {"../../etc", "a/b", "..", "/sys/class/x"}) {
    EXPECT_THAT(Problems("schema = 1\nname = \"x\"\n[entries]\nid = \"{name}\"\nclass = \"" +
                         std::string(bad) + "\""),
                HasSubstr("x.toml:5:1: 'class' of [entries] is the name of a folder in /sys/class"));
  }
}

// tenstorrent!7 is another card after a reset.
TEST(Profile, IdsAreNotMadeOfOrdinals) {
  const std::string head = "schema = 1\nname = \"x\"\n[entries]\nclass = \"x\"\n";
  const std::string rule = "[entries.attributes]\nordinal = { name = \"x([0-9]+)\" }\n";
  EXPECT_THAT(Problems(head + "id = \"x-{ordinal}\"\npci = { vendor = 1 }\n" + rule),
              HasSubstr("x.toml:5:6: '{ordinal}' is no part of an id"));
  EXPECT_EQ(Problems(head + "id = \"x-{ordinal}\"\n" + rule), "") << "nothing else is known of it";
  EXPECT_EQ(Problems(head + "id = \"{pci.address}\"\npci = { vendor = 1 }\n" + rule), "");
}

TEST(Profile, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Problems("name = \"x\""), HasSubstr("x.toml:1:1: the profile needs schema = 1"));
  EXPECT_THAT(Problems("name = \"x\""), HasSubstr("the profile needs [entries]"));
  EXPECT_THAT(Problems("schema = 2\nname = \"x\""), HasSubstr("x.toml:1:1: 'schema'"));
  EXPECT_THAT(Problems("schema = 1\nname = \"X Y\"\n[entries]\nclass = \"x\"\nid = \"{name}\""),
              HasSubstr("x.toml:2:1: the profile needs a 'name'"));
  EXPECT_THAT(Problems(std::string(kHead) + "[entries.attributes]\na = { read = \"a\", link = \"b\" }"),
              HasSubstr("needs exactly one of name, path, read"));
  EXPECT_THAT(Problems(std::string(kHead) + "[entries.attributes]\na = { read = \"a\", match = \"(\" }"),
              HasSubstr("is no regular expression"));
  EXPECT_THAT(Problems(std::string(kHead) + "[entries.attributes]\na = { of = \"b\" }\nb = { read = \"b\" }"),
              HasSubstr("attribute 'a' uses 'b', which must stand above it"));
  EXPECT_THAT(Problems(std::string(kHead) + "[entries.attributes]\nid = { read = \"a\" }"),
              HasSubstr("it is built in"));
  EXPECT_THAT(Problems(std::string(kHead) + "[entries.nodes]\nmain = \"/etc/x\""),
              HasSubstr("must be a path under /dev"));
  EXPECT_THAT(Problems(std::string(kHead) + "[entries.nodes]\nmain = \"/dev/{ordinl}\""),
              HasSubstr("no placeholder is called 'ordinl'"));
  EXPECT_THAT(Problems(std::string(kHead) + "[[health]]\nname = \"a\"\nread = \"a\""),
              HasSubstr("needs exactly one of is, not, must, below, above"));
  EXPECT_THAT(Problems(std::string(kHead) + "[[health]]\nname = \"a\"\nread = \"a\"\nmust = \"change\""),
              HasSubstr("go together"));
  EXPECT_THAT(Problems(std::string(kHead) + "[settings]\na = { values = [\"b\"], default = \"c\" }"),
              HasSubstr("none of its values"));
  EXPECT_THAT(Problems(std::string(kHead) + "[[resource]]\nname = \"x.com/x\"\nwhen = { serial = 1 }"),
              HasSubstr("tests settings only"));
}

// What is wrong with a cleave.toml, beside shipped profiles and others.
std::string ErrorsOf(const std::string& own,
                     const std::vector<std::pair<std::string, std::string>>& profiles = {}) {
  Diagnostics diagnostics;
  LoadSettingsFromText(own, "cleave.toml", profiles, diagnostics);
  return diagnostics.Text();
}

TEST(Profile, SettingsThatDoNotGoTogether) {
  const std::string settings = std::string(kHead) +
                               "[settings]\na = { values = [\"on\", \"off\"], default = \"off\" }\n"
                               "n = { match = \"[0-9]+\", what = \"a number\", default = \"1\" }\n";
  const std::string conflict =
      "[[conflict]]\nwhen = { \"settings.a\" = \"on\", \"settings.n\" = \"> 9\" }\n"
      "reason = \"n is {settings.n}\"\n";
  const std::pair<std::string, std::string> profile = {"x.toml", settings + conflict};
  auto errors = [&](const std::string& own) { return ErrorsOf("[profile.x]\n" + own, {profile}); };
  EXPECT_EQ(errors("a = \"on\"\nn = \"9\""), "");
  EXPECT_EQ(errors("n = \"10\""), "");
  EXPECT_EQ(errors("n = \"10\"\na = \"on\""), "cleave.toml:3:1: n is 10");
  EXPECT_EQ(errors("n = \"x\"\na = \"on\""), "cleave.toml:2:1: 'n' must be a number, not 'x'");
  EXPECT_THAT(Problems(settings + "[[conflict]]\nwhen = { serial = 1 }\nreason = \"x\""),
              HasSubstr("no attribute is called 'serial'"));
  EXPECT_THAT(Problems(settings + "[[conflict]]\nwhen = { \"settings.a\" = \"on\" }"),
              HasSubstr("[[conflict]] needs 'reason'"));
  EXPECT_THAT(Problems(settings + "[[conflict]]\nwhen = { \"settings.a\" = \"off\" }\nreason = \"x\""),
              HasSubstr("x.toml:9:1: this [[conflict]] holds for the defaults of the settings"));
}

// A pattern that settings make is judged with the file that makes it, not at the first look.
TEST(Profile, PatternsThatAreNone) {
  EXPECT_EQ(ErrorsOf("prefr = 1\n[profile.generic]\nresource = \"x\"\npath = \"/dev/[x\""),
            "cleave.toml:1:1: unknown key 'prefr' in cleave.toml\n"
            "cleave.toml:4:1: the pattern \"/dev/[x\" has a '[' without its ']'");
  EXPECT_EQ(ErrorsOf("[profile.generic]\npath = \"/dev/[x]\""), "");
  EXPECT_THAT(Problems("schema = 1\nname = \"x\"\n[entries]\nid = \"{name}\"\npath = \"/dev/[x\""),
              HasSubstr("x.toml:5:8: the pattern \"/dev/[x\" has a '['"));
}

TEST(Profile, MpsServesNoMoreThanSixtyClients) {
  const std::string nvidia = "[profile.nvidia]\nsharing = \"mps\"\nshares = ";
  EXPECT_EQ(ErrorsOf(nvidia + "\"60\""), "");
  EXPECT_EQ(
      ErrorsOf(nvidia + "\"200\""),
      "cleave.toml:3:1: 'shares' is 200, and with sharing = \"mps\" a GPU serves at most 60 clients (48 "
      "up to CUDA 13.0)");
  EXPECT_EQ(ErrorsOf("[profile.nvidia]\nshares = \"200\""), "") << "the driver takes turns between them";
  const std::string keti = "[profile.keti-gpu]\nshares = ";
  EXPECT_EQ(ErrorsOf(keti + "\"100\""), "");
  EXPECT_EQ(ErrorsOf(keti + "\"101\""),
            "cleave.toml:2:1: 'shares' must be a number from 1 to 100, not '101'");
  EXPECT_THAT(ErrorsOf(keti + "\"61\"\nmps = \"on\""), HasSubstr("at most 60 clients"));
}

TEST(Profile, OneOfTheSameNameReplacesAShippedOne) {
  Settings settings = testing::GoodSettings(
      "", {{"mine.toml", "schema = 1\nname = \"tenstorrent\"\n[entries]\nclass = \"x\"\nid = \"{name}\"\n"}});
  for (const Profile& profile : settings.profiles) {
    if (profile.name == "tenstorrent") {
      EXPECT_EQ(profile.file, "mine.toml");
    }
  }
}

// Nothing hides behind something else: one look tells all of it.
TEST(Profile, SaysAllThatIsWrongAtOnce) {
  std::string problems = Problems(R"toml(schema = 1
name = "bad"
defalt = true
[entries]
class = "x"
id = "{name}"
[entries.attributes]
serial = { raed = "serial" }
[container]
devices = ["{nodes.main}"]
env = { "1BAD" = "x", SERIAL = "{serial}", NEVER = "{nevr}" }
mounts = [{ host = "relative" }]
[[resource]]
name = "x.com/x"
where = { colour = 3 }
[[resource]]
name = "x.com/y"
[[resource]]
name = "x.com/y"
)toml");
  for (const char* line : {
           "x.toml:3:1: unknown key 'defalt'",
           "x.toml:8:",
           "x.toml:10:12: no placeholder is called 'nodes.main'",
           "x.toml:11:9: '1BAD' in env of [container] is not the name of an environment variable",
           "x.toml:11:52: no placeholder is called 'nevr'",
           "x.toml:12:20: \"relative\" must be an absolute path",
           "x.toml:15:11: no attribute is called 'colour'",
           "x.toml:18:1: two [[resource]] are called x.com/y; the other is at x.toml:16:1",
       }) {
    EXPECT_THAT(problems, HasSubstr(line));
  }
  EXPECT_THAT(problems, ::testing::Not(HasSubstr("called 'serial'"))) << "it is there, only wrong";
}

TEST(Profile, WithErrorsIsNotInUse) {
  Diagnostics diagnostics;
  Settings settings =
      LoadSettingsFromText("", "cleave.toml", {{"x.toml", std::string(kHead) + "what = 1"}}, diagnostics);
  EXPECT_FALSE(diagnostics.ok());
  for (const Profile& profile : settings.profiles) {
    EXPECT_FALSE(profile.name == "x" && settings.Active(profile));
  }
}

TEST(Profile, SettingsOnlyWhereThereIsNoCardToAsk) {
  EXPECT_THAT(
      Problems(std::string(kHead) + "[container]\ncdi = { kind = \"a.com/b\", existing = \"{name}\" }"),
      HasSubstr("'existing' in cdi of [container] may hold settings only"));
  EXPECT_THAT(Problems(std::string(kHead) + "[container]\ncdi = { kind = \"a.com/b\", existing = \"kep\" }"),
              HasSubstr("must be one of overwrite, keep"));
  EXPECT_THAT(Problems(std::string(kHead) + "[container.env]\nA = \"{sum.memry}\""),
              HasSubstr("no placeholder is called 'memry'"));
  EXPECT_THAT(Problems(std::string(kHead) + "[container.env]\nA = { value = \"a\", per = \"unit\" }"),
              HasSubstr("must be one of value, card, device"));
  EXPECT_THAT(Problems(std::string(kHead) + "[[resource]]\nname = \"a.com/b\"\nlimit = 0"),
              HasSubstr("'limit' in [[resource]] must be a whole number from 1"));
}

}  // namespace
}  // namespace cleave
