// SPDX-License-Identifier: Apache-2.0
// The command line as a user meets it: the real binary, its output and exit codes.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
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

// Plan and the daemon go on without the links; check is where one hears of it.
TEST(Check, RefusesALinkFileThatMakesNoSense) {
  testing::TempDir dir;
  struct Case {
    const char* source;
    const char* text;   // null: no such file
    const char* error;  // "": none
  };
  const std::vector<Case> cases = {
      {"tt-cluster-descriptor", "chips: [\n", "/links:2: "},
      {"nccl-xml", "<system>\n<cpu>\n</system>", "/links:3: the XML is broken here (mismatched tag)\n"},
      {"nccl-xml", "GPU0 GPU1\n", "/links:1: this is no XML (syntax error)\n"},
      {"nccl-xml", "\n", "/links:1: it is empty\n"},
      {"nccl-xml", "<html/>",
       "/links:1: this is no topology of NCCL: its top element is 'html', not 'system'; NCCL "
       "writes one to the file that NCCL_TOPO_DUMP_FILE names\n"},
      {"matrix", "GPU0 GPU0\n", "/links:1: there are two columns of GPU0\n"},
      {"matrix", "\tGPU0\tGPU1\nGPU0\tX\tNV1\nGPU1\tNV1\tX\n", ""},  // of a machine with two GPUs
      {"nccl-xml", nullptr, ""},
  };
  for (const Case& one : cases) {
    const std::string links = dir / "links";
    std::filesystem::remove(links);
    if (one.text != nullptr) testing::WriteFile(links, one.text);
    testing::WriteFile(dir / "links.toml",
                       fmt::format("[[links]]\nsource = \"{}\"\npath = \"{}\"\n", one.source, links));
    const std::string arguments = " --config " + (dir / "links.toml") + Machine("tenstorrent-4x-n300");
    const Result check = Cleave("check" + arguments);
    const std::string error = one.error;
    EXPECT_EQ(check.code, error.empty() ? 0 : 1) << check.err;
    EXPECT_THAT(check.err, HasSubstr(error));
    EXPECT_THAT(check.err, HasSubstr(error.empty() ? "" : "1 problem; those links would not count"));
    const Result plan = Cleave("plan" + arguments);
    EXPECT_EQ(plan.code, 0) << plan.err;
    EXPECT_THAT(plan.out, AllOf(HasSubstr("4 of 4 allocatable"), HasSubstr("Odd on this machine")));
  }
}

TEST(Check, SaysEverythingThatIsWrong) {
  testing::TempDir dir;
  testing::WriteFile(dir / "bad.toml",
                     "[[resource]]\nname = \"n300\"\nprefr = 1\n[[links]]\nsource = \"nccl\"\n");
  Result bad = Cleave("check --config " + (dir / "bad.toml") + Machine("tenstorrent-4x-n300"));
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err, HasSubstr(dir / "bad.toml:2:8: resource name 'n300': it needs a domain"));
  EXPECT_THAT(bad.err,
              HasSubstr(dir / "bad.toml:3:1: unknown key 'prefr' in [[resource]] (did you mean 'prefer'?)"));
  EXPECT_THAT(bad.err, HasSubstr(dir / "bad.toml:4:1:"));
  EXPECT_THAT(bad.err, HasSubstr("3 problems; nothing would be registered"));
  EXPECT_EQ(bad.out, "");
  Json json = Json::parse(
      Cleave("check --output json --config " + (dir / "bad.toml") + Machine("tenstorrent-4x-n300")).out);
  EXPECT_EQ(json["errors"].size(), 3U);
  testing::WriteFile(
      dir / "links.toml",
      "[[links]]\nsource = \"nccl-xml\"\n[[links]]\nsource = \"toml\"\nbetween = [{ from = \"a\" }]");
  Json links = Json::parse(
      Cleave("check --output json --config " + (dir / "links.toml") + Machine("tenstorrent-4x-n300")).out);
  EXPECT_EQ(links["errors"].size(), 2U) << "a source without a path, a pair without 'to'";
  ASSERT_EQ(links["oddities"].size(), 1U) << links["oddities"] << "what was an error is not said again";
  EXPECT_EQ(links["oddities"][0]["subject"], dir / "links.toml:5:14");
  EXPECT_EQ(json["errors"][0]["line"], 2);
  Result path = Cleave("check --kubelet-dir /" + std::string(120, 'k') + Machine("tenstorrent-4x-n300"));
  EXPECT_EQ(path.code, 1) << "a socket path that is too long";
  EXPECT_EQ(Cleave("check" + Machine("tenstorrent-4x-n300")).code, 0);
  EXPECT_EQ(Cleave("check --config /nowhere.toml" + Machine("tenstorrent-4x-n300")).code, 1);
  EXPECT_THAT(Cleave("plan --root /nowhere").err, HasSubstr("/nowhere"));
}

// Each is told, and none stops the program.
TEST(Check, BrokenResourcesAreNotMade) {
  testing::TempDir dir;
  testing::WriteFile(dir / "bad.toml", R"([[resource]]
name = "example.com/count"
unit = "count"
count = -1
[[resource]]
name = "example.com/pair"
unit = "group"
group_by = "links"
size = "2"
[[resource]]
name = "example.com/share"
unit = "share"
shares = 0
[[resource]]
name = ""
[[resource]]
name = "example.com/relative"
[resource.container]
devices = "dev/x"
mounts = [{ host = "" }]
)");
  Result bad = Cleave("check --config " + (dir / "bad.toml") + Machine("tenstorrent-4x-n300"));
  EXPECT_EQ(bad.code, 1);
  for (const char* line :
       {":4:1: 'count'", ":9:8: 'size'", ":13:1: 'shares'", ":15:1: 'name' in [[resource]] is empty",
        ":19:11: \"dev/x\" must be an absolute path", ":20:20: \"\" must be an absolute path"})
    EXPECT_THAT(bad.err, HasSubstr(dir / "bad.toml" + line));
}

// The driver is as it should be, and the host lacks what the container is to get beside the card.
TEST(Check, SaysWhatPodsWouldBeRefusedFor) {
  testing::TempDir dir;
  const std::string toml = "[[resource]]\nname = \"example.com/x\"\n[resource.container]\n";
  auto check = [&](const std::string& container) {
    testing::WriteFile(dir / "x.toml", toml + container);
    return Cleave("check --output json --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300"));
  };
  Result node = check("devices = [\"{nodes.*}\", \"/dev/nosuch\"]\n");
  EXPECT_EQ(node.code, 0) << "the machine may get it yet";
  EXPECT_EQ(Json::parse(node.out)["refuses"],
            Json::parse(R"([{"resource": "example.com/x", "device": "0000:31:00.0",
            "more": 3, "reason": "the device node /dev/nosuch is not there"}])"));
  Result mount = check("mounts = [{ host = \"/nosuch\" }]\n");
  EXPECT_EQ(Json::parse(mount.out)["refuses"][0]["reason"],
            "mount of /nosuch: the host's directory is not there");
  Result relative = check("mounts = [{ host = \"{serial}\" }]\n");
  EXPECT_THAT(std::string(Json::parse(relative.out)["refuses"][0]["reason"]),
              HasSubstr("is no absolute path"));
  EXPECT_EQ(Json::parse(check("").out)["refuses"], Json::array());
  EXPECT_THAT(Cleave("plan --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300")).out,
              Not(HasSubstr("would be refused")));
}

TEST(Check, SettingsOfProfilesAreChecked) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", R"(profiles = ["b-com", "generic", "intel-gpu", "keti-gpu"]
[profile.b-com]
slots = "many"
[profile.generic]
resource = "Bad Name!"
[profile.intel-gpu]
shares = "0"
[profile.keti-gpu]
library = "not/absolute"
)");
  Result bad = Cleave("check --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300"));
  EXPECT_EQ(bad.code, 1);
  for (const char* line :
       {":3:1: 'slots' must be a number from 0 to 4096, not 'many'", ":5:1: 'resource' must be the part of",
        ":7:1: 'shares' must be a number from 1 to 99999, not '0'",
        ":9:1: 'library' must be an absolute path, not 'not/absolute'"})
    EXPECT_THAT(bad.err, HasSubstr(dir / "x.toml" + line));
}

// What `count` of [entries] cannot take is refused by the setting that it comes from.
TEST(Check, CountsOfDevicesWithoutHardwareHaveALimit) {
  testing::TempDir dir;
  auto check = [&](const std::string& number) {
    testing::WriteFile(
        dir / "x.toml",
        "profiles = [\"b-com\", \"keti-npu\"]\n[profile.b-com]\naws = \"always\"\n" +
            ("slots = \"" + number + "\"\n[profile.keti-npu]\nsimulated = \"" + number + "\"\n"));
    return Cleave("check --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300"));
  };
  for (const char* fits : {"0", "9", "999", "1000", "3999", "4089", "4096"})
    EXPECT_EQ(check(fits).code, 0) << fits << check(fits).err;
  for (const std::string number : {"4097", "5000", "9999", "10000", "-1", "007"}) {
    Result bad = check(number);
    EXPECT_EQ(bad.code, 1) << number;
    const std::string must = "must be a number from 0 to 4096, not '" + number + "'";
    EXPECT_THAT(bad.err, HasSubstr(dir / "x.toml" + std::string(":4:1: 'slots' ") + must));
    EXPECT_THAT(bad.err, HasSubstr(dir / "x.toml" + std::string(":6:1: 'simulated' ") + must));
  }
}

TEST(Check, FilesThatCannotBeReadSayWhy) {
  EXPECT_THAT(Cleave("check --config /nowhere.toml").err,
              HasSubstr("/nowhere.toml: cannot be read: No such file"));
  EXPECT_THAT(Cleave("check --config /tmp").err, HasSubstr("/tmp: cannot be read: Is a directory"));
  EXPECT_THAT(Cleave("check --profile /nowhere.toml").err,
              HasSubstr("/nowhere.toml: cannot be read: No such file"));
}

TEST(Check, RefusesWhatTheKubeletWould) {
  testing::TempDir dir;
  auto check = [&](const std::string& resource) {
    testing::WriteFile(dir / "x.toml", "[[resource]]\n" + resource);
    return Cleave("check --config " + (dir / "x.toml") + Machine("tenstorrent-4x-n300"));
  };
  // Made of what a card says: a daemon leaves the card out.
  Result id = check("name = \"example.com/x\"\nid = \"{serial}{serial}{serial}{serial}{serial}\"\n");
  EXPECT_EQ(id.code, 1);
  EXPECT_THAT(id.err, HasSubstr("x.toml:3:6: device id '"));
  EXPECT_THAT(id.err, HasSubstr("those cards would not be offered"));
  Result name = check("name = \"example.com/{pci.address}\"\n");
  EXPECT_EQ(name.code, 1);
  EXPECT_THAT(name.err, HasSubstr("x.toml:2:8: resource name 'example.com/0000:31:00.0'"));
  // As it is written, whatever a card says.
  Result never = check("name = \"example.com/x {card_type}\"\n");
  EXPECT_EQ(never.code, 1);
  EXPECT_THAT(never.err, HasSubstr("x.toml:2:8: resource name 'example.com/x {card_type}'"));
  // One file serves many nodes, so it is wrong here as well.
  Result elsewhere = check("name = \"kubernetes.io/x\"\nnodes = [\"other-*\"]\n");
  EXPECT_EQ(elsewhere.code, 1);
  EXPECT_THAT(elsewhere.err, HasSubstr("x.toml:2:8: resource name 'kubernetes.io/x'"));
  // Nothing wrong, but the operator will want to know.
  Result nothing = check("name = \"example.com/x\"\nwhere = { card_type = \"n3000\" }\n");
  EXPECT_EQ(nothing.code, 0);
  EXPECT_THAT(nothing.out, HasSubstr("example.com/x: no card of this node is what it asks for"));
  Result nameless = check("prefer = \"closest\"\n");
  EXPECT_EQ(nameless.code, 1);
  EXPECT_THAT(nameless.err, HasSubstr("1 problem;"));
}

// With the cards of a machine check knows more of a profile than its text.
TEST(Check, TriesAProfileOnTheCards) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", R"toml(schema = 1
name = "x"
default = false
[entries]
class = "ve"
name = "ve[0-9]+"
pci = { vendor = 0x1bcf }
id = "{pci.address}"
[entries.attributes]
model = { read = "no_such_file" }
[container]
env = { MODEL = "{model}" }
[[resource]]
name = "example.com/ve"
)toml");
  Result ran = Cleave("check --profile " + (dir / "x.toml") + Machine("nec-ve8-skx"));
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("x.toml:12:17: \"{model}\" has no value for 0000:1b:00.0 and 7 more of "
                                 "example.com/ve: a pod that gets it would be refused"));
  EXPECT_THAT(ran.err, HasSubstr("1 problem; pods would be refused"));
  EXPECT_THAT(ran.err, HasSubstr("x.toml:10:1: note: attribute 'model' has no value on any of 8 cards"));
}

// There is no cleave.toml that could be named.
TEST(Check, PointsAtTheProfileThatClaimsTheCardsOfAnother) {
  testing::TempDir dir;
  testing::WriteFile(
      dir / "x.toml",
      "schema = 1\nname = \"x\"\n[entries]\npci = { vendor = 0x1e52 }\nid = \"{pci.address}\"\n");
  const std::string arguments = "check --profile " + (dir / "x.toml") + Machine("tenstorrent-4x-n300");
  const std::string says = "profiles 'tenstorrent' and 'x' both claim 0000:31:00.0, ";
  EXPECT_THAT(Cleave(arguments).err, StartsWith(dir / "x.toml: " + says));
  testing::WriteFile(dir / "c.toml", "\nprofiles = [\"tenstorrent\", \"x\"]\n");
  EXPECT_THAT(Cleave(arguments + " --config " + (dir / "c.toml")).err,
              StartsWith(dir / "c.toml:2:1: " + says));
}

TEST(Check, ReadsAProfile) {
  testing::TempDir dir;
  testing::WriteFile(dir / "x.toml", "schema = 1\nname = \"x\"\n[entries]\nclas = \"x\"\nid = \"{name}\"\n");
  Result bad = Cleave("check --profile " + (dir / "x.toml") + Machine("tenstorrent-4x-n300"));
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err,
              HasSubstr(dir / "x.toml:4:1: unknown key 'clas' in [entries] (did you mean 'class'?)"));
}

}  // namespace
}  // namespace cleave
