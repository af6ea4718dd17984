// SPDX-License-Identifier: Apache-2.0
// What a container gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/status.h"
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
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

ContainerEdits Edits(const Planned& planned, const std::vector<std::string>& ids) {
  const Resource& resource = planned.plan.resources.at(0);
  absl::StatusOr<ContainerEdits> edits = MakeEdits(planned.plan, resource, ids);
  EXPECT_TRUE(edits.ok()) << edits.status();
  return edits.ok() ? *edits : ContainerEdits{};
}

class EditsTest : public ::testing::Test {
 protected:
  std::unique_ptr<MemoryRoot> root_ = LoadMachine("tenstorrent-4x-n300");
};

TEST_F(EditsTest, NodesUnderTheirOwnOrdinalAndNoEnvByDefault) {
  ContainerEdits edits = Edits(PlanOf(*root_), {"0000:ca:00.0", "0000:4b:00.0"});
  EXPECT_THAT(edits.devices, ElementsAre("/dev/tenstorrent/1", "/dev/tenstorrent/3"));
  EXPECT_THAT(edits.env, IsEmpty());
  EXPECT_THAT(edits.annotations, IsEmpty());
}

TEST_F(EditsTest, VisibleDevices) {
  auto value = [&](const std::string& mode) {
    Planned planned = PlanOf(*root_, "[profile.tenstorrent]\nvisible_devices = \"" + mode + "\"");
    return Edits(planned, {"0000:ca:00.0", "0000:b1:00.0"}).env["TT_VISIBLE_DEVICES"];
  };
  EXPECT_EQ(value("bdf"), "0000:b1:00.0,0000:ca:00.0");
  EXPECT_EQ(value("index"), "0,1");
  EXPECT_EQ(value("ordinal"), "2,3");
}

TEST_F(EditsTest, HugePages) {
  auto mounts = [&](const std::string& mode) {
    return Edits(PlanOf(*root_, "[profile.tenstorrent]\nhugepages = \"" + mode + "\""),
                 {"0000:31:00.0", "0000:4b:00.0"})
        .mounts;
  };
  ASSERT_THAT(mounts("auto"), SizeIs(1));
  EXPECT_TRUE(mounts("auto")[0].optional);
  EXPECT_FALSE(mounts("auto")[0].read_only);
  EXPECT_EQ(mounts("auto")[0].file_system, "hugetlbfs");
  EXPECT_FALSE(mounts("always").at(0).optional);
  EXPECT_THAT(mounts("never"), IsEmpty());
  // A translating IOMMU on all cards of the container makes them unnecessary.
  for (const char* group : {"12", "27"})
    root_->AddFile(std::string("sys/kernel/iommu_groups/") + group + "/type", "DMA-FQ\n");
  EXPECT_THAT(mounts("auto"), IsEmpty());
  root_->AddFile("sys/kernel/iommu_groups/27/type", "identity\n");
  EXPECT_THAT(mounts("auto"), SizeIs(1));
}

TEST_F(EditsTest, PlaceholdersOfTheOperator) {
  Planned planned = PlanOf(*root_, R"(
[[resource]]
name = "example.com/x"
[resource.container]
env = { IDS = "{id}", N = "{count}", TYPE = "{card_type}", "CARD{position}" = "{serial}", NODE = "{node}", R = "{resource}" }
annotations = { "example.com/cards" = "{pci.address}" }
mounts = [{ host = "/opt/{card_type}", container = "/opt/x" }, { host = "/srv", optional = true }]
)");
  ContainerEdits edits = Edits(planned, {"0000:31:00.0", "0000:4b:00.0"});
  EXPECT_THAT(edits.env, UnorderedElementsAre(Pair("IDS", "0000:31:00.0,0000:4b:00.0"), Pair("N", "2"),
                                              Pair("TYPE", "n300"), Pair("CARD0", "010001461190302B"),
                                              Pair("CARD1", "0100014611903099"), Pair("NODE", "node-a"),
                                              Pair("R", "example.com/x")));
  EXPECT_THAT(edits.annotations, ElementsAre(Pair("example.com/cards", "0000:31:00.0,0000:4b:00.0")));
  ASSERT_THAT(edits.mounts, SizeIs(3)) << "the profile's, and two";
  EXPECT_EQ(edits.mounts[1].host, "/opt/n300");
  EXPECT_EQ(edits.mounts[2].container, "/srv");
  EXPECT_THAT(edits.devices, ElementsAre("/dev/tenstorrent/0", "/dev/tenstorrent/1")) << "inherited";
}

TEST_F(EditsTest, NothingIsInheritedWhenToldSo) {
  Planned planned = PlanOf(
      *root_,
      "[[resource]]\nname = \"a.com/x\"\n[resource.container]\ninherit = false\nenv = { A = \"b\" }\n");
  ContainerEdits edits = Edits(planned, {"0000:31:00.0"});
  EXPECT_THAT(edits.devices, IsEmpty());
  EXPECT_THAT(edits.mounts, IsEmpty());
}

TEST_F(EditsTest, RefusalsNameUnitAndReason) {
  std::string function = root_->Resolve("sys/bus/pci/devices/0000:31:00.0").value();
  root_->AddFile(function + "/config", std::string(64, '\xff'));
  Planned planned = PlanOf(*root_);
  const Resource& resource = planned.plan.resources.at(0);
  absl::Status sick = MakeEdits(planned.plan, resource, {"0000:31:00.0"}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(sick));
  EXPECT_THAT(MessageOf(sick),
              HasSubstr("device 0000:31:00.0 of tenstorrent.com/n300 is not healthy: on the bus"));
  EXPECT_TRUE(absl::IsNotFound(MakeEdits(planned.plan, resource, {"0000:99:00.0"}).status()));
  Planned no_value =
      PlanOf(*root_, "[[resource]]\nname = \"a.com/x\"\n[resource.container]\nenv = { A = \"{tray}\" }\n");
  absl::Status missing = MakeEdits(no_value.plan, no_value.plan.resources[0], {"0000:4b:00.0"}).status();
  EXPECT_THAT(MessageOf(missing), HasSubstr("unit 0000:4b:00.0: \"{tray}\": '{tray}' has no value"));
}

TEST_F(EditsTest, AskedTwiceIsGivenOnce) {
  ContainerEdits edits = Edits(PlanOf(*root_), {"0000:31:00.0", "0000:31:00.0"});
  EXPECT_THAT(edits.devices, ElementsAre("/dev/tenstorrent/0"));
}

constexpr const char* kLists = R"toml([[resource]]
name = "a.com/share"
unit = "share"
shares = 4
[resource.container.env]
ONCE = "{card_type}"
CARDS = { value = "{card_type}", per = "card" }
DEVICES = { value = "{chips}", per = "device" }
CHIPS = "{sum.chips}"
PERCENT = "{sum.share.percent}"
)toml";

TEST_F(EditsTest, ListsAndSums) {
  Planned planned = PlanOf(*root_, kLists);
  auto env = Edits(planned, {"0000:31:00.0::0", "0000:31:00.0::2", "0000:b1:00.0::1"}).env;
  EXPECT_EQ(env["ONCE"], "n300");
  EXPECT_EQ(env["CARDS"], "n300,n300");
  EXPECT_EQ(env["DEVICES"], "2,2,2");
  EXPECT_EQ(env["CHIPS"], "4") << "each card once";
  EXPECT_EQ(env["PERCENT"], "75") << "two quarters of one and one of the other";
}

TEST_F(EditsTest, ASumWithoutANumberHasNoValue) {
  Planned planned =
      PlanOf(*root_, "[[resource]]\nname = \"a.com/x\"\n[resource.container.env]\nA = \"{sum.card_type}\"");
  absl::StatusOr<ContainerEdits> edits =
      MakeEdits(planned.plan, planned.plan.resources.at(0), {"0000:31:00.0"});
  EXPECT_THAT(MessageOf(edits.status()), HasSubstr("sum.card_type"));
}

TEST_F(EditsTest, TemplatesWithoutAValueAreFoundBeforeAPodComes) {
  for (const char* card : {"0", "1"})
    root_->Remove(root_->Resolve(std::string("sys/class/tenstorrent/tenstorrent!") + card).value() +
                  "/tt_asic_id");
  Planned planned = PlanOf(*root_,
                           "[[resource]]\nname = \"a.com/x\"\n[resource.container]\n"
                           "env = { A = \"{asic_id}\", B = \"{id}\" }\n"
                           "mounts = [{ host = \"/x/{asic_id}\" }]");
  std::vector<Diagnostic> found = FindUnanswered(planned.plan, planned.plan.resources.at(0));
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(ToString(found[0]),
            "cleave.toml:4:13: \"{asic_id}\" has no value for 0000:31:00.0 and 1 more of a.com/x: "
            "a pod that gets it would be refused");
  EXPECT_EQ(ToString(found[1].pos), "cleave.toml:5:20");
}

}  // namespace
}  // namespace cleave
