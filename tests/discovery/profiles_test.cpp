// SPDX-License-Identifier: Apache-2.0
// Shipped profiles on machines that no archive shows: made here, or an archive that is changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
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
using ::testing::IsEmpty;
using testing::LiveMachine;
using testing::LoadMachine;
using testing::Nodes;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using testing::WhyNot;

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

// What docs/vendors/amd.md warns of: a pod that may open some of the render nodes only.
TEST(Amd, WithSomeOfKfdOnlyItsCardsRemain) {
  auto root = LoadMachine("vendors/amd-mi300x-cpx32");
  for (const std::string& path : root->Glob("sys/devices/virtual/kfd/kfd/topology/nodes/*/properties")) {
    absl::StatusOr<std::string> text = root->ReadText(path);
    if (text.ok() && text->find("simd_count 0") == std::string::npos &&
        text->find("\ndrm_render_minor 128\n") == std::string::npos)
      root->AddFailingFile(path, absl::PermissionDeniedError("Operation not permitted"));
  }
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), ElementsAre("0000:05:00.0"));
  EXPECT_EQ(WhyNot(inventory, "0000:26:00.0"), "KFD has no node for it that can be read here");
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

TEST(Nvidia, AnExcludedGpuIsNotOfferedByKetiEither) {
  for (const char* profile : {"nvidia", "keti-gpu"}) {
    auto root = LoadMachine("vendors/nvidia-hgx8-mig");
    const std::string file = "proc/driver/nvidia/gpus/0000:18:00.0/information";
    std::string text = root->ReadText(file).value();
    const std::string is_not = "GPU Excluded:\t No";
    ASSERT_THAT(text, HasSubstr(is_not));
    root->AddFile(file, text.replace(text.find(is_not), is_not.size(), "GPU Excluded:\t Yes"));
    LiveMachine machine(std::move(root),
                        testing::GoodSettings("profiles = [\"" + std::string(profile) + "\"]"));
    Inventory inventory = machine.Scan();
    EXPECT_EQ(FindById(inventory, "0000:18:00.0"), nullptr) << profile;
    EXPECT_EQ(WhyNot(inventory, "0000:18:00.0"), "the driver excludes it (NVreg_ExcludedGpus)") << profile;
  }
}

TEST(Generic, OnlyWhatCanBeANode) {
  auto root = EmptyMachine();
  root->AddFile("dev/video0", "");  // as captured
  root->AddDevice("dev/null", {.kind = FileKind::kCharDevice, .major = 1, .minor = 3});
  root->AddDevice("dev/sda", {.kind = FileKind::kBlockDevice, .major = 8, .minor = 0});
  root->AddDevice("dev/log", {.kind = FileKind::kOther});
  root->AddDirectory("dev/shm");
  root->AddDirectory("proc/self/fd");
  root->AddLink("dev/fd", "/proc/self/fd");
  root->AddLink("dev/cdrom", "sda");
  LiveMachine machine(std::move(root), testing::GoodSettings(
                                           "profiles = [\"generic\"]\n[profile.generic]\npath = \"/dev/*\""));
  EXPECT_THAT(Ids(machine.Scan()), UnorderedElementsAre("video0", "null", "sda", "cdrom"));
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
  EXPECT_EQ(FindById(inventory, "0000:34:00.0")->health, Health::kUnhealthy);
}

// A card in reset cannot be opened: withdrawn at the first look, given again when two find it in operation.
TEST(Gaudi, ACardInResetIsWithdrawnAtOnce) {
  LiveMachine machine(LoadMachine("vendors/gaudi2-8"));
  const std::string status = FunctionDir(machine.root(), "0000:33:00.0") + "/status";
  auto health = [&](const std::string& text) {
    machine.root().AddFile(status, text + "\n");
    return FindById(machine.Scan(), "0000:33:00.0")->health;
  };
  EXPECT_EQ(health("Operational"), Health::kHealthy);
  for (const char* busy : {"In reset", "In reset after device release", "In device creation"}) {
    EXPECT_EQ(health(busy), Health::kUnhealthy) << busy;
    EXPECT_EQ(health("Operational"), Health::kUnhealthy);
    EXPECT_EQ(health("Operational"), Health::kHealthy);
  }
}

TEST(Furiosa, AllNodesOfACardAndNotThoseOfTheTenth) {
  auto root = EmptyMachine();
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

// rocket_drv.c: one node for all cores, of a device that no driver is bound to.
TEST(Rockchip, RocketHasOneNodeForAllCores) {
  auto root = EmptyMachine();
  for (const char* core : {"fdab0000.npu", "fdac0000.npu", "fdad0000.npu"}) {
    root->AddFile(std::string("sys/devices/platform/") + core + "/uevent", "DRIVER=rocket\n");
    root->AddLink(std::string("sys/bus/platform/drivers/rocket/") + core,
                  std::string("../../../../devices/platform/") + core);
  }
  root->AddFile("sys/bus/platform/drivers/rocket/bind", "");
  root->AddFile("sys/devices/platform/rknn/accel/accel3/dev", "261:3\n");
  root->AddFile("dev/accel/accel3", "");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  ASSERT_THAT(Ids(inventory), ElementsAre("rknn"));
  EXPECT_THAT(Nodes(inventory.cards[0]), ElementsAre("/dev/accel/accel3"));
  EXPECT_EQ(Attribute(inventory.cards[0], "cores"), "3");
  EXPECT_EQ(inventory.cards[0].address, "");
}

TEST(Rockchip, RknpuByDriverNotByNumber) {
  auto root = EmptyMachine();
  root->AddFile("sys/devices/platform/fdab0000.npu/drm/renderD129/dev", "226:129\n");
  root->AddLink("sys/bus/platform/drivers/RKNPU/fdab0000.npu", "../../../../devices/platform/fdab0000.npu");
  root->AddFile("dev/dri/renderD129", "");
  root->AddFile("sys/devices/platform/fb000000.gpu/drm/renderD128/dev", "226:128\n");
  root->AddLink("sys/bus/platform/drivers/panthor/fb000000.gpu", "../../../../devices/platform/fb000000.gpu");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  ASSERT_THAT(Ids(inventory), ElementsAre("fdab0000.npu"));
  EXPECT_THAT(Nodes(inventory.cards[0]), ElementsAre("/dev/dri/renderD129"));
}

TEST(BCom, SlotsOnlyWhereAmazonsFunctionIsOrWhenAsked) {
  auto scan = [](const std::string& config, const std::string& modalias) {
    auto root = EmptyMachine();
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
  auto root = EmptyMachine();
  for (const char* node : {"npu2", "npu5", "npu_ctl"}) root->AddFile(std::string("dev/") + node, "");
  LiveMachine machine(
      std::move(root),
      testing::GoodSettings("profiles = [\"keti-npu\"]\n[profile.keti-npu]\nsimulated = \"1\""));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), UnorderedElementsAre("npu-2", "npu-5", "npu-simulated-0"));
  EXPECT_THAT(Nodes(*FindById(inventory, "npu-5")), ElementsAre("/dev/npu5"));
}

TEST(KetiNpu, AWarboyIsNotOfferedTwice) {
  auto root = EmptyMachine();
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
