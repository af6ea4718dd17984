// SPDX-License-Identifier: Apache-2.0
// What is said of a wrong cleave.toml: one error a mistake, at its own place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/config.h"
#include "config/diagnostics.h"
#include "tests/machine.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using testing::ErrorsOf;

const char* const kResource = "[[resource]]\nname = \"example.com/x\"\n";

TEST(Messages, EmptyListsMeanNothing) {
  for (const std::string key : {"profiles", "profile_dirs", "drop"})
    EXPECT_EQ(ErrorsOf(key + " = []"),
              "cleave.toml:1:1: '" + key + "' in cleave.toml is an empty list: leave it out");
  EXPECT_EQ(ErrorsOf(std::string(kResource) + "nodes = []"),
            "cleave.toml:3:1: 'nodes' in [[resource]] is an empty list: leave it out");
  EXPECT_EQ(ErrorsOf(std::string(kResource) + "unit = \"group\"\ngroup_by = []"),
            "cleave.toml:4:1: 'group_by' in [[resource]] is an empty list: leave it out");
}

TEST(Messages, GroupsByLinks) {
  EXPECT_EQ(ErrorsOf(std::string(kResource) + "unit = \"group\"\ngroup_by = \"link\"\nmin_width = 2"),
            "cleave.toml:4:1: no attribute is called 'link' (did you mean 'links'?)");
  EXPECT_THAT(ErrorsOf(std::string(kResource) + "unit = \"group\"\ngroup_by = \"serial\"\nmin_width = 2"),
              HasSubstr("cleave.toml:5:1: 'min_width' in [[resource]] is for group_by = \"links\""));
}

TEST(Messages, DirectoriesOfProfiles) {
  EXPECT_EQ(ErrorsOf("http = \"\"\nprofile_dirs = \"\""),
            "cleave.toml:2:1: 'profile_dirs' in cleave.toml holds the empty name of a directory");
  testing::TempDir dir;
  testing::WriteFile(dir / "cleave.toml", "http = \"\"\nprofile_dirs = \"/nowhere\"\n");
  Diagnostics diagnostics;
  LoadSettings({dir / "cleave.toml", {}, {}}, diagnostics);
  EXPECT_EQ(diagnostics.Text(),
            dir / "cleave.toml:2:1: /nowhere: profiles cannot be read: No such file or directory");
}

TEST(Messages, BetweenShowsItsForm) {
  const std::string links = "[[links]]\nsource = \"toml\"\nbetween = ";
  for (const char* wrong : {"[\"a\", \"b\"]", "\"a\"", "{ from = \"a\", to = \"b\" }"}) {
    EXPECT_EQ(ErrorsOf(links + wrong),
              "cleave.toml:3:1: 'between' in [[links]] must be a list of tables: between = "
              "[{ from = \"CARD\", to = \"CARD\" }]");
  }
}

TEST(Messages, ProfilesThatAreNotThere) {
  EXPECT_THAT(ErrorsOf("[profile.foo]"), HasSubstr("there is no profile 'foo'; there is amd, b-com, "));
  EXPECT_THAT(ErrorsOf("profiles = \"generc\""), HasSubstr("(did you mean 'generic'?)"));
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/x\"\nprofile = \"generc\""),
              HasSubstr("there is no profile 'generc' (did you mean 'generic'?)"));
  EXPECT_THAT(ErrorsOf("[profile.foo]\na = 1"), HasSubstr("there is no profile 'foo'"));
  EXPECT_EQ(ErrorsOf("[profile.tenstorrent]"), "");
}

TEST(Messages, NamesThatAreKnownInstead) {
  EXPECT_THAT(ErrorsOf("[profile.tenstorrent]\ncolour = \"x\""),
              HasSubstr("cleave.toml:2:1: profile 'tenstorrent' has no setting 'colour'; there is "));
  EXPECT_THAT(ErrorsOf("[profile.tenstorrent]\nhuge = 1"),
              HasSubstr("cleave.toml:2:1: profile 'tenstorrent' has no setting 'huge'"))
      << "to make it a string would not help";
  EXPECT_EQ(ErrorsOf("[profile.tenstorrent]\nhugepages = 1"),
            "cleave.toml:2:1: 'hugepages' in [profile.tenstorrent] must be a string");
  EXPECT_THAT(ErrorsOf("[[resource]]\nname = \"a.com/x\"\nnear = \"infinband\""),
              HasSubstr("not 'infinband' (did you mean 'infiniband'?)"));
  EXPECT_EQ(NearOrAll("x", {}), "");
  EXPECT_EQ(NearOrAll("word", {"a-b-c-d", "e-f-g-h"}), "; there is a-b-c-d, e-f-g-h");
  EXPECT_EQ(NearOrAll("wort", {"word"}), " (did you mean 'word'?)");
  std::vector<std::string> many;
  for (int i = 0; i < 25; ++i) many.push_back("long-name-" + std::to_string(i));
  EXPECT_THAT(NearOrAll("x", many), ::testing::EndsWith(", long-name-19 and 5 more"));
}

// A note is no error: the file is good, and it does not do what was meant.
TEST(Messages, AProfileOnTheCommandLineThatProfilesDoesNotName) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", "schema = 1\nname = \"x\"\n[entries]\nclass = \"x\"\nid = \"{name}\"\n");
  auto notes = [&](const std::string& config) {
    testing::WriteFile(dir / "cleave.toml", config);
    Diagnostics diagnostics;
    LoadSettings({dir / "cleave.toml", {}, {dir / "x.toml"}}, diagnostics);
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
    return Lines(diagnostics);
  };
  EXPECT_THAT(
      notes("\nprofiles = [\"amd\"]"),
      ::testing::ElementsAre(dir / "cleave.toml:2:1: note: 'profiles' does not name 'x' of --profile " +
                             (dir / "x.toml") + ", so it is not in use"));
  EXPECT_THAT(notes("profiles = [\"amd\", \"x\"]"), ::testing::IsEmpty());
  EXPECT_THAT(notes(""), ::testing::IsEmpty());
}

TEST(Messages, Containers) {
  auto errors = [](const std::string& text) {
    return ErrorsOf(kResource + ("[resource.container]\n" + text));
  };
  EXPECT_EQ(errors("env = { A = 1 }"),
            "cleave.toml:4:9: 'A' in env of [resource.container] must be a string, or tables with 'value' "
            "and 'when'");
  EXPECT_THAT(errors("annotations = { \"bad key!\" = \"x\" }"),
              HasSubstr("cleave.toml:4:17: 'bad key!' in annotations of [resource.container] is no key"));
  EXPECT_THAT(errors("annotations = { \"a_b.com/x\" = \"x\" }"), HasSubstr("'a_b.com' is no domain name"));
  EXPECT_THAT(errors("annotations = { \"" + std::string(64, 'a') + "\" = \"x\" }"),
              HasSubstr("64 characters"));
  EXPECT_EQ(errors("annotations = { \"Example.com/a_B.c\" = \"x\", plain = \"x\" }"), "");
  const std::string mount = "{ host = \"/a\", container = \"/x\" }";
  EXPECT_EQ(errors("mounts = [" + mount + ", { host = \"/b\", container = \"/x/\" }]"),
            "cleave.toml:4:46: two mounts of [resource.container] are at /x/ in the container");
  EXPECT_EQ(
      errors("mounts = [" + mount + ", { host = \"/b\", container = \"/x\", when = { serial = \"1\" } }]"),
      "");
}

// A word of another vendor's is no help.
TEST(Messages, NamesThatFit) {
  EXPECT_THAT(ErrorsOf(kResource + std::string("[resource.container]\nenv = { A = \"{foo}\" }")),
              Not(HasSubstr("did you mean")));
  EXPECT_THAT(ErrorsOf(kResource + std::string("where = { tray = \"1\", serail = \"x\" }")),
              HasSubstr("(did you mean 'serial'?)"));
  EXPECT_THAT(ErrorsOf(kResource + std::string("where = { tray = \"1\", afu_ids = \"x\" }")),
              Not(HasSubstr("did you mean 'afu_id'")));
}

TEST(Messages, IdsAreNotMadeOfOrdinals) {
  EXPECT_THAT(ErrorsOf(kResource + std::string("profile = \"tenstorrent\"\nid = \"{ordinal}\"")),
              HasSubstr("cleave.toml:4:6: '{ordinal}' is no part of an id"));
  EXPECT_EQ(ErrorsOf("profiles = [\"keti-npu\"]\n" + std::string(kResource) +
                     "profile = \"keti-npu\"\nid = \"n{ordinal}\""),
            "");
}

}  // namespace
}  // namespace cleave
