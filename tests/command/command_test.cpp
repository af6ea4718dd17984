// SPDX-License-Identifier: Apache-2.0
// The command line as a user meets it: the real binary, its output and exit codes.
#include <fmt/core.h>
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
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using testing::Cleave;
using testing::Machine;
using testing::Result;

TEST(Command, HelpAndWrongUsage) {
  Result help = Cleave("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* command : {"serve", "check", "plan", "topology", "prefer", "capture", "demo"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
    EXPECT_EQ(Cleave(std::string(command) + " --help").code, 0) << command;
  }
  EXPECT_EQ(Cleave("").code, 2);
  EXPECT_EQ(Cleave("plann").code, 2);
  EXPECT_EQ(Cleave("plan --output yaml").code, 2);
  EXPECT_EQ(Cleave("prefer tenstorrent.com/n300").code, 2);
  EXPECT_THAT(Cleave("--version").out, StartsWith("cleave "));
}

TEST(Command, PlanSaysWhatTheNodeOffers) {
  Result plan = Cleave("plan --output json --node-name node-a" + Machine("tenstorrent-4x-n300"));
  ASSERT_EQ(plan.code, 0) << plan.err;
  Json json = Json::parse(plan.out);
  EXPECT_EQ(json["node"], "node-a");
  ASSERT_EQ(json["resources"].size(), 1U);
  EXPECT_EQ(json["resources"][0]["name"], "tenstorrent.com/n300");
  EXPECT_EQ(json["resources"][0]["unit"], "card");
  EXPECT_EQ(json["resources"][0]["prefer"], "closest");
  EXPECT_EQ(json["resources"][0]["units"][3]["id"], "0000:ca:00.0");
  EXPECT_EQ(json["resources"][0]["units"][3]["cards"], Json({"0000:ca:00.0"}));
  EXPECT_EQ(json["resources"][0]["units"][3]["numa_nodes"], Json({1}));
  EXPECT_EQ(json["resources"][0]["units"][3]["device_nodes"], Json({"/dev/tenstorrent/3"}));
  EXPECT_EQ(json["resources"][0]["units"][3]["health"], "healthy");
  EXPECT_THAT(Cleave("plan" + Machine("tenstorrent-4x-n300")).out,
              HasSubstr("tenstorrent.com/n300: 4 of 4 allocatable"));
  EXPECT_THAT(Cleave("plan" + Machine("tt-oddities")).out,
              HasSubstr("Grayskull: not supported by tt-kmd since 2.2"));
}

TEST(Command, NoCardIsNoError) {
  testing::TempDir empty;
  for (const char* command : {"plan", "check", "topology", "topology --functions", "topology --matrix"}) {
    Result result = Cleave(std::string(command) + " --root " + empty.path());
    EXPECT_EQ(result.code, 0) << command << result.err;
    EXPECT_NE(result.out, "") << command;
  }
}

TEST(Command, ProfilesBringTheirLinks) {
  testing::TempDir dir;
  auto topology = [&](const std::string& toml, const std::string& machine) {
    testing::WriteFile(dir / "x.toml", toml);
    Result result = Cleave("topology --output json --config " + (dir / "x.toml") + Machine(machine));
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out);
  };
  Json links = topology("", "vendors/amd-mi300x-cpx32")["links"];
  ASSERT_FALSE(links.empty());
  EXPECT_EQ(links[0]["kind"], "xgmi");
  const std::string own = "[[links]]\nsource = \"kfd\"\n";
  EXPECT_EQ(topology(own, "vendors/amd-mi300x-cpx32")["links"], links);
  EXPECT_EQ(topology(own + "nodes = [\"-\"]\n", "vendors/amd-mi300x-cpx32")["links"], Json::array());
  // Only who asks for it is told that there is none.
  EXPECT_EQ(topology("", "tenstorrent-4x-n300")["oddities"], Json::array());
  EXPECT_EQ(topology(own, "tenstorrent-4x-n300")["oddities"].size(), 1U);
}

TEST(Command, NamesTheNearestCommand) {
  Result wrong = Cleave("plna");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("there is no command 'plna' (did you mean 'plan'?)"));
}

TEST(Command, OutputThatCannotBeWritten) {
  Result full = Cleave("plan" + Machine("tenstorrent-4x-n300") + " >/dev/full");
  EXPECT_EQ(full.code, 1);
  EXPECT_THAT(full.err, HasSubstr("standard output: No space left on device"));
}

class PreferCommand : public ::testing::Test {
 protected:
  PreferCommand() {
    testing::WriteFile(dir_ / "links.toml",
                       "[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"" +
                           testing::SourcePath("tests/machines/cluster-descriptors/t3k_cluster_desc.yaml") +
                           "\"\n");
  }
  Json Prefer(const std::string& arguments) {
    Result result = Cleave("prefer tenstorrent.com/n300 --output json --config " + (dir_ / "links.toml") +
                           Machine("tenstorrent-4x-n300") + " " + arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out);
  }
  testing::TempDir dir_;
};

TEST_F(PreferCommand, ChoosesALinkedPair) {
  Json json = Prefer("-n 2");
  EXPECT_EQ(json["chosen"], Json({"0000:31:00.0", "0000:4b:00.0"}));
  EXPECT_EQ(json["score"], 420) << "same NUMA node 20, four links 400";
  EXPECT_EQ(json["optimal"], true);
  EXPECT_EQ(json["gap"], 0);
  EXPECT_EQ(json["available"].size(), 4U);
  EXPECT_EQ(Prefer("-n 2 --available 0000:4b:00.0,0000:b1:00.0,0000:ca:00.0")["chosen"],
            Json({"0000:b1:00.0", "0000:ca:00.0"}));
  EXPECT_EQ(Prefer("-n 2 --must-include 0000:ca:00.0")["chosen"], Json({"0000:b1:00.0", "0000:ca:00.0"}));
  EXPECT_EQ(Prefer("-n 4")["score"], 420 + 420 + 210 + 210 + 10 + 10);
}

TEST_F(PreferCommand, SaysWhatTheNetworkCardAdds) {
  testing::WriteFile(
      dir_ / "gpu.toml",
      "schema = 1\nname = \"gpu\"\n[entries]\npci = { class = \"0x0302*\" }\nid = \"{pci.address}\"\n");
  testing::WriteFile(dir_ / "near.toml", "[[resource]]\nname = \"a.com/gpu\"\nnear = \"infiniband\"\n");
  Result result = Cleave("prefer a.com/gpu -n 2 --output json --profile " + (dir_ / "gpu.toml") +
                         " --config " + (dir_ / "near.toml") + Machine("g4dn-metal"));
  ASSERT_EQ(result.code, 0) << result.err;
  Json json = Json::parse(result.out);
  EXPECT_EQ(json["near"], Json({20, 20})) << "the NUMA node of 0000:c5:00.0";
  double pair = json["score"].get<double>() - 40;
  EXPECT_EQ(pair, 30) << "one host bridge";
}

TEST_F(PreferCommand, RefusesWhatCannotBe) {
  EXPECT_THAT(Cleave("prefer tenstorrent.com/n30 -n 1" + Machine("tenstorrent-4x-n300")).err,
              HasSubstr("does not offer 'tenstorrent.com/n30' (did you mean 'tenstorrent.com/n300'?)"));
  EXPECT_THAT(Cleave("prefer tenstorrent.com/n300 -n 5" + Machine("tenstorrent-4x-n300")).err,
              HasSubstr("5 of tenstorrent.com/n300 were asked for, 4 are available"));
  EXPECT_THAT(
      Cleave("prefer tenstorrent.com/n300 -n 1 --available 0000:4b:00.1" + Machine("tenstorrent-4x-n300"))
          .err,
      HasSubstr("has no device '0000:4b:00.1' (did you mean '0000:4b:00.0'?)"));
}

// As the kubelet is answered: a sick card only when nothing else is left.
TEST_F(PreferCommand, TakesSickOnesLast) {
  const std::string prefer = "prefer tenstorrent.com/n150 --output json" + Machine("tt-oddities");
  Json plan = Json::parse(Cleave("plan --output json" + Machine("tt-oddities")).out);
  std::string sick;
  std::string well;
  for (const Json& resource : plan["resources"]) {
    if (resource["name"] != "tenstorrent.com/n150") continue;
    for (const Json& unit : resource["units"]) (unit["health"] == "healthy" ? well : sick) = unit["id"];
  }
  ASSERT_NE(sick, "");
  ASSERT_NE(well, "");
  Json one = Json::parse(Cleave(prefer + " -n 1 --available " + sick + "," + well).out);
  EXPECT_EQ(one["chosen"], Json::array({well}));
  Json both = Json::parse(Cleave(prefer + " -n 2 --available " + sick + "," + well).out);
  EXPECT_EQ(both["chosen"].size(), 2);
  EXPECT_EQ(Json::parse(Cleave(prefer + " -n 1 --available " + sick).out)["chosen"], Json::array({sick}));
}

TEST_F(PreferCommand, DoesNotRecommendASickOne) {
  const std::string ask = "prefer tenstorrent.com/n150" + Machine("tt-oddities");
  const std::string both = " --available '0000:ca:00.0, 0000:e3:00.0'";
  Result text = Cleave(ask + " -n 1" + both);
  EXPECT_EQ(text.code, 0) << text.err << "a blank after a comma is no part of an id";
  EXPECT_THAT(text.out, Not(HasSubstr("Next best")));
  EXPECT_THAT(text.out, HasSubstr("Leaves 0 free and 1 that is not healthy\n"));
  Json must = Json::parse(Cleave(ask + " -n 1 --must-include 0000:ca:00.0 --output json").out);
  EXPECT_EQ(must["warning"], "0000:ca:00.0 is not healthy: on the bus: device/config reads ffff");
  EXPECT_THAT(Cleave(ask + " -n 2 --available 0000:e3:00.0 --must-include 0000:ca:00.0").out,
              StartsWith("2 of 1 available tenstorrent.com/n150 and 1 that must be included: score 20, "));
  EXPECT_THAT(Cleave(ask + " -n 2 --available 0000:e3:00.0,0000:e3:00.0").err,
              HasSubstr("2 of tenstorrent.com/n150 were asked for, 1 are available\n"));
}

TEST_F(PreferCommand, NamesTheDeviceOfACard) {
  const std::string machine = Machine("tt-p300-2numa");
  Result run = Cleave("prefer tenstorrent.com/p300c -n 1 --available 0000:43:00.0" + machine);
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err,
              HasSubstr("has no device '0000:43:00.0'; that card is part of device 0000046131924007\n"));
  const std::string unit = Cleave("topology --svg --in-use 0000046131924007" + machine).out;
  EXPECT_THAT(unit, HasSubstr(">in use<"));
  EXPECT_EQ(unit, Cleave("topology --svg --in-use '0000:43:00.0, 0000:44:00.0'" + machine).out);
}

TEST(Command, LinksThatAreNotReadAreSaidEverywhere) {
  testing::TempDir dir;
  testing::WriteFile(dir / "links.toml", "[[links]]\nsource = \"matrix\"\npath = \"/nope.txt\"\n");
  const std::string with = " --config " + (dir / "links.toml") + Machine("tenstorrent-4x-n300");
  for (const char* how : {"prefer tenstorrent.com/n300 -n 2", "topology --matrix", "topology --svg"}) {
    Result run = Cleave(how + with);
    EXPECT_EQ(run.code, 0) << how;
    EXPECT_EQ(run.err, "cleave: /nope.txt: links of matrix: cannot be read: No such file or directory\n")
        << how;
  }
}

TEST(Command, ARootThatIsNoneIsSaid) {
  testing::TempDir dir;
  const std::string said = "--root: there is no sys/bus/pci below it";
  for (const char* how : {"check", "plan", "topology", "topology --functions"})
    EXPECT_THAT(Cleave(std::string(how) + " --root " + dir.path()).out, HasSubstr(said)) << how;
  EXPECT_THAT(Cleave("topology --matrix --root " + dir.path()).err, HasSubstr(said));
}

TEST(Command, FunctionsComeWithOddities) {
  const std::string text = Cleave("topology --functions" + Machine("gold6230-2s-dangling")).out;
  EXPECT_THAT(text, HasSubstr("\noddities\n"));
  EXPECT_THAT(text, HasSubstr(": its link in /sys/bus/pci/devices leads nowhere\n"));
  EXPECT_THAT(text, Not(HasSubstr("class cannot be read"))) << "of cards only";
}

TEST(Command, TopologyKeepsItsJson) {
  Json json = Json::parse(Cleave("topology --output json" + Machine("tenstorrent-4x-n300")).out);
  for (const char* key : {"numa_nodes", "cards", "relation", "affinity", "links"})
    EXPECT_TRUE(json.contains(key)) << key;
  for (const char* key :
       {"id", "profile", "address", "addresses", "numa_nodes", "attributes", "device_nodes", "health"}) {
    EXPECT_TRUE(json["cards"][0].contains(key)) << key;
  }
  EXPECT_EQ(json["relation"][0][1], "same_numa");
  EXPECT_EQ(json["relation"][0][2], "cross_numa");
  EXPECT_EQ(json["affinity"][0][1], 20);
  EXPECT_EQ(json["affinity"][0][2], 10);
  Json functions = Json::parse(Cleave("topology --functions --output json" + Machine("nec-ve8-skx")).out);
  EXPECT_EQ(functions["functions"].size(), 28U);
  EXPECT_EQ(functions["relation"].size(), 28U);
}

TEST(Command, TopologyDrawsOnePictureAtATime) {
  const std::string machine = Machine("tenstorrent-4x-n300");
  Result svg = Cleave("topology --svg --in-use 0000:31:00.0,0000:ca:00.0" + machine);
  EXPECT_EQ(svg.code, 0) << svg.err;
  EXPECT_THAT(svg.out, StartsWith("<svg "));
  EXPECT_THAT(svg.out, HasSubstr(">tenstorrent-4x-n300</title>")) << "not the name of this host";
  EXPECT_THAT(svg.out, HasSubstr(">in use<"));
  EXPECT_THAT(Cleave("topology --svg --node-name n1" + machine).out, HasSubstr(">n1</title>"));
  EXPECT_THAT(Cleave("topology --dot" + machine).out, StartsWith("graph "));
  Result wrong = Cleave("topology --svg --in-use 0000:31:00.1" + machine);
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err,
              HasSubstr("there is no card or device '0000:31:00.1' (did you mean '0000:31:00.0'?)"));
  for (const char* both : {"--svg --dot", "--svg --matrix", "--dot --functions", "--matrix --functions",
                           "--svg --output json", "--in-use 0000:31:00.0", "--dot --in-use 0000:31:00.0"}) {
    EXPECT_EQ(Cleave(std::string("topology ") + both + machine).code, 2) << both;
  }
}

TEST(Command, TopologyTellsWhyACardIsNotOffered) {
  const std::string machine = Machine("tt-oddities");
  const std::string why = "not offered: no resource takes it (card_type is unknown)";
  for (const char* how : {"", "--svg", "--dot"}) {
    Result run = Cleave(std::string("topology ") + how + machine);
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr(why)) << how;
  }
}

}  // namespace
}  // namespace cleave
