// SPDX-License-Identifier: Apache-2.0
// Profiles that give PCI functions to guests: IOMMU groups, and physical functions beside their virtual ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/discovery/scan.h"

namespace cleave {
namespace {

using testing::AddFunction;
using testing::Attribute;
using ::testing::ElementsAre;
using testing::EmptyMachine;
using testing::FindById;
using testing::FunctionDir;
using ::testing::HasSubstr;
using testing::Ids;
using testing::LiveMachine;
using testing::LoadMachine;
using testing::Nodes;
using ::testing::SizeIs;
using testing::WhyNot;

TEST(Vfio, AGroupIsGivenAwayAsAWholeOrNotAtAll) {
  auto root = EmptyMachine();
  root->AddFile("dev/vfio/vfio", "");
  AddFunction(*root, "0000:00:01.0", "10ee:5000", "vfio-pci", "1");
  AddFunction(*root, "0000:00:02.0", "10ee:5000", "vfio-pci", "2");
  AddFunction(*root, "0000:00:02.1", "10ee:5001", "vfio-pci", "2");
  AddFunction(*root, "0000:00:03.0", "10ee:5000", "vfio-pci", "3");
  AddFunction(*root, "0000:00:03.1", "8086:1533", "igb", "3");
  LiveMachine machine(std::move(root), testing::GoodSettings("profiles = [\"vfio\"]"));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), ElementsAre("0000:00:01.0"));
  EXPECT_THAT(Nodes(inventory.cards[0]), ElementsAre("/dev/vfio/1", "/dev/vfio/vfio"));
  EXPECT_THAT(WhyNot(inventory, "0000:00:02.0"), HasSubstr("group 2 holds other functions"));
  EXPECT_THAT(WhyNot(inventory, "0000:00:03.0"), HasSubstr("belong to a driver of the host"));

  auto again = std::make_unique<MemoryRoot>();
  AddFunction(*again, "0000:00:02.0", "10ee:5000", "vfio-pci", "2");
  AddFunction(*again, "0000:00:02.1", "10ee:5001", "vfio-pci", "2");
  again->AddFile("dev/vfio/vfio", "");
  LiveMachine whole(std::move(again),
                    testing::GoodSettings("profiles = [\"vfio\"]\n[profile.vfio]\ngroups = \"whole\""));
  EXPECT_THAT(Ids(whole.Scan()), ElementsAre("0000:00:02.0", "0000:00:02.1"));
}

TEST(Vfio, WithoutAnIommuTheNodeHasAnotherName) {
  auto root = EmptyMachine();
  AddFunction(*root, "0000:00:01.0", "10ee:5000", "vfio-pci", "1");
  root->AddFile("sys/kernel/iommu_groups/1/name", "vfio-noiommu\n");
  root->AddFile("dev/vfio/noiommu-1", "");
  root->AddFile("dev/vfio/vfio", "");
  LiveMachine machine(std::move(root), testing::GoodSettings("profiles = [\"vfio\"]"));
  EXPECT_THAT(Nodes(machine.Scan().cards.at(0)), ElementsAre("/dev/vfio/noiommu-1", "/dev/vfio/vfio"));
}

TEST(Qat, TwoFunctionsOfOneGroupAreRefused) {
  auto root = LoadMachine("vendors/qat-4xxx-2s");
  root->AddLink("sys/kernel/iommu_groups/400/devices/0000:6b:00.2",
                "../../../../bus/pci/devices/0000:6b:00.2");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_EQ(FindById(inventory, "0000:6b:00.1"), nullptr);
  EXPECT_THAT(WhyNot(inventory, "0000:6b:00.1"), HasSubstr("cannot be given away alone"));
}

TEST(Qat, OrderOfServicesHasNoMeaningAndTheHeartbeatIsThatOfTheirDevice) {
  auto root = LoadMachine("vendors/qat-4xxx-2s");
  std::string physical = FunctionDir(*root, "0000:6b:00.0") + "/qat/";
  root->AddFile(physical + "cfg_services", "sym;dc\n");
  LiveMachine machine(std::move(root));
  EXPECT_EQ(Attribute(*FindById(machine.Scan(), "0000:6b:00.1"), "services"), "dc-sym");
  // Down: what debugfs says is what will count.
  machine.root().AddFile(physical + "state", "down\n");
  machine.root().AddFile("sys/kernel/debug/qat_4xxx_0000:6b:00.0/dev_cfg",
                         "[GENERAL]\nServicesEnabled = asym;sym\n");
  EXPECT_EQ(Attribute(*FindById(machine.Scan(), "0000:6b:00.1"), "services"), "cy");
  machine.root().AddFile("sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status", std::string("-1\n\0", 4));
  Inventory inventory = machine.Scan();
  inventory = machine.Scan();
  EXPECT_EQ(FindById(inventory, "0000:6b:00.1")->health, Health::kUnhealthy);
  EXPECT_EQ(FindById(inventory, "0000:e8:00.1")->health, Health::kHealthy);
}

// vfio-pci makes virtual functions of what it holds: whoever has the physical one has them too.
TEST(VirtualFunctions, APhysicalOneIsNotOfferedBesideThem) {
  for (const auto& [profile, ids] : {std::pair("vfio", "8086:4941"), std::pair("biren", "1ee0:0001")}) {
    auto root = EmptyMachine();
    root->AddFile("dev/vfio/vfio", "");
    AddFunction(*root, "0000:00:01.0", ids, "vfio-pci", "1");
    for (const char* number : {"1", "2"}) {
      std::string address = std::string("0000:00:01.") + number;
      AddFunction(*root, address, ids, "vfio-pci", std::string("1") + number);
      root->AddLink("sys/devices/pci0000:00/" + address + "/physfn", "../0000:00:01.0");
    }
    const std::string numvfs = "sys/devices/pci0000:00/0000:00:01.0/sriov_numvfs";
    root->AddFile(numvfs, "2\n");
    LiveMachine machine(std::move(root),
                        testing::GoodSettings("profiles = [\"" + std::string(profile) + "\"]"));
    Inventory inventory = machine.Scan();
    EXPECT_THAT(Ids(inventory), ElementsAre("0000:00:01.1", "0000:00:01.2")) << profile;
    EXPECT_THAT(WhyNot(inventory, "0000:00:01.0"), HasSubstr("it has 2 virtual functions")) << profile;
    // Without them it is a whole card.
    for (const char* gone : {"0000:00:01.1", "0000:00:01.2"})
      machine.root().Remove(std::string("sys/bus/pci/devices/") + gone);
    machine.root().AddFile(numvfs, "0\n");
    inventory = machine.Scan();
    ASSERT_NE(FindById(inventory, "0000:00:01.0"), nullptr) << profile;
    EXPECT_TRUE(FindById(inventory, "0000:00:01.0")->present) << profile;
  }
}

TEST(VirtualFunctions, ACardForContainersIsNotOfferedBesideThem) {
  auto root = LoadMachine("vendors/biren-runc-svi");
  root->AddFile(FunctionDir(*root, "0000:23:00.0") + "/sriov_numvfs", "4\n");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_EQ(FindById(inventory, "card_0"), nullptr);
  EXPECT_THAT(WhyNot(inventory, "0000:23:00.0"), HasSubstr("it has 4 virtual functions"));
  EXPECT_NE(FindById(inventory, "card_7"), nullptr);
}

TEST(Biren, NoVirtualFunctionsIsNoCrash) {
  auto root = LoadMachine("vendors/biren-sriov-vfio");
  root->AddFile(FunctionDir(*root, "0000:23:00.0") + "/sriov_numvfs", "0\n");
  for (const char* gone : {"0000:23:00.1", "0000:23:00.2"})
    root->Remove(std::string("sys/bus/pci/devices/") + gone);
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(inventory.cards, SizeIs(6));
  EXPECT_EQ(WhyNot(inventory, "0000:23:00.0"), "it is bound to BEV_HYPER_DRIVER");
}

}  // namespace
}  // namespace cleave
