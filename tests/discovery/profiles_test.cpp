// SPDX-License-Identifier: Apache-2.0
// Shipped profiles on machines that no archive shows: made here, or an archive that is changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/discovery/scan.h"

namespace cleave {
namespace {

using testing::Attribute;
using ::testing::ElementsAre;
using testing::FindById;
using ::testing::HasSubstr;
using testing::Ids;
using ::testing::IsEmpty;
using testing::LiveMachine;
using testing::LoadMachine;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Nodes(const Card& card) {
  std::vector<std::string> paths;
  for (const auto& [role, path] : card.nodes) paths.push_back(path);
  return paths;
}

std::string WhyNot(const Inventory& inventory, const std::string& address) {
  for (const NotACard& other : inventory.not_cards) {
    if (other.address == address) return other.reason;
  }
  return "";
}

// Where the link of a function leads: files are added there, since a path through the link would replace it.
std::string FunctionDir(const MemoryRoot& root, const std::string& address) {
  return root.Resolve("sys/bus/pci/devices/" + address).value_or("nowhere");
}

std::unique_ptr<MemoryRoot> Empty() {
  auto root = std::make_unique<MemoryRoot>();
  root->AddDirectory("sys/bus/pci/devices");
  root->AddDirectory("dev");
  return root;
}

// A function on the root bus, with an IOMMU group.
void AddFunction(MemoryRoot& root, const std::string& address, const std::string& ids,
                 const std::string& driver, const std::string& group) {
  std::string path = "sys/devices/pci0000:00/" + address;
  root.AddFile(path + "/vendor", "0x" + ids.substr(0, 4) + "\n");
  root.AddFile(path + "/device", "0x" + ids.substr(5) + "\n");
  root.AddFile(path + "/class", "0x020000\n");
  root.AddDirectory("sys/bus/pci/drivers/" + driver);
  root.AddLink(path + "/driver", "../../../bus/pci/drivers/" + driver);
  root.AddLink(path + "/iommu_group", "../../../kernel/iommu_groups/" + group);
  root.AddLink("sys/kernel/iommu_groups/" + group + "/devices/" + address,
               "../../../../../" + path.substr(4));
  root.AddLink("sys/bus/pci/devices/" + address, "../../../" + path.substr(4));
  root.AddFile("dev/vfio/" + group, "");
}

TEST(Vfio, AGroupIsGivenAwayAsAWholeOrNotAtAll) {
  auto root = Empty();
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
  auto root = Empty();
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

TEST(Amd, WithoutKfdFirstPartitionsRemain) {
  auto root = LoadMachine("vendors/amd-mi300x-cpx32");
  for (const std::string& path : root->Glob("sys/devices/virtual/kfd/kfd/topology/nodes/*/properties")) {
    absl::StatusOr<std::string> text = root->ReadText(path);
    if (text.ok() && text->find("simd_count 0") == std::string::npos)
      root->AddFailingFile(path, absl::PermissionDeniedError("Operation not permitted"));
  }
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), ElementsAre("0000:05:00.0", "0000:26:00.0", "0000:85:00.0", "0000:a6:00.0"));
  EXPECT_THAT(WhyNot(inventory, "renderD129"), HasSubstr("KFD cannot be read"));
  bool said = false;
  for (const Oddity& oddity : inventory.oddities)
    said = said || oddity.text.find("not permitted") != std::string::npos;
  EXPECT_TRUE(said);
}

TEST(Amd, SlotsThatAreNotInUseAndBothSpellings) {
  auto root = LoadMachine("vendors/amd-mi300x-cpx32");
  // As after a change from eight partitions to one: the slots stay, their KFD nodes go.
  for (const std::string& path : root->Glob("sys/devices/virtual/kfd/kfd/topology/nodes/*/properties")) {
    absl::StatusOr<std::string> text = root->ReadText(path);
    if (text.ok() && text->find("\ndrm_render_minor 129\n") != std::string::npos) root->Remove(path);
  }
  std::string old_name = "sys/devices/platform/amdgpu_xcp.1";
  root->AddFile(old_name + "/drm/card3/dev", "226:3\n");
  root->AddFile(old_name + "/drm/renderD130/dev", "226:130\n");
  root->AddLink(old_name + "/drm/renderD130/device", "../..");
  root->AddLink("sys/class/drm/renderD130", "../../devices/platform/amdgpu_xcp.1/drm/renderD130");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(inventory.cards, SizeIs(31));
  EXPECT_THAT(WhyNot(inventory, "renderD129"), HasSubstr("not in use"));
  ASSERT_NE(FindById(inventory, "amdgpu_xcp.1"), nullptr);
  EXPECT_EQ(FindById(inventory, "amdgpu_xcp.1")->address, "0000:05:00.0");
  EXPECT_THAT(Nodes(*FindById(inventory, "amdgpu_xcp.1")),
              ElementsAre("/dev/dri/card3", "/dev/dri/renderD130", "/dev/kfd"));
  EXPECT_EQ(FindById(inventory, "amdgpu_xcp.1")->pieces, 7);
}

TEST(Nvidia, AnUnnamedInstanceSaysWhichLineIsMissing) {
  LiveMachine certain(LoadMachine("vendors/nvidia-hgx8-mig"),
                      testing::GoodSettings("[profile.nvidia]\nmig_names = \"certain\""));
  Inventory inventory = certain.Scan();
  EXPECT_EQ(FindById(inventory, "0000:91:00.0/gi2/ci0"), nullptr);
  bool said = false;
  for (const NotACard& other : inventory.not_cards)
    said = said || other.reason ==
                       "no MIG profile is known for 1/2 of a NVIDIA H100 80GB HBM3: add it under "
                       "[profile.nvidia.tables.mig]";
  EXPECT_TRUE(said);
  LiveMachine told(
      LoadMachine("vendors/nvidia-hgx8-mig"),
      testing::GoodSettings("[profile.nvidia.tables.mig]\n\"NVIDIA H100 80GB HBM3 1/2\" = \"4g.40gb\""));
  EXPECT_EQ(Attribute(*FindById(told.Scan(), "0000:91:00.0/gi2/ci0"), "profile-name"), "4g.40gb");
}

TEST(Nvidia, ACardWithoutUuidIsSickAndAnInstanceThatGoesIsGone) {
  LiveMachine machine(LoadMachine("vendors/nvidia-hgx8-mig"));
  EXPECT_THAT(machine.Scan().cards, SizeIs(17));
  machine.root().AddFile("proc/driver/nvidia/gpus/0000:18:00.0/information",
                         "Model: \t x\nDevice Minor: \t 0\n");
  machine.root().Remove("proc/driver/nvidia/capabilities/gpu2/mig/gi7");
  machine.Scan();
  Inventory inventory = machine.Scan();
  EXPECT_EQ(FindById(inventory, "0000:18:00.0")->health, Health::kUnhealthy);
  EXPECT_FALSE(FindById(inventory, "0000:3a:00.0/gi7/ci0")->present);
}

TEST(Biren, OtherInstancesThanBefore) {
  LiveMachine machine(LoadMachine("vendors/biren-runc-svi"));
  EXPECT_EQ(FindById(machine.Scan(), "card_3")->pieces, 4);
  for (const char* card : {"card_5", "card_6"}) machine.root().Remove(std::string("sys/class/biren/") + card);
  // A driver that is loaded again shows its entries one after the other: not yet halves.
  Inventory inventory = machine.Scan();
  EXPECT_EQ(FindById(inventory, "card_3")->pieces, 4);
  inventory = machine.Scan(std::chrono::seconds(6));
  EXPECT_EQ(FindById(inventory, "card_3")->pieces, 2);
  EXPECT_EQ(FindById(inventory, "card_4")->piece, 1);
  EXPECT_FALSE(FindById(inventory, "card_5")->present);
  EXPECT_EQ(FindById(inventory, "card_5")->pieces, 4);  // so it stays in its resource while a pod may hold it
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

TEST(Fpga, TwoPortsOfOneManagerAndAPortInReset) {
  auto root = LoadMachine("vendors/fpga-dfl-2s");
  std::string region = "sys/devices/pci0000:1c/0000:1c:00.0/0000:1d:00.0/fpga_region/region0";
  root->AddFile(region + "/dfl-port.2/afu_id", "00000000000000000000000000000001\n");
  root->AddFile("dev/dfl-port.2", "");
  root->AddFile(region + "/dfl-fme.0/dfl-fme-region.9/fpga_region/region9/compat_id",
                "a5d72a3cc8b04939912cf715e5dc10ca\n");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), UnorderedElementsAre("dfl-port.0", "dfl-port.1", "dfl-port.2"));
  EXPECT_EQ(Attribute(*FindById(inventory, "dfl-port.2"), "fme"), "dfl-fme.0");
  std::string before = Attribute(*FindById(inventory, "dfl-port.0"), "packed");
  machine.root().AddFailingFile(region + "/dfl-port.0/afu_id",
                                absl::UnavailableError("Device or resource busy"));
  inventory = machine.Scan();
  EXPECT_EQ(Attribute(*FindById(inventory, "dfl-port.0"), "packed"), before);
}

TEST(Gaudi, ControlNodesStatusAndTheOldClass) {
  auto root = LoadMachine("vendors/gaudi2-8");
  root->AddFile(FunctionDir(*root, "0000:33:00.0") + "/status", "Disabled\n");
  root->AddFile(FunctionDir(*root, "0000:34:00.0") + "/status", "In reset\n");
  root->Remove("sys/class/infiniband_verbs/uverbs3");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(inventory.cards, SizeIs(8));
  EXPECT_EQ(FindById(inventory, "0000:33:00.0")->health, Health::kUnhealthy);
  EXPECT_EQ(FindById(inventory, "0000:34:00.0")->health, Health::kHealthy);
}

TEST(Furiosa, AllNodesOfACardAndNotThoseOfTheTenth) {
  auto root = Empty();
  AddFunction(*root, "0000:00:01.0", "1ed2:0001", "furiosa_rngd", "1");
  root->AddFile("sys/class/rngd_mgmt/rngd!npu1mgmt/busname", "0000:00:01.0\n");
  for (const char* node : {"npu1mgmt", "npu1pe0", "npu1pe0-1", "npu10pe0", "npu1bar0"})
    root->AddFile(std::string("dev/rngd/") + node, "");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  ASSERT_THAT(Ids(inventory), ElementsAre("0000:00:01.0"));
  EXPECT_THAT(Nodes(inventory.cards[0]), UnorderedElementsAre("/dev/rngd/npu1mgmt", "/dev/rngd/npu1pe0",
                                                              "/dev/rngd/npu1pe0-1", "/dev/rngd/npu1bar0"));
}

TEST(Rockchip, ByDriverNotByNumber) {
  auto root = Empty();
  root->AddFile("sys/devices/platform/fdab0000.npu/accel/accel3/dev", "261:3\n");
  root->AddLink("sys/bus/platform/drivers/rocket/fdab0000.npu", "../../../../devices/platform/fdab0000.npu");
  root->AddFile("dev/accel/accel3", "");
  root->AddFile("sys/devices/platform/fb000000.gpu/drm/renderD128/dev", "226:128\n");
  root->AddLink("sys/bus/platform/drivers/panthor/fb000000.gpu", "../../../../devices/platform/fb000000.gpu");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  ASSERT_THAT(Ids(inventory), ElementsAre("fdab0000.npu"));
  EXPECT_THAT(Nodes(inventory.cards[0]), ElementsAre("/dev/accel/accel3"));
  EXPECT_EQ(inventory.cards[0].address, "");
}

TEST(BCom, SlotsOnlyWhereAmazonsFunctionIsOrWhenAsked) {
  auto scan = [](const std::string& config, const std::string& modalias) {
    auto root = Empty();
    AddFunction(*root, "0000:00:1d.0", "1d0f:1042", "none", "7");
    root->AddFile(FunctionDir(*root, "0000:00:1d.0") + "/modalias", modalias);
    LiveMachine machine(std::move(root), testing::GoodSettings("profiles = [\"b-com\"]\n" + config));
    return machine.Scan();
  };
  EXPECT_THAT(scan("", "pci:v00001D0Fd00001042sv0").cards, SizeIs(40));
  EXPECT_THAT(scan("[profile.b-com]\nslots = \"3\"", "pci:v00001D0Fd0000F010sv0").cards, SizeIs(3));
  EXPECT_THAT(scan("", "pci:v00008086d00001533sv0").cards, IsEmpty());
  EXPECT_THAT(scan("[profile.b-com]\naws = \"always\"", "pci:v00008086d00001533sv0").cards, SizeIs(40));
  EXPECT_THAT(scan("[profile.b-com]\naws = \"never\"", "pci:v00001D0Fd00001042sv0").cards, IsEmpty());
}

TEST(KetiNpu, ByIdentityAndSimulated) {
  auto root = Empty();
  for (const char* node : {"npu2", "npu5", "npu_ctl"}) root->AddFile(std::string("dev/") + node, "");
  LiveMachine machine(
      std::move(root),
      testing::GoodSettings("profiles = [\"keti-npu\"]\n[profile.keti-npu]\nsimulated = \"1\""));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), UnorderedElementsAre("npu-2", "npu-5", "npu-simulated-0"));
  EXPECT_THAT(Nodes(*FindById(inventory, "npu-5")), ElementsAre("/dev/npu5"));
}

TEST(KetiNpu, AWarboyIsNotOfferedTwice) {
  auto root = Empty();
  AddFunction(*root, "0000:00:01.0", "1ed2:0000", "npu_drv", "1");
  root->AddFile("sys/devices/pci0000:00/0000:00:01.0/numa_node", "1\n");
  root->AddFile("sys/class/npu_mgmt/npu0_mgmt/busname", "0000:00:01.0\n");
  for (const char* node : {"npu0", "npu0pe0", "npu1"}) root->AddFile(std::string("dev/") + node, "");
  LiveMachine machine(std::move(root), testing::GoodSettings("profiles = [\"furiosa\", \"keti-npu\"]"));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), UnorderedElementsAre("0000:00:01.0", "npu-0", "npu-1"));
  EXPECT_EQ(FindById(inventory, "npu-0")->address, "0000:00:01.0");
  EXPECT_EQ(FindById(inventory, "npu-1")->address, "") << "not a Warboy";
}

// During a reset old drivers answer with the number of an error.
TEST(Tenstorrent, ACardTypeIsAWord) {
  LiveMachine machine(LoadMachine("tt-1numa"));
  const std::string file =
      "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/tenstorrent/tenstorrent!0/tt_card_type";
  const std::string before = Attribute(*FindById(machine.Scan(), "0000:01:00.0"), "card_type");
  machine.root().AddFile(file, "4294967295\n");
  EXPECT_EQ(Attribute(*FindById(machine.Scan(), "0000:01:00.0"), "card_type"), before) << "it passes";
  LiveMachine fresh(LoadMachine("tt-1numa"));
  fresh.root().AddFile(file, "4294967295\n");
  EXPECT_EQ(Attribute(*FindById(fresh.Scan(), "0000:01:00.0"), "card_type"), "(none)");
  EXPECT_TRUE(FindById(fresh.Scan(), "0000:01:00.0")->waiting);
  fresh.root().AddFile(file, "tt-galaxy-wh\n");
  EXPECT_EQ(Attribute(*FindById(fresh.Scan(), "0000:01:00.0"), "card_type"), "galaxy-wormhole");
}

TEST(Vpu, NothingWithoutTheDaemon) {
  LiveMachine machine(LoadMachine("vendors/hddl-usb-2s"));
  EXPECT_THAT(machine.Scan().cards, SizeIs(16));
  machine.root().Remove("var/tmp/hddl_service.sock");
  Inventory inventory = machine.Scan();
  for (const Card& card : inventory.cards) EXPECT_FALSE(card.present);
  EXPECT_EQ(WhyNot(inventory, "hddl"), "/var/tmp/hddl_service.sock is not there");
  EXPECT_THAT(inventory.cards.at(0).reason, HasSubstr("is not there"));
  machine.root().AddFile("var/tmp/hddl_service.sock", "");
  machine.root().Remove("dev/ion");
  for (const Card& card : machine.Scan().cards) EXPECT_EQ(card.health, Health::kUnhealthy);
}

}  // namespace
}  // namespace cleave
