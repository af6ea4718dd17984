// SPDX-License-Identifier: Apache-2.0
#include "policy/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/policy/planning.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LoadMachine;
using testing::Planned;
using testing::PlanOf;
using testing::Reasons;
using ::testing::SizeIs;
using testing::Summary;

TEST(Plan, OneResourceForEachCardType) {
  auto root = LoadMachine("tt-mixed-2numa");
  Planned planned = PlanOf(*root);
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  ASSERT_THAT(planned.plan.resources, SizeIs(3));
  for (const char* name : {"tenstorrent.com/n150", "tenstorrent.com/n300", "tenstorrent.com/p150a"}) {
    const Resource* resource = planned.plan.Find(name);
    ASSERT_NE(resource, nullptr) << name;
    EXPECT_THAT(resource->units, SizeIs(2)) << name;
  }
  EXPECT_THAT(planned.plan.not_offered, IsEmpty());
}

TEST(Plan, ABoardOfTwoEndpointsIsOneDevice) {
  auto root = LoadMachine("tt-p300-2numa");
  Planned board = PlanOf(*root);
  ASSERT_THAT(board.plan.resources, SizeIs(1));
  const Resource& boards = board.plan.resources[0];
  EXPECT_EQ(boards.name, "tenstorrent.com/p300c");
  ASSERT_THAT(boards.units, SizeIs(2));
  EXPECT_THAT(boards.units[0].cards, SizeIs(2));
  EXPECT_THAT(boards.units[0].device_nodes, SizeIs(2));
  EXPECT_THAT(boards.units[0].id, SizeIs(16)) << "the serial";
  EXPECT_THAT(boards.units[0].numa_nodes, ElementsAre(0));
  Planned endpoint = PlanOf(*root, "[profile.tenstorrent]\np300_unit = \"endpoint\"");
  EXPECT_THAT(endpoint.plan.resources.at(0).units, SizeIs(4));
}

// Telemetry comes up to two minutes late. Until then a card may be the other half of any board.
TEST(Plan, HalfABoardIsNotOfferedAsAWholeOne) {
  const std::string late =
      "sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:01.0/0000:44:00.0/tenstorrent/tenstorrent!1/";
  auto root = LoadMachine("tt-p300-2numa");
  root->set_live(true);
  const std::string serial = root->ReadText(late + "tt_serial").value();
  root->Remove(late + "tt_serial");
  Planned half = PlanOf(*root);
  const Resource& boards = half.plan.resources.at(0);
  ASSERT_THAT(boards.units, SizeIs(2));
  EXPECT_EQ(boards.units[0].id, serial);
  EXPECT_THAT(boards.units[0].cards, SizeIs(1));
  EXPECT_EQ(boards.units[0].health, Health::kUnhealthy);
  EXPECT_EQ(boards.units[0].reason, "card 0000:44:00.0 waits for its serial and may be part of it");
  EXPECT_EQ(boards.units[1].health, Health::kHealthy) << "it has both of its chips";
  EXPECT_EQ(Reasons(half.plan)["0000:44:00.0"], "it waits for serial");
  // What is known of the card speaks against every group, or there are no groups.
  const std::string none = "[[exclude]]\naddress = \"0000:44:00.0\"\n";
  for (const std::string& toml : {none, std::string("[profile.tenstorrent]\np300_unit = \"endpoint\"")}) {
    Planned whole = PlanOf(*root, toml);
    for (const Unit& unit : whole.plan.resources.at(0).units)
      EXPECT_EQ(unit.health, Health::kHealthy) << toml << unit.reason;
  }
  root->AddFile(late + "tt_card_type", "n150\n");
  Planned other = PlanOf(*root);
  for (const Unit& unit : other.plan.resources.at(0).units)
    EXPECT_EQ(unit.health, Health::kHealthy) << "an n150 is no part of a p300: " << unit.reason;
  // It is known which board it is of, but not of what type it is.
  root->Remove(late + "tt_card_type");
  root->AddFile(late + "tt_serial", serial + "\n");
  Planned known = PlanOf(*root);
  EXPECT_EQ(known.plan.resources.at(0).units.at(0).health, Health::kUnhealthy);
  EXPECT_EQ(known.plan.resources.at(0).units.at(1).health, Health::kHealthy);
  // When the time to wait is over, a board of one endpoint is what there is.
  root->Remove(late + "tt_serial");
  root->set_live(false);
  EXPECT_EQ(PlanOf(*root).plan.resources.at(0).units.at(0).health, Health::kHealthy);
}

TEST(Plan, AGalaxyByEndpointTrayOrWhole) {
  auto root = LoadMachine("tt-galaxy-wh");
  EXPECT_THAT(PlanOf(*root).plan.resources.at(0).units, SizeIs(32));
  Planned tray = PlanOf(*root, "[profile.tenstorrent]\ngalaxy_unit = \"tray\"");
  EXPECT_EQ(tray.plan.resources.at(0).name, "tenstorrent.com/galaxy-wormhole-tray");
  ASSERT_THAT(tray.plan.resources[0].units, SizeIs(4));
  EXPECT_THAT(tray.plan.resources[0].units[0].device_nodes, SizeIs(8));
  Planned whole = PlanOf(*root, "[profile.tenstorrent]\ngalaxy_unit = \"whole\"");
  ASSERT_THAT(whole.plan.resources.at(0).units, SizeIs(1));
  EXPECT_EQ(whole.plan.resources[0].name, "tenstorrent.com/galaxy-wormhole-host");
  EXPECT_THAT(whole.plan.resources[0].units[0].numa_nodes, ElementsAre(0, 1));
}

TEST(Plan, AnIncompleteGroupIsNotOffered) {
  auto root = LoadMachine("tt-galaxy-wh");
  root->Remove("sys/class/tenstorrent/tenstorrent!0");
  Planned tray = PlanOf(*root, "[profile.tenstorrent]\ngalaxy_unit = \"tray\"");
  EXPECT_THAT(tray.plan.resources.at(0).units, SizeIs(3));
  EXPECT_THAT(tray.plan.not_offered, SizeIs(7));
  EXPECT_THAT(tray.plan.not_offered[0].reason, HasSubstr("has 7 of 8 cards"));
}

TEST(Plan, OddCardsAreLeftOutWithAReason) {
  auto root = LoadMachine("tt-oddities");
  Planned planned = PlanOf(*root);
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  size_t unknown = 0;
  size_t late = 0;
  for (const NotOffered& one : planned.plan.not_offered) {
    if (one.reason == "no resource takes it (card_type is unknown)") ++unknown;
    if (one.reason == "its card_type and serial cannot be read") ++late;
  }
  EXPECT_EQ(unknown, 1U) << "card type unknown";
  EXPECT_EQ(late, 1U) << "just booted, on a still picture";
  EXPECT_NE(
      PlanOf(*root, "[profile.tenstorrent]\nunknown_cards = \"offer\"").plan.Find("tenstorrent.com/unknown"),
      nullptr);
}

TEST(Plan, LinkedPairs) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  std::string toml = "[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"" +
                     testing::SourcePath("tests/machines/cluster-descriptors/t3k_cluster_desc.yaml") +
                     "\"\n[[resource]]\nname = \"tenstorrent.com/n300-pair\"\nunit = \"group\"\ngroup_by = "
                     "\"links\"\nsize = 2\nmin_width = 4\n";
  Planned planned = PlanOf(*root, toml);
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  EXPECT_EQ(Summary(planned.plan),
            "tenstorrent.com/n300-pair: 0000:31:00.0+0000:4b:00.0 0000:b1:00.0+0000:ca:00.0\n");
}

std::string GalaxyGroups() {
  return "[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"" +
         testing::SourcePath("tests/machines/cluster-descriptors/blackhole_galaxy.yaml") +
         "\"\n[[resource]]\nname = \"a.com/x\"\nunit = \"group\"\ngroup_by = \"links\"\n";
}

// The 32 chips of a Galaxy hang together: in quads, trays and halves, and as one. A quad is four chips in a
// square, a tray one host bridge's.
TEST(Plan, GroupsOfAGalaxy) {
  auto root = LoadMachine("tt-galaxy-bh");
  for (auto [size, worth] : {std::pair<size_t, double>{4, 1340}, {8, 4520}, {16, 11920}}) {
    Planned groups = PlanOf(*root, GalaxyGroups() + "size = " + std::to_string(size) + "\n");
    EXPECT_TRUE(groups.diagnostics.ok()) << groups.diagnostics.Text();
    const Resource* resource = groups.plan.Find("a.com/x");
    ASSERT_NE(resource, nullptr);
    ASSERT_THAT(resource->units, SizeIs(32 / size));
    for (const Unit& unit : resource->units) {
      EXPECT_THAT(unit.cards, SizeIs(size));
      EXPECT_THAT(unit.id, ::testing::MatchesRegex("0000:[0-9a-f]+:00.0\\+.*"));
      double sum = 0;
      for (size_t card : unit.cards) {
        for (size_t other : unit.cards)
          sum += card < other ? groups.plan.graph->CardAffinity(card, other) : 0;
      }
      EXPECT_EQ(sum, worth) << unit.id;
    }
  }
  Planned whole = PlanOf(*root, GalaxyGroups());
  ASSERT_NE(whole.plan.Find("a.com/x"), nullptr);
  ASSERT_THAT(whole.plan.Find("a.com/x")->units, SizeIs(1));
  EXPECT_THAT(whole.plan.Find("a.com/x")->units[0].cards, SizeIs(32));
}

// What a group leaves over is offered singly.
TEST(Plan, LeftoversOfAGroup) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(*root, R"(
[[links]]
source = "toml"
between = [{ from = "0000:31:00.0", to = "0000:4b:00.0" }]
[[resource]]
name = "example.com/pair"
unit = "group"
group_by = "links"
size = 2
)");
  EXPECT_EQ(Summary(planned.plan),
            "example.com/pair: 0000:31:00.0+0000:4b:00.0\ntenstorrent.com/n300: 0000:b1:00.0 0000:ca:00.0\n");
  EXPECT_THAT(planned.plan.not_offered, IsEmpty());
}

// What the operator wants in a resource is not offered otherwise because the resource cannot have it.
TEST(Plan, TwoCardsOfOneId) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(*root, "[[resource]]\nname = \"a.com/x\"\nid = \"{card_type}\"\n");
  EXPECT_EQ(Summary(planned.plan), "a.com/x: n300\n");
  ASSERT_THAT(planned.plan.refused, SizeIs(1));
  EXPECT_EQ(planned.plan.refused[0].message, "device id 'n300' is another card's already");
  EXPECT_EQ(planned.plan.refused[0].pos.line, 3);
  EXPECT_THAT(planned.plan.not_offered, SizeIs(3));
}

TEST(Plan, TheOperatorsResourcesComeFirst) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(*root, R"(
[[resource]]
name = "example.com/reserved"
where = { numa = 0 }
except = { address = "0000:4b:00.0" }
)");
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  EXPECT_EQ(
      Summary(planned.plan),
      "example.com/reserved: 0000:31:00.0\ntenstorrent.com/n300: 0000:4b:00.0 0000:b1:00.0 0000:ca:00.0\n");
  EXPECT_THAT(planned.plan.Find("example.com/reserved")->units[0].device_nodes,
              ElementsAre("/dev/tenstorrent/0"))
      << "the profile's container";
}

TEST(Plan, AResourceOfTheSameNameReplaces) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(*root, "[[resource]]\nname = \"tenstorrent.com/n300\"\nwhere = { numa = 1 }\n");
  EXPECT_EQ(Summary(planned.plan), "tenstorrent.com/n300: 0000:b1:00.0 0000:ca:00.0\n");
  EXPECT_THAT(Reasons(planned.plan)["0000:31:00.0"], HasSubstr("is replaced in cleave.toml"));
}

TEST(Plan, DropAndExclude) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  EXPECT_THAT(PlanOf(*root, "drop = [\"tenstorrent.com/*\"]").plan.resources, IsEmpty());
  Planned planned = PlanOf(*root, "exclude = [{ serial = \"010001461190302B\" }, { ordinal = 3 }]");
  EXPECT_EQ(Summary(planned.plan), "tenstorrent.com/n300: 0000:4b:00.0 0000:b1:00.0\n");
  EXPECT_EQ(Reasons(planned.plan)["0000:ca:00.0"], "it is excluded in cleave.toml");
}

TEST(Plan, ResourcesForOtherNodes) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  std::string toml = "[[resource]]\nname = \"example.com/a\"\nnodes = [\"gpu-*\"]\n";
  EXPECT_EQ(Summary(PlanOf(*root, toml, "cpu-1").plan).substr(0, 15), "tenstorrent.com");
  EXPECT_EQ(Summary(PlanOf(*root, toml, "gpu-1").plan).substr(0, 13), "example.com/a");
}

TEST(Plan, OverlapIsAnErrorWithAPlace) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(
      *root, "[[resource]]\nname = \"a.com/x\"\n[[resource]]\nname = \"a.com/y\"\nwhere = { numa = 0 }\n");
  EXPECT_THAT(
      planned.diagnostics.Text(),
      HasSubstr("cleave.toml:3:1: card 0000:31:00.0 (and 1 more) is offered as a.com/x and as a.com/y"));
  Planned twice = PlanOf(*root,
                         "[[resource]]\nname = \"a.com/x\"\nwhere = { numa = 0 }\n[[resource]]\nname = "
                         "\"a.com/x\"\nwhere = { numa = 1 }\n");
  EXPECT_THAT(twice.diagnostics.Text(),
              HasSubstr("two [[resource]] are called a.com/x; the other is at cleave.toml:1:1"));
}

TEST(Plan, NamesAndIdsThatTheKubeletRefuses) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  EXPECT_THAT(PlanOf(*root, "[[resource]]\nname = \"n300\"\n").diagnostics.Text(),
              HasSubstr("cleave.toml:2:8: resource name 'n300': it needs a domain"));
  // What a card says must not stop the other cards.
  std::string entry = root->Resolve("sys/class/tenstorrent/tenstorrent!0").value();
  root->AddFile(entry + "/tt_card_type", "n300-\n");
  Planned planned = PlanOf(*root);
  EXPECT_TRUE(planned.diagnostics.ok());
  EXPECT_THAT(Reasons(planned.plan)["0000:31:00.0"], HasSubstr("resource name 'tenstorrent.com/n300-'"));
  EXPECT_THAT(planned.plan.resources.at(0).units, SizeIs(3));
  Planned ids = PlanOf(*root,
                       "drop = [\"tenstorrent.com/*\"]\n[[resource]]\nname = \"a.com/x\"\nid = "
                       "\"{serial}{serial}{serial}{serial}\"\n");
  EXPECT_THAT(Reasons(ids.plan)["0000:4b:00.0"], HasSubstr("it has 64 characters, the kubelet allows 63"));
}

TEST(Plan, TwoProfilesMustNotClaimOneCard) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  std::string other =
      "schema = 1\nname = \"other\"\n[entries]\npci = { vendor = 0x1e52 }\nid = \"{pci.address}\"\n";
  Planned planned = PlanOf(*root, "", "node-a", {{"other.toml", other}});
  EXPECT_THAT(planned.diagnostics.Text(),
              HasSubstr("profiles 'other' and 'tenstorrent' both claim 0000:31:00.0"));
}

TEST(Plan, PiecesAreAPartition) {
  auto root = LoadMachine("vendors/biren-runc-svi");
  std::string profile = R"(
schema = 1
name = "biren"
[entries]
class = "biren"
id = "{name}"
piece_of = "{device/physical_id}"
[entries.nodes]
main = "/dev/biren/{name}"
[container]
devices = ["{nodes.main}"]
[[resource]]
name = "birentech.com/gpu"
where = { pieces = 1 }
[[resource]]
name = "birentech.com/1-{pieces}-gpu"
where = { pieces = "> 1" }
unit = "partition"
)";
  Planned planned = PlanOf(*root, "profiles = [\"biren\"]", "node-a", {{"biren.toml", profile}});
  EXPECT_EQ(Summary(planned.plan),
            "birentech.com/1-2-gpu: card_1 card_2\nbirentech.com/1-4-gpu: card_3 card_4 card_5 "
            "card_6\nbirentech.com/gpu: card_0 card_7\n");
  const Resource* quarters = planned.plan.Find("birentech.com/1-4-gpu");
  EXPECT_EQ(quarters->topology->Affinity(0, 1), 80) << "pieces of one card";
}

TEST(Plan, AtMostSoMany) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(*root, "[[resource]]\nname = \"a.com/x\"\nlimit = 3");
  EXPECT_EQ(Summary(planned.plan),
            "a.com/x: 0000:31:00.0 0000:4b:00.0 0000:b1:00.0\ntenstorrent.com/n300: 0000:ca:00.0\n");
  Planned shares = PlanOf(*root, "[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = 2\nlimit = 3");
  EXPECT_EQ(shares.plan.Find("a.com/x")->units.size(), 3U);
}

constexpr const char* kTwoKinds = R"toml(schema = 1
name = "two"
[[entries]]
kind = "a"
class = "tenstorrent"
name = "tenstorrent![01]"
id = "{pci.address}"
[[entries]]
kind = "b"
class = "tenstorrent"
name = "tenstorrent![23]"
id = "{pci.address}"
[[resource]]
name = "x.com/x"
where = { kind = "b" }
[[resource]]
name = "x.com/x"
where = { kind = "a" }
)toml";

TEST(Plan, TwoKindsOfAProfileMayBeOneResource) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(*root, "profiles = [\"two\"]", "n", {{"two.toml", kTwoKinds}});
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  EXPECT_EQ(Summary(planned.plan), "x.com/x: 0000:31:00.0 0000:4b:00.0 0000:b1:00.0 0000:ca:00.0\n");
  for (const char* own : {"prefer = \"packed\"\n", "near = [\"net\"]\n"}) {
    Planned differ = PlanOf(*root, "profiles = [\"two\"]", "n", {{"two.toml", std::string(kTwoKinds) + own}});
    EXPECT_THAT(differ.diagnostics.Text(), HasSubstr("two.toml:16:1: two [[resource]] are called x.com/x"))
        << own;
  }
}

TEST(Plan, ManyCardsInTwoResourcesAreOneError) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned = PlanOf(*root, "[[resource]]\nname = \"a.com/x\"\n[[resource]]\nname = \"a.com/y\"\n");
  EXPECT_THAT(planned.diagnostics.errors(), SizeIs(1));
  EXPECT_THAT(planned.diagnostics.Text(),
              HasSubstr("card 0000:31:00.0 (and 3 more) is offered as a.com/x and as a.com/y"));
}

TEST(Plan, WhatTheKubeletWouldRefuseIsAnErrorBeforeThereIsACard) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  Planned planned =
      PlanOf(*root, "[[resource]]\nname = \"kubernetes.io/{card_type}\"\nwhere = { card_type = \"none\" }");
  EXPECT_THAT(planned.diagnostics.Text(),
              HasSubstr("cleave.toml:2:8: resource name 'kubernetes.io/{card_type}'"));
}

}  // namespace
}  // namespace cleave
