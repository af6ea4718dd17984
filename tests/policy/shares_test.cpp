// SPDX-License-Identifier: Apache-2.0
// Shares of cards and devices without hardware: what is offered, and what a container gets.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "policy/choose_explain.h"
#include "policy/choose_units.h"
#include "policy/plan.h"
#include "tests/policy/planning.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LoadMachine;
using ::testing::Pair;
using testing::Planned;
using testing::PlanOf;
using testing::Reasons;
using ::testing::SizeIs;
using testing::Summary;
using ::testing::UnorderedElementsAre;

constexpr const char* kShare = "[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\n";

class SharesTest : public ::testing::Test {
 protected:
  std::unique_ptr<MemoryRoot> root_ = LoadMachine("tenstorrent-4x-n300");
};

ContainerEdits Edits(const Planned& planned, const std::vector<std::string>& ids) {
  absl::StatusOr<ContainerEdits> edits = MakeEdits(planned.plan, *planned.plan.Find("a.com/x"), ids);
  EXPECT_TRUE(edits.ok()) << edits.status();
  return edits.ok() ? *edits : ContainerEdits{};
}

TEST_F(SharesTest, ManyDevicesOfOneCard) {
  Planned planned = PlanOf(*root_, std::string(kShare) + "shares = 3\nwhere = { numa = 1 }\n");
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  const Resource* resource = planned.plan.Find("a.com/x");
  ASSERT_NE(resource, nullptr);
  ASSERT_THAT(resource->units, SizeIs(6));
  EXPECT_EQ(resource->units[0].id, "0000:b1:00.0::0");
  EXPECT_EQ(resource->units[5].id, "0000:ca:00.0::2");
  EXPECT_EQ(resource->units[5].share, (Share{2, 3}));
  EXPECT_THAT(resource->units[4].numa_nodes, ElementsAre(1));
  EXPECT_THAT(resource->units[4].device_nodes, ElementsAre("/dev/tenstorrent/3"));
  EXPECT_EQ(resource->prefer, Preference::kPacked);
  EXPECT_NE(planned.plan.Find("tenstorrent.com/n300"), nullptr) << "the other cards stay whole";
}

// What would be next best takes less of one of the cards, not another share of the same one.
TEST_F(SharesTest, TheNextBestIsOfOtherCards) {
  for (const char* prefer : {"closest", "packed", "spread", "balanced"}) {
    Planned planned = PlanOf(*root_, fmt::format("{}shares = 4\nprefer = \"{}\"\n", kShare, prefer));
    const Resource& resource = *planned.plan.Find("a.com/x");
    ChoiceRequest request;
    request.size = 3;
    for (size_t unit = 0; unit < 16; ++unit) request.healthy.push_back(unit);
    // Two cards are half in use.
    request.available = {0, 1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    auto cards = [&](const Choice& choice) {
      std::map<size_t, size_t> taken;
      for (size_t unit : choice.units) ++taken[resource.units[unit].cards.front()];
      return taken;
    };
    const Choice choice = ChooseUnits(resource, request).choice;
    std::optional<Choice> next = NextBest(resource, request, choice);
    ASSERT_TRUE(next) << prefer;
    EXPECT_THAT(next->units, SizeIs(3)) << prefer;
    EXPECT_NE(cards(*next), cards(choice)) << prefer;
    const std::string wanted = prefer;
    EXPECT_EQ(cards(*next).size(), wanted == "closest" ? 1U : wanted == "spread" ? 3U : 2U) << prefer;
  }
}

TEST_F(SharesTest, NumbersByCard) {
  Planned planned = PlanOf(*root_);
  std::string serial = ToText(planned.plan.inventory->cards[1].attributes.at("serial"));
  planned = PlanOf(*root_, std::string(kShare) + "shares = { \"0000:31:00.0\" = 2, \"0000:CA:00.0\" = 1, \"" +
                               serial + "\" = 3 }\n");
  EXPECT_THAT(Summary(planned.plan),
              HasSubstr("a.com/x: 0000:31:00.0::0 0000:31:00.0::1 0000:4b:00.0::0 0000:4b:00.0::1 "
                        "0000:4b:00.0::2 0000:ca:00.0::0\n"));
  EXPECT_NE(planned.plan.Find("tenstorrent.com/n300"), nullptr) << "the card that is not named is left";
  planned = PlanOf(*root_, std::string(kShare) + "shares = { \"0000:31:00.0\" = 2, default = 1 }\n");
  EXPECT_THAT(planned.plan.Find("a.com/x")->units, SizeIs(5));
}

TEST_F(SharesTest, NumbersFromWhatACardSays) {
  Planned planned = PlanOf(*root_, std::string(kShare) + "shares = \"{ordinal}\"\nwhere = { numa = 0 }\n");
  EXPECT_EQ(Summary(planned.plan).substr(0, 24), "a.com/x: 0000:4b:00.0::0");
  EXPECT_THAT(Reasons(planned.plan), IsEmpty()) << "what has 0 shares is offered as before";
  planned = PlanOf(*root_, std::string(kShare) + "shares = \"{card_type}\"\nwhere = { ordinal = 0 }\n" +
                               "[[resource]]\nname = \"tenstorrent.com/n300\"\nwhere = { ordinal = 9 }\n");
  EXPECT_THAT(Reasons(planned.plan)["0000:31:00.0"],
              HasSubstr("\"{card_type}\" is 'n300', not a whole number from 1 to 100000"));
}

TEST_F(SharesTest, IdsAreStableAndShortEnough) {
  Planned planned = PlanOf(*root_, std::string(kShare) + "shares = 2\nid = \"{serial}\"\n");
  EXPECT_THAT(planned.plan.Find("a.com/x")->units[1].id, HasSubstr("::1"));
  // 61 characters, and ::9 or ::10.
  std::string long_id = "id = \"{serial}{serial}{serial}0123456789AB\"\n";
  EXPECT_THAT(PlanOf(*root_, std::string(kShare) + "shares = 1\n" + long_id).plan.Find("a.com/x"),
              ::testing::NotNull());
  std::string other = "[[resource]]\nname = \"tenstorrent.com/n300\"\nwhere = { ordinal = 9 }\n";
  Planned longer = PlanOf(*root_, std::string(kShare) + "shares = 11\n" + long_id + other);
  EXPECT_THAT(Reasons(longer.plan)["0000:31:00.0"], HasSubstr("::10': it has 64 characters"));
}

TEST_F(SharesTest, CapsGrowWithTheSharesOfACard) {
  Planned planned = PlanOf(*root_, std::string(kShare) + R"(shares = 3
[resource.container]
inherit = false
devices = ["{nodes.main}"]
[resource.container.env]
PERCENT = "{share.percent}"
INDEX = "{share.index}"
IDS = "{id}"
"CARD_{position}" = "{pci.address}={share.percent}"
)",
                           "node-a", {});
  EXPECT_THAT(planned.diagnostics.Text(), IsEmpty());
  ContainerEdits one = Edits(planned, {"0000:31:00.0::1"});
  EXPECT_THAT(one.env,
              UnorderedElementsAre(Pair("PERCENT", "33"), Pair("INDEX", "1"), Pair("IDS", "0000:31:00.0::1"),
                                   Pair("CARD_0", "0000:31:00.0=33")));
  ContainerEdits more = Edits(planned, {"0000:4b:00.0::0", "0000:31:00.0::2", "0000:31:00.0::0"});
  EXPECT_THAT(more.devices, ElementsAre("/dev/tenstorrent/0", "/dev/tenstorrent/1")) << "a card's node once";
  EXPECT_EQ(more.env.at("CARD_0"), "0000:31:00.0=66");
  EXPECT_EQ(more.env.at("CARD_1"), "0000:4b:00.0=33");
  EXPECT_EQ(more.env.at("PERCENT"), "66,33");
  EXPECT_EQ(Edits(planned, {"0000:31:00.0::2", "0000:31:00.0::1", "0000:31:00.0::0"}).env.at("PERCENT"),
            "100");
}

TEST(Shares, MemoryIsAPartOfAnAttribute) {
  std::string profile = R"toml(
schema = 1
name = "ve"
[entries]
class = "ve"
pci = { vendor = 0x1bcf, driver = "ve_drv" }
id = "{pci.address}"
[entries.attributes]
ordinal = { name = "ve([0-9]+)" }
gigabytes = { read = "memory_size" }
[entries.nodes]
main = "/dev/ve{ordinal}"
[[resource]]
name = "a.com/x"
unit = "share"
shares = 5
memory = "gigabytes"
[resource.container]
devices = ["{nodes.main}"]
env = { MEMORY = "{share.memory}" }
)toml";
  auto root = LoadMachine("nec-ve8-skx");
  Planned planned = PlanOf(*root, "profiles = [\"ve\"]", "node-a", {{"ve.toml", profile}});
  ASSERT_THAT(planned.plan.resources, SizeIs(1)) << planned.diagnostics.Text();
  const Card card = planned.plan.inventory->cards.at(0);
  int total = std::stoi(ToText(card.attributes.at("gigabytes")));
  ASSERT_GT(total, 5);
  EXPECT_EQ(Edits(planned, {card.id + "::0"}).env.at("MEMORY"), std::to_string(total / 5));
  EXPECT_EQ(Edits(planned, {card.id + "::0", card.id + "::4"}).env.at("MEMORY"),
            std::to_string(total * 2 / 5));
  profile.replace(profile.find("memory = \"gigabytes\""), 20, "");
  planned = PlanOf(*root, "profiles = [\"ve\"]", "node-a", {{"ve.toml", profile}});
  absl::Status refused = MakeEdits(planned.plan, *planned.plan.Find("a.com/x"), {card.id + "::0"}).status();
  EXPECT_THAT(MessageOf(refused), HasSubstr("'{share.memory}' has no value"));
}

TEST_F(SharesTest, AllSharesOfASickCardAreUnhealthyAndOnlyThose) {
  root_->AddFile(root_->Resolve("sys/bus/pci/devices/0000:31:00.0").value() + "/config",
                 std::string(64, '\xff'));
  Planned planned = PlanOf(*root_, std::string(kShare) + "shares = 2\n");
  for (const Unit& unit : planned.plan.Find("a.com/x")->units) {
    bool sick = unit.id.starts_with("0000:31:00.0");
    EXPECT_EQ(unit.health == Health::kUnhealthy, sick) << unit.id;
  }
}

TEST_F(SharesTest, ChoosingKnowsTheCards) {
  Planned planned = PlanOf(*root_, std::string(kShare) + "shares = 100\n");
  const Resource& resource = *planned.plan.Find("a.com/x");
  EXPECT_EQ(resource.topology->affinity.size(), 16U) << "a number for each pair of shares would be too much";
  EXPECT_EQ(UnitAffinity(resource, 0, 99), 80);
  EXPECT_EQ(UnitAffinity(resource, 0, 100), 20);
}

// The first cards whole, then halves, the rest quarters, and one kept back.
TEST(StaticLayout, ByPlaceAndByWhatACardSays) {
  auto root = LoadMachine("tt-8numa");
  Planned planned = PlanOf(*root, R"(
exclude = [{ index = 7 }]
[[resource]]
name = "a.com/whole"
where = { index = "0-3" }
[[resource]]
name = "a.com/half"
where = { index = ["4-5"] }
except = { address = "0000:a1:00.0" }
unit = "share"
shares = 2
[[resource]]
name = "a.com/quarter"
where = { index = ">= 5" }
unit = "share"
shares = 4
)");
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  const std::vector<Card>& cards = planned.plan.inventory->cards;
  ASSERT_THAT(cards, SizeIs(8));
  EXPECT_EQ(cards[5].index, 5);
  EXPECT_THAT(planned.plan.Find("a.com/whole")->units, SizeIs(4));
  EXPECT_EQ(planned.plan.Find("a.com/whole")->units[3].id, cards[3].id);
  EXPECT_THAT(planned.plan.Find("a.com/half")->units, SizeIs(2));
  EXPECT_THAT(planned.plan.Find("a.com/quarter")->units, SizeIs(8));
  EXPECT_EQ(Reasons(planned.plan)[cards[7].id], "it is excluded in cleave.toml");
}

// docs/configuration.md shows this file.
TEST(StaticLayout, ByAddressSerialModelNumaNodeAndIndex) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  std::ifstream file(std::string(CLEAVE_SOURCE_DIR) + "/docs/examples/which-cards.toml");
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Planned planned = PlanOf(*root, text);
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  EXPECT_EQ(Summary(planned.plan),
            "example.com/by-address: 0000:31:00.0\n"
            "example.com/by-index: 0000:ca:00.0::0 0000:ca:00.0::1 0000:ca:00.0::2\n"
            "example.com/by-model-and-numa-node: 0000:b1:00.0\n");
  EXPECT_THAT(Reasons(planned.plan), ElementsAre(Pair("0000:4b:00.0", "it is excluded in cleave.toml")));
}

TEST(StaticLayout, PiecesOfOneCardHaveOnePlace) {
  auto root = LoadMachine("vendors/biren-runc-svi");
  std::string profile =
      "schema = 1\nname = \"biren\"\n[entries]\nclass = \"biren\"\nid = \"{name}\"\n"
      "piece_of = \"{device/physical_id}\"\n";
  Planned planned = PlanOf(*root, R"(profiles = ["biren"]
[[resource]]
name = "a.com/x"
where = { index = "1-2" }
unit = "partition"
)",
                           "node-a", {{"biren.toml", profile}});
  EXPECT_EQ(Summary(planned.plan), "a.com/x: card_1 card_2 card_3 card_4 card_5 card_6\n");
}

TEST(Overlapping, OnlyWhereAllResourcesSaySo) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  std::string whole = "[[resource]]\nname = \"a.com/whole\"\noverlap = \"exclusive\"\n";
  std::string half = "[[resource]]\nname = \"a.com/half\"\nunit = \"share\"\nshares = 2\n";
  Planned both = PlanOf(*root, whole + half + "overlap = \"exclusive\"\n");
  EXPECT_TRUE(both.diagnostics.ok()) << both.diagnostics.Text();
  EXPECT_THAT(both.plan.Find("a.com/whole")->units, SizeIs(4));
  EXPECT_THAT(both.plan.Find("a.com/half")->units, SizeIs(8));
  EXPECT_EQ(both.plan.Find("tenstorrent.com/n300"), nullptr) << "profiles offer what is left";
  EXPECT_THAT(
      PlanOf(*root, whole + half).diagnostics.Text(),
      HasSubstr(
          "cleave.toml:4:1: card 0000:31:00.0 (and 3 more) is offered as a.com/whole and as a.com/half"));
  EXPECT_THAT(PlanOf(*root, half + whole).diagnostics.Text(), HasSubstr("unless all of them have overlap"));
}

constexpr const char* kCount = "[[resource]]\nname = \"a.com/x\"\nunit = \"count\"\n";

TEST(Counted, NeedsNoHardware) {
  MemoryRoot root;
  Planned planned = PlanOf(root, std::string(kCount) + R"(count = 3
[resource.container]
env = { SLOTS = "{id}", COUNT = "{count}", "SLOT_{position}" = "{id}" }
)");
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  EXPECT_EQ(Summary(planned.plan), "a.com/x: x-0 x-1 x-2\n");
  EXPECT_THAT(Edits(planned, {"x-2", "x-0"}).env,
              UnorderedElementsAre(Pair("SLOTS", "x-0,x-2"), Pair("COUNT", "2"), Pair("SLOT_0", "x-0"),
                                   Pair("SLOT_1", "x-2")));
  EXPECT_THAT(PlanOf(root, std::string(kCount) + "count = 0\n").plan.resources, IsEmpty());
  EXPECT_EQ(Summary(PlanOf(root, std::string(kCount) + "count = 1\nid = \"slot\"\n").plan),
            "a.com/x: slot-0\n");
}

constexpr const char* kSlots = R"(
schema = 1
name = "slots"
default = false
[settings]
slots = { default = "2" }
[[resource]]
name = "a.com/x"
unit = "count"
count = "{settings.slots}"
[resource.container]
env = { OF = "{settings.slots}" }
)";

TEST(Counted, FromASettingOfAProfileWithoutCards) {
  MemoryRoot root;
  EXPECT_THAT(PlanOf(root, "", "node-a", {{"slots.toml", kSlots}}).plan.resources, IsEmpty()) << "not in use";
  Planned planned = PlanOf(root, "profiles = [\"slots\"]", "node-a", {{"slots.toml", kSlots}});
  EXPECT_EQ(Summary(planned.plan), "a.com/x: x-0 x-1\n");
  EXPECT_EQ(planned.plan.resources[0].profile, "slots");
  EXPECT_EQ(Edits(planned, {"x-1"}).env.at("OF"), "2");
  Planned many = PlanOf(root, "profiles = [\"slots\"]\n[profile.slots]\nslots = \"40\"\n", "node-a",
                        {{"slots.toml", kSlots}});
  EXPECT_THAT(many.plan.resources.at(0).units, SizeIs(40));
  Planned wrong = PlanOf(root, "profiles = [\"slots\"]\n[profile.slots]\nslots = \"x\"\n", "node-a",
                         {{"slots.toml", kSlots}});
  EXPECT_THAT(wrong.diagnostics.Text(),
              HasSubstr("slots.toml:10:9: \"{settings.slots}\" is 'x', not a whole number from 0 to 100000"));
  Planned dropped =
      PlanOf(root, "profiles = [\"slots\"]\ndrop = [\"a.com/*\"]\n", "node-a", {{"slots.toml", kSlots}});
  EXPECT_THAT(dropped.plan.resources, IsEmpty());
}

TEST(Counted, OnlyWhereACardIs) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  std::string where = std::string(kCount) + "count = 2\nwhere = { card_type = \"n300\" }\n";
  EXPECT_EQ(Summary(PlanOf(*root, where).plan).substr(0, 17), "a.com/x: x-0 x-1\n");
  EXPECT_THAT(Summary(PlanOf(*root, where).plan), HasSubstr("tenstorrent.com/n300: 0000:31:00.0"))
      << "its cards are as they were";
  EXPECT_THAT(
      Summary(PlanOf(*root, std::string(kCount) + "count = 2\nwhere = { card_type = \"n150\" }\n").plan),
      ::testing::Not(HasSubstr("a.com/x")));
}

}  // namespace
}  // namespace cleave
