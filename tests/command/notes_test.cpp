// SPDX-License-Identifier: Apache-2.0
// What `check` notes although nothing is wrong, and what other commands say beside their answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/command/run.h"
#include "tests/machine.h"

namespace cleave {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

using testing::Cleave;
using testing::Machine;
using testing::Result;

TEST(Notes, WhatNothingOnThisNodeHas) {
  struct Case {
    const char* toml;
    const char* note;  // "": none
  };
  const std::vector<Case> cases = {
      {"[[exclude]]\nserial = \"nosuch\"\n",
       "x.toml:2:1: note: [[exclude]] holds for no card of this node\n"},
      {"[[exclude]]\naddress = \"0000:31:00.0\"\n", ""},
      {"drop = \"tenstorrent.com/n301\"\n",
       "x.toml:1:1: note: 'drop': no profile in use makes 'tenstorrent.com/n301' of this node's cards (did "
       "you "
       "mean 'tenstorrent.com/n300'?)\n"},
      {"drop = \"tenstorent.com/n300\"\n",
       "x.toml:1:1: note: 'drop': no profile in use ever makes 'tenstorent.com/n300' (did you mean "
       "'tenstorrent.com/n300'?)\n"},
      {"drop = \"*.com/n[0-3]00\"\n", ""},
      {"[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = { default = 1, n300 = 4 }\n",
       "x.toml:4:25: note: 'shares' names 'n300', which is no id, address or serial of a card of this "
       "node\n"},
      {"[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = { default = 1, \"0000:31:00.1\" = 4 }\n",
       "x.toml:4:25: note: 'shares' names '0000:31:00.1', which is no id, address or serial of a card of "
       "this node (did you mean '0000:31:00.0'?)\n"},
      {"[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = { default = 1, \"0000:31:00.0\" = 4 }\n",
       ""},
      {"[[resource]]\nnodes = \"other\"\nname = \"a.com/x\"\nunit = \"share\"\nshares = { n300 = 4 }\n", ""},
      {"[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = 200\n"
       "[resource.container]\nenv = { PART = \"{share.percent}\" }\n",
       "x.toml:1:1: note: {share.percent} of one of 200 shares is 1, so that a card's shares have 200 % "
       "together\n"},
      {"[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = 100\n"
       "[resource.container]\nenv = { PART = \"{share.percent}\" }\n",
       ""},
      {"[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = 200\n", ""},
      {"[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = 200\n[resource.container]\n"
       "env = { PART = { value = \"{share.percent}\", when = { card_type = \"p150\" } } }\n",
       ""},
      {"[[resource]]\nname = \"a.com/x\"\nnear = \"infiniband\"\n",
       "x.toml:1:1: note: 'near' changes nothing here: this node has no network card with RDMA\n"},
  };
  testing::TempDir dir;
  for (const Case& one : cases) {
    testing::WriteFile(dir / "x.toml", one.toml);
    const std::string arguments = " --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300");
    const Result check = Cleave("check" + arguments);
    EXPECT_EQ(check.code, 0) << one.toml << check.err;
    const Json notes = Json::parse(Cleave("check --output json" + arguments).out)["notes"];
    if (std::string(one.note).empty()) {
      EXPECT_EQ(check.err, "") << one.toml;
      EXPECT_EQ(notes, Json::array());
      continue;
    }
    EXPECT_THAT(check.err, HasSubstr(one.note)) << one.toml;
    ASSERT_EQ(notes.size(), 1U) << notes;
    EXPECT_EQ(notes[0]["file"], dir / "x.toml");
    EXPECT_THAT(one.note, HasSubstr(notes[0]["message"].get<std::string>()));
    EXPECT_EQ(Cleave("plan" + arguments).err, "") << "check is for that";
  }
}

constexpr const char* kProfile = R"toml(schema = 1
name = "x"
default = false
[entries]
class = "ve"
name = "ve([0-9]+)"
pci = { vendor = 0x1bcf }
id = "{pci.address}"
[entries.attributes]
ordinal = { name = "ve([0-9]+)" }
[entries.nodes]
main = "/dev/veslot{ordinal}"
admin = "/dev/ve{ordinal}"
[container]
devices = "{nodes.main}"
[[resource]]
name = "example.com/ve"
[[health]]
name = "state"
read = "os_state"
is = "1"
[[health]]
name = "fans"
read = "fan_sped"
is = "1"
)toml";

TEST(Notes, PartsOfAProfileThatNoCardHas) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", kProfile);
  const Result tried = Cleave("check --profile " + (dir / "x.toml") + Machine("nec-ve8-skx"));
  EXPECT_EQ(tried.code, 0) << tried.err;
  EXPECT_THAT(tried.err, HasSubstr("x.toml:13:9: note: no container gets node 'admin': '{nodes.admin}' or "
                                   "'{nodes.*}' is in no 'devices'\n"));
  EXPECT_THAT(tried.err, Not(HasSubstr("'main'")));
  EXPECT_THAT(tried.err,
              HasSubstr("x.toml:22:1: note: health check 'fans' finds no file on any of 8 cards, such as /"));
  EXPECT_THAT(tried.err, HasSubstr("/fan_sped\n"));
  EXPECT_THAT(tried.err, Not(HasSubstr("'state'")));
}

TEST(Notes, APictureWithoutDev) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", kProfile);
  const std::string with = Machine("tenstorrent-4x-n300");
  EXPECT_THAT(Cleave("check" + with).err, Not(HasSubstr("/dev")));
  const Result without = Cleave("check --profile " + (dir / "x.toml") + Machine("nec-ve8-skx"));
  EXPECT_THAT(
      without.err,
      HasSubstr("nec-ve8-skx.tar.zst: note: it has no /dev, so device nodes of cards are taken as there\n"));
}

TEST(Notes, ProfilesThatAreNotInUse) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", kProfile);
  testing::WriteFile(dir / "c/cleave.toml", "profiles = [\"tenstorrent\"]\n");
  const std::string config = " --config " + (dir / "c/cleave.toml");
  const std::string note = dir / "c/cleave.toml:1:1: note: 'profiles' does not name 'x' of --profile " +
                           (dir / "x.toml") + ", so it is not in use\n";
  for (const char* command : {"check", "plan"}) {
    const Result unused =
        Cleave(std::string(command) + config + " --profile " + (dir / "x.toml") + Machine("nec-ve8-skx"));
    EXPECT_EQ(unused.code, 0);
    EXPECT_THAT(unused.err, HasSubstr(note));
    EXPECT_THAT(unused.out,
                HasSubstr("This node offers nothing: no profile in use finds a card among its 28 PCI "
                          "functions"));
  }
  EXPECT_THAT(
      Cleave("check --profile-dir " + dir.path() + Machine("nec-ve8-skx")).err,
      HasSubstr("note: profile 'x' is not in use and would find 8 cards here: name it in 'profiles'\n"));
}

TEST(Notes, WhyThisNodeOffersNothing) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", "drop = \"*\"\n");
  EXPECT_THAT(
      Cleave("plan --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300")).out,
      HasSubstr("This node offers nothing: 4 cards were found and none is in a resource, see below.\n"));
}

// The kubelet takes the set all the same, and its pod then fails.
TEST(Notes, PreferTellsThatAllocateWouldRefuse) {
  testing::TempDir dir;
  auto prefer = [&](const std::string& limit, const std::string& more) {
    testing::WriteFile(dir / "x.toml",
                       "[[resource]]\nname = \"a.com/x\"\nunit = \"share\"\nshares = 2\n" + limit);
    return Cleave("prefer a.com/x -n 2 --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300") + more);
  };
  const std::string apart = " --available 0000:31:00.0::0,0000:4b:00.0::0";
  const std::string says =
      "Allocate would refuse it: 0000:31:00.0::0 and 0000:4b:00.0::0 are on different cards, which same_card "
      "= "
      "\"require\" rules out\n";
  EXPECT_THAT(prefer("same_card = \"require\"\nstrict = true\n", apart).out, HasSubstr(says));
  EXPECT_THAT(prefer("same_card = \"require\"\n", apart).out, Not(HasSubstr("Allocate would refuse")));
  EXPECT_THAT(prefer("same_card = \"require\"\nstrict = true\n", "").out,
              Not(HasSubstr("Allocate would refuse")));
  const Json json =
      Json::parse(prefer("same_card = \"require\"\nstrict = true\n", apart + " --output json").out);
  EXPECT_THAT(says, HasSubstr(json["refusal"].get<std::string>()));
  EXPECT_NE(json["refusal"], "");
}

}  // namespace
}  // namespace cleave
