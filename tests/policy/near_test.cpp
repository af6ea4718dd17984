// SPDX-License-Identifier: Apache-2.0
// near = ["infiniband"]: the captured machines with network cards, and one with such a card below a switch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "policy/choose.h"
#include "policy/plan.h"
#include "tests/policy/planning.h"
#include "topology/render.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LoadMachine;
using ::testing::Not;
using testing::Planned;
using testing::PlanOf;

std::string Profile(const std::string& class_code) {
  return "schema = 1\nname = \"x\"\nsummary = \"x\"\n[entries]\npci = { class = \"" + class_code +
         "\" }\nid = \"{pci.address}\"\n";
}

std::string Offer(const std::string& near) {
  return "profiles = [\"x\"]\n[[resource]]\nname = \"a.com/x\"\nnear = [\"" + near + "\"]\n";
}

const Resource& Offered(const Planned& planned) {
  EXPECT_TRUE(planned.diagnostics.ok()) << planned.diagnostics.Text();
  const Resource* found = planned.plan.Find("a.com/x");
  EXPECT_NE(found, nullptr);
  static const Resource kNone;
  return found == nullptr ? kNone : *found;
}

std::vector<size_t> Best(const Resource& resource, size_t size) {
  ChoiceRequest request;
  request.size = size;
  for (size_t i = 0; i < resource.units.size(); ++i) request.available.push_back(i);
  request.healthy = request.available;
  return Choose(Preference::kClosest, *resource.topology, request).units;
}

// Eight GPUs; the only card with RDMA is on the second NUMA node, where the first GPU is number 4.
TEST(Near, TheNumaNodeOfTheNetworkCard) {
  auto root = LoadMachine("g4dn-metal");
  std::vector<std::pair<std::string, std::string>> profiles = {{"x.toml", Profile("0x0302*")}};
  Planned near = PlanOf(*root, Offer("infiniband"), "node-a", profiles);
  EXPECT_THAT(Best(Offered(near), 1), ElementsAre(4));
  EXPECT_THAT(Best(Offered(near), 2), ElementsAre(4, 5));
  Planned plain = PlanOf(*root, "profiles = [\"x\"]\n[[resource]]\nname = \"a.com/x\"\n", "node-a", profiles);
  EXPECT_THAT(Best(Offered(plain), 1), ElementsAre(0));
  std::string matrix = RenderMatrix(*near.plan.inventory, *near.plan.graph);
  EXPECT_THAT(matrix, HasSubstr("N0    network card 0000:c5:00.0 rdmap197s0"));
  EXPECT_THAT(
      TopologyJson(*near.plan.inventory, *near.plan.graph),
      HasSubstr(
          R"({"address":"0000:c5:00.0","rdma":["rdmap197s0"],"numa_nodes":[1],"relation":["cross_numa",)"
          R"("cross_numa","cross_numa","cross_numa","same_numa","same_numa","same_numa","same_numa"]})"));
  EXPECT_THAT(RenderMatrix(*near.plan.inventory, *near.plan.graph, {}), Not(HasSubstr("network card")));
}

// Four accelerators, two on each switch; the second switch has the network card, which a pod has the
// interface of.
class NearASwitch : public ::testing::Test {
 protected:
  NearASwitch() {
    Function("0000:10:00.0", "0000:11:00.0", "0x120000");
    Function("0000:10:00.0", "0000:12:00.0", "0x120000");
    Function("0000:20:00.0", "0000:21:00.0", "0x120000");
    Function("0000:20:00.0", "0000:22:00.0", "0x120000");
    Function("0000:20:00.0", "0000:23:00.0", "0x020000");
  }
  void Function(const std::string& bridge, const std::string& address, const std::string& class_code) {
    std::string folder = "sys/devices/pci0000:00/0000:00:01.0/" + bridge + "/" + address;
    root_.AddFile(folder + "/class", class_code + "\n");
    root_.AddFile(folder + "/vendor", "0x1234\n");
    root_.AddFile(folder + "/device", "0x5678\n");
    root_.AddLink("sys/bus/pci/devices/" + address, "../../../" + folder.substr(4));
  }
  MemoryRoot root_;
  std::vector<std::pair<std::string, std::string>> profiles_ = {{"x.toml", Profile("0x1200*")}};
};

TEST_F(NearASwitch, AnyNetworkCard) {
  Planned planned = PlanOf(root_, Offer("net"), "node-a", profiles_);
  EXPECT_THAT(Offered(planned).topology->near, ElementsAre(40, 40, 50, 50)) << "root port, switch";
  EXPECT_THAT(Best(Offered(planned), 1), ElementsAre(2));
  EXPECT_THAT(Best(Offered(planned), 2), ElementsAre(2, 3));
  EXPECT_THAT(Best(Offered(planned), 3), ElementsAre(0, 2, 3));
}

TEST_F(NearASwitch, OneWithoutRdmaDoesNotCount) {
  Planned planned = PlanOf(root_, Offer("infiniband"), "node-a", profiles_);
  EXPECT_THAT(Best(Offered(planned), 1), ElementsAre(0));
  root_.AddFile("sys/devices/pci0000:00/0000:00:01.0/0000:20:00.0/0000:23:00.0/infiniband/mlx5_0/node_type",
                "1: CA\n");
  EXPECT_THAT(Best(Offered(PlanOf(root_, Offer("infiniband"), "node-a", profiles_)), 1), ElementsAre(2));
}

TEST(NearKeys, WhatItIsFor) {
  auto errors = [](const std::string& keys) {
    Diagnostics diagnostics;
    ParseConfig("[[resource]]\nname = \"a.com/x\"\n" + keys, "c.toml", diagnostics);
    return diagnostics.Text();
  };
  EXPECT_THAT(errors("near = \"net\"\n"), IsEmpty());
  EXPECT_THAT(errors("near = \"ethernet\"\n"), HasSubstr("c.toml:3:1: 'near' in [[resource]] must be"));
  EXPECT_THAT(errors("near = \"net\"\nprefer = \"balanced\"\n"), HasSubstr("with prefer = \"closest\""));
  EXPECT_THAT(errors("near = \"net\"\nunit = \"share\"\nshares = 2\n"),
              HasSubstr("'near' in [[resource]] is for"));
}

}  // namespace
}  // namespace cleave
