// SPDX-License-Identifier: Apache-2.0
#include "topology/link_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "tests/machine.h"
#include "tests/topology/machines.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using testing::SmallMachine;

std::string Problems(std::string_view toml) {
  Diagnostics diagnostics;
  Settings settings = LoadSettingsFromText(toml, "cleave.toml", {}, diagnostics);
  CheckLinkSources(settings.config, diagnostics);
  return diagnostics.Text();
}

struct Found {
  std::vector<Link> links;
  std::vector<Oddity> oddities;
};

Found Collect(const std::string& toml, const Inventory& inventory) {
  Config config = testing::GoodSettings(toml).config;
  Found found;
  found.links = CollectLinks(config, ReadLinkTexts(config), inventory, found.oddities);
  return found;
}

TEST(FindCardTest, ByIdAddressOrSerial) {
  Inventory inventory = SmallMachine();
  inventory.cards[2].id = "gpu-2";
  inventory.cards[3].attributes["serial"] = "01AB";
  inventory.cards[4].attributes["serial"] = inventory.cards[5].attributes["serial"] = "02CD";
  inventory.cards[6].attributes["serial"] = int64_t{77};
  EXPECT_EQ(FindCard(inventory, "gpu-2"), 2);
  EXPECT_EQ(FindCard(inventory, "0000:09:00.0"), 2);
  EXPECT_EQ(FindCard(inventory, "0000:0A:00.0"), 3);
  EXPECT_EQ(FindCard(inventory, "01ab"), 3);
  EXPECT_EQ(FindCard(inventory, "77"), 6);
  EXPECT_EQ(FindCard(inventory, "02CD"), -1);  // two
  EXPECT_EQ(FindCard(inventory, "03"), -1);
  EXPECT_EQ(FindCard(inventory, ""), -1);
  inventory.cards[4].id = "01AB";  // an id wins over a serial
  EXPECT_EQ(FindCard(inventory, "01AB"), 4);
}

TEST(LinkSourcesTest, TableIsSound) {
  std::vector<std::string_view> names;
  for (const LinkSourceKind& kind : LinkSourceKinds()) {
    names.push_back(kind.name);
    EXPECT_FALSE(kind.describes.empty());
    EXPECT_NE(kind.read, nullptr);
  }
  EXPECT_THAT(names, IsSupersetOf({"toml", "tt-cluster-descriptor"}));
}

TEST(LinkSourcesTest, CheckSaysWhatIsWrong) {
  EXPECT_EQ(Problems("[[links]]\nsource = \"toml\"\nbetween = [{ from = \"a\", to = \"b\" }]\n"), "");
  EXPECT_THAT(Problems("[[links]]\nsource = \"tt-cluster-descriptr\"\npath = \"x\"\n"),
              HasSubstr("cleave.toml:1:1: unknown source 'tt-cluster-descriptr' in [[links]] (did you mean "
                        "'tt-cluster-descriptor'?)"));
  EXPECT_THAT(Problems("[[links]]\nsource = \"tt-cluster-descriptor\"\n"), HasSubstr("needs a 'path'"));
  EXPECT_THAT(Problems("[[links]]\nsource = \"toml\"\npath = \"x\"\n"), HasSubstr("reads no file"));
  EXPECT_THAT(Problems("[[links]]\nsource = \"toml\"\n"), HasSubstr("needs 'between'"));
  EXPECT_THAT(
      Problems("[[links]]\nsource = \"toml\"\nkind = \"board\"\nbetween = [{ from = \"a\", to = \"b\" }]\n"),
      HasSubstr("\"board\""));
  EXPECT_THAT(Problems("[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"x\"\nbetween = [{ from = "
                       "\"a\", to = \"b\" }]\n"),
              HasSubstr("'between'"));
}

TEST(LinkSourcesTest, TomlPairs) {
  Found found = Collect(R"(
[affinity]
link = 10
[[links]]
source = "toml"
kind = "bridge"
between = [
  { from = "0000:06:00.0", to = "0000:05:00.0", width = 4 },
  { from = "0000:09:00.0", to = "0000:0a:00.0" },
  { from = "0000:09:00.0", to = "0000:0A:00.0", width = 0.5 },
])",
                        SmallMachine());
  std::vector<Link> expected = {{.from = 0, .to = 1, .kind = "bridge", .width = 4, .weight = 40},
                                {.from = 2, .to = 3, .kind = "bridge", .width = 1.5, .weight = 15}};
  EXPECT_THAT(found.links, ::testing::UnorderedElementsAreArray(expected));
  EXPECT_THAT(found.oddities, IsEmpty());
}

TEST(LinkSourcesTest, OfTwoDirectionsTheSmallerCounts) {
  Found found = Collect(R"(
[[links]]
source = "toml"
between = [
  { from = "0000:05:00.0", to = "0000:06:00.0", width = 4 },
  { from = "0000:06:00.0", to = "0000:05:00.0", width = 2 },
  { from = "0000:09:00.0", to = "0000:0a:00.0", width = 3 },
  { from = "0000:0a:00.0", to = "0000:09:00.0", width = 3 },
])",
                        SmallMachine());
  std::vector<Link> expected = {{.from = 0, .to = 1, .kind = "link", .width = 2, .weight = 200},
                                {.from = 2, .to = 3, .kind = "link", .width = 3, .weight = 300}};
  EXPECT_EQ(found.links, expected);
  ASSERT_EQ(found.oddities.size(), 1U);
  EXPECT_EQ(found.oddities[0].subject, "cleave.toml:6:3") << "the second pair";
  EXPECT_EQ(found.oddities[0].text,
            "link: 0000:05:00.0 to 0000:06:00.0 has width 4, back it has 2; taken as 2");
}

TEST(LinkSourcesTest, TheBeginningOfANameIsEnoughToGuessIt) {
  Config config;
  LinkSource& source = config.links.emplace_back();
  source.source = "tt-cluster";
  source.path = "/x.yaml";
  Diagnostics diagnostics;
  CheckLinkSources(config, diagnostics);
  EXPECT_THAT(diagnostics.Text(), HasSubstr("(did you mean 'tt-cluster-descriptor'?)"));
}

TEST(LinkSourcesTest, UnknownCardsAreOddities) {
  Found found = Collect(R"(
[[links]]
source = "toml"
between = [
  { from = "0000:05:00.0", to = "nobody" },
  { from = "0000:05:00.0", to = "0000:05:00.0" },
  { from = "0000:05:00.0", to = "0000:06:00.0" },
])",
                        SmallMachine());
  EXPECT_EQ(found.links.size(), 1U);
  ASSERT_EQ(found.oddities.size(), 2U);
  EXPECT_EQ(found.oddities[0].subject, "cleave.toml:5:28");
  EXPECT_THAT(found.oddities[0].text, HasSubstr("'nobody'; there is 0000:05:00.0, 0000:06:00.0, "));
  EXPECT_EQ(found.oddities[1].subject, "cleave.toml:6:3");
  EXPECT_THAT(found.oddities[1].text, HasSubstr("are one card"));
  found = Collect(
      "[[links]]\nsource = \"toml\"\nbetween = [{ from = \"0000:05:00.1\", to = \"0000:05:00.0\" }]\n",
      SmallMachine());
  ASSERT_EQ(found.oddities.size(), 1U);
  EXPECT_EQ(found.oddities[0].subject, "cleave.toml:3:14");
  EXPECT_THAT(found.oddities[0].text, HasSubstr("is called '0000:05:00.1' (did you mean '0000:05:00.0'?)"));
}

TEST(LinkSourcesTest, AFileThatFailsIsAnOddityAndTheOthersCount) {
  testing::TempDir dir;
  testing::WriteFile(dir / "bad.yaml", "chips: [\n");
  testing::WriteFile(dir / "large.yaml", std::string(5 * 1024 * 1024, '#'));
  std::string toml;
  for (std::string path : {"missing.yaml", "bad.yaml", "large.yaml", ""}) {
    toml += "[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"" + dir.path() + "/" + path + "\"\n";
  }
  toml += "[[links]]\nsource = \"toml\"\nbetween = [{ from = \"0000:05:00.0\", to = \"0000:06:00.0\" }]\n";
  Found found = Collect(toml, SmallMachine());
  EXPECT_EQ(found.links.size(), 1U);
  ASSERT_EQ(found.oddities.size(), 4U);
  EXPECT_EQ(found.oddities[0].subject, dir / "missing.yaml");
  EXPECT_EQ(found.oddities[0].text,
            "links of tt-cluster-descriptor: cannot be read: No such file or directory");
  EXPECT_THAT(found.oddities[1].text, HasSubstr("line 2: "));
  EXPECT_THAT(found.oddities[2].text, HasSubstr("longer than"));
  EXPECT_THAT(found.oddities[3].text, HasSubstr("links of tt-cluster-descriptor: "));
}

}  // namespace
}  // namespace cleave
