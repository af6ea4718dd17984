// SPDX-License-Identifier: Apache-2.0
// What the health checks of shipped profiles say of the machines of their vendors, when a file goes bad and
// well again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>

#include "tests/discovery/scan.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LiveMachine;
using testing::LoadMachine;

struct Case {
  std::string name;
  std::string machine;              // in tests/machines/vendors
  std::string config;               // cleave.toml
  std::string file;                 // of the machine
  std::string sick;                 // what it holds then
  std::string reason;               // part of what is said
  std::set<std::string> addresses;  // every card of these functions is sick then, and no other one
  std::map<std::string, std::string> more = {};  // files that are added to the machine
  std::string profiles = {};                     // before `config`, of FatalErrors: the line `profiles`
};

// What ctest shows as the test's parameter.
void PrintTo(const Case& test, std::ostream* out) { *out << test.machine << " " << test.file; }

std::string Pci(const std::string& file) { return "sys/bus/pci/devices/" + file; }

// Reads of a card that is off the bus.
const std::string& AllOnes() {
  static const std::string bytes(64, '\xff');
  return bytes;
}

std::set<std::string> AddressesOf(const Inventory& inventory, Health health) {
  std::set<std::string> addresses;
  for (const Card& card : inventory.cards) {
    if (card.health == health) addresses.insert(card.address);
  }
  return addresses;
}

// As many looks as a verdict takes.
Inventory Settle(LiveMachine& machine) {
  machine.Scan();
  return machine.Scan();
}

void ExpectSick(const Inventory& inventory, const Case& test) {
  EXPECT_EQ(AddressesOf(inventory, Health::kUnhealthy), test.addresses);
  for (const Card& card : inventory.cards) {
    if (card.health == Health::kUnhealthy) {
      EXPECT_THAT(card.reason, HasSubstr(test.reason)) << card.id;
    } else {
      EXPECT_FALSE(test.addresses.contains(card.address)) << card.id << ", a piece of a sick card";
    }
  }
}

class VendorHealth : public ::testing::TestWithParam<Case> {
 protected:
  VendorHealth()
      : machine_(LoadMachine("vendors/" + GetParam().machine), testing::GoodSettings(GetParam().config)) {
    for (const auto& [path, text] : GetParam().more) machine_.root().AddFile(path, text);
  }
  // Where the links in the file's path lead: a file that is added at the path itself would replace them.
  std::string Path() { return machine_.root().Resolve(GetParam().file).value_or(GetParam().file); }
  LiveMachine machine_;
};

TEST_P(VendorHealth, GoesBothWays) {
  const Case& test = GetParam();
  std::string path = Path();
  ASSERT_TRUE(machine_.root().Exists(path));
  std::string well = machine_.root().Read(path, 4096).value();
  ASSERT_THAT(AddressesOf(Settle(machine_), Health::kUnhealthy), IsEmpty());
  machine_.root().AddFile(path, test.sick);
  ExpectSick(Settle(machine_), test);
  machine_.root().AddFile(path, well);
  EXPECT_THAT(AddressesOf(Settle(machine_), Health::kUnhealthy), IsEmpty());
}

constexpr const char* kOpae = "sys/class/fpga/intel-fpga-dev.0/";
constexpr const char* kDfl = "sys/class/fpga_region/region0/";
constexpr const char* kRegions = "[profile.intel-fpga]\nmode = \"region\"";
constexpr const char* kNothing = "ffffffffffffffffffffffffffffffff\n";
// A byte more than the text, as the driver writes it.
const std::string& NoHeartbeat() {
  static const std::string text("-1\n\0", 4);
  return text;
}

// An RNGD and a Warboy, of which there is no machine.
std::map<std::string, std::string> FuriosaCards() {
  std::map<std::string, std::string> files = {{"sys/class/rngd_mgmt/rngd!npu1mgmt/busname", "0000:00:1a.0\n"},
                                              {"sys/class/npu_mgmt/npu0_mgmt/busname", "0000:00:1b.0\n"},
                                              {"sys/class/npu_mgmt/npu0_mgmt/alive", "1\n"},
                                              {"dev/rngd/npu1pe0", ""},
                                              {"dev/npu0pe0", ""}};
  for (const char* address : {"0000:00:1a.0", "0000:00:1b.0"}) {
    std::string function = Pci(address);
    files[function + "/vendor"] = "0x1ed2\n";
    files[function + "/device"] = "0x0001\n";
    files[function + "/class"] = "0x120000\n";
    files[function + "/config"] = std::string("\xd2\x1e", 2) + std::string(62, '\0');
  }
  return files;
}

std::set<std::string> FunctionsOf(const std::string& bus, int first, int last) {
  std::set<std::string> addresses;
  for (int n = first; n <= last; ++n) {
    // eight functions to a device: 00.1 to 02.0
    addresses.insert(bus + ":0" + std::to_string(n / 8) + "." + std::to_string(n % 8));
  }
  return addresses;
}

INSTANTIATE_TEST_SUITE_P(
    Profiles, VendorHealth,
    ::testing::Values(Case{"nvidia_off_the_bus",
                           "nvidia-hgx8-mig",
                           "",
                           Pci("0000:18:00.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:18:00.0"}},
                      Case{"nvidia_off_the_bus_with_instances",
                           "nvidia-hgx8-mig",
                           "",
                           Pci("0000:3a:00.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:3a:00.0"}},
                      Case{"nvidia_lost_by_the_driver",
                           "nvidia-hgx8-mig",
                           "",
                           "proc/driver/nvidia/gpus/0000:18:00.0/information",
                           "Model: \t x\nDevice Minor: \t 0\n",
                           "known to the driver",
                           {"0000:18:00.0"}},
                      Case{"keti_gpu_lost_by_the_driver",
                           "nvidia-hgx8-mig",
                           "profiles = [\"keti-gpu\"]",
                           "proc/driver/nvidia/gpus/0000:18:00.0/information",
                           "Model: \t x\nDevice Minor: \t 0\n",
                           "known to the driver",
                           {"0000:18:00.0"}},
                      Case{"keti_gpu_off_the_bus",
                           "nvidia-hgx8-mig",
                           "profiles = [\"keti-gpu\"]",
                           Pci("0000:18:00.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:18:00.0"}},
                      Case{"amd_off_the_bus",
                           "amd-mi300x-cpx32",
                           "",
                           Pci("0000:26:00.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:26:00.0"}},
                      Case{"intel_gpu_off_the_bus",
                           "intel-flex4-sriov",
                           "",
                           Pci("0000:39:00.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:39:00.0"}},
                      Case{"intel_gpu_virtual_functions", "intel-flex4-sriov", "", Pci("0000:bb:00.0/config"),
                           AllOnes(), "by its physical function", FunctionsOf("0000:bb", 1, 3)},
                      Case{"intel_npu",
                           "npu-laptop",
                           "profiles = [\"intel-npu\"]",
                           Pci("0000:00:0b.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:00:0b.0"}},
                      Case{"biren_instances",
                           "biren-runc-svi",
                           "",
                           Pci("0000:93:00.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:93:00.0"}},
                      Case{"biren_virtual_functions", "biren-sriov-vfio", "", Pci("0000:43:00.0/config"),
                           AllOnes(), "by its physical function", FunctionsOf("0000:43", 1, 4)},
                      Case{"biren_whole_card_of_a_guest",
                           "biren-sriov-vfio",
                           "",
                           Pci("0000:b3:00.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:b3:00.0"}},
                      Case{"qat_heartbeat", "qat-4xxx-2s", "",
                           "sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status", NoHeartbeat(),
                           "heartbeat", FunctionsOf("0000:6b", 1, 16)},
                      Case{"qat_off_the_bus", "qat-4xxx-2s", "", Pci("0000:e8:00.0/config"), AllOnes(),
                           "on the bus", FunctionsOf("0000:e8", 1, 16)},
                      Case{"fpga_opae_function",
                           "fpga-opae-2s",
                           "",
                           kOpae + std::string("intel-fpga-port.0/afu_id"),
                           kNothing,
                           "function",
                           {"0000:3b:00.0"}},
                      Case{"fpga_opae_static_region",
                           "fpga-opae-2s",
                           kRegions,
                           kOpae + std::string("intel-fpga-fme.0/pr/interface_id"),
                           kNothing,
                           "static region",
                           {"0000:3b:00.0"}},
                      Case{"fpga_opae_power",
                           "fpga-opae-2s",
                           "",
                           kOpae + std::string("intel-fpga-port.0/power_state"),
                           "0x6\n",
                           "power state",
                           {"0000:3b:00.0"}},
                      Case{"fpga_dfl_function",
                           "fpga-dfl-2s",
                           "",
                           kDfl + std::string("dfl-port.0/afu_id"),
                           kNothing,
                           "function",
                           {"0000:1d:00.0"}},
                      Case{"fpga_dfl_static_region",
                           "fpga-dfl-2s",
                           kRegions,
                           kDfl + std::string("dfl-fme.0/dfl-fme-region.0/fpga_region/region1/compat_id"),
                           kNothing,
                           "static region",
                           {"0000:1d:00.0"}},
                      Case{"fpga_dfl_power",
                           "fpga-dfl-2s",
                           kRegions,
                           kDfl + std::string("dfl-port.0/power_state"),
                           "0x6\n",
                           "power state",
                           {"0000:1d:00.0"}},
                      Case{"gaudi_disabled",
                           "gaudi2-8",
                           "",
                           Pci("0000:33:00.0/status"),
                           "Disabled\n",
                           "status: ",
                           {"0000:33:00.0"}},
                      Case{"gaudi_malfunction",
                           "gaudi2-8",
                           "",
                           Pci("0000:33:00.0/status"),
                           "Malfunction\n",
                           "status: ",
                           {"0000:33:00.0"}},
                      Case{"gaudi_needs_reset",
                           "gaudi2-8",
                           "",
                           Pci("0000:34:00.0/status"),
                           "Needs Reset\n",
                           "status: ",
                           {"0000:34:00.0"}},
                      Case{"gaudi_in_reset",
                           "gaudi2-8",
                           "",
                           Pci("0000:34:00.0/status"),
                           "In reset after device release\n",
                           "in reset: ",
                           {"0000:34:00.0"}},
                      Case{"furiosa_rngd_off_the_bus",
                           "npu-laptop",
                           "profiles = [\"furiosa\"]",
                           Pci("0000:00:1a.0/config"),
                           AllOnes(),
                           "on the bus",
                           {"0000:00:1a.0"},
                           FuriosaCards()},
                      Case{"furiosa_warboy_not_alive",
                           "npu-laptop",
                           "profiles = [\"furiosa\"]",
                           "sys/class/npu_mgmt/npu0_mgmt/alive",
                           "0\n",
                           "alive",
                           {"0000:00:1b.0"},
                           FuriosaCards()}),
    [](const auto& one) { return one.param.name; });

// The kernel's counter of fatal errors never falls, so a card that works again stays sick, until the counter
// is a new one (the card was removed and found again) or the operator says to ignore it.
class FatalErrors : public ::testing::TestWithParam<Case> {};

TEST_P(FatalErrors, StayUntilTheCounterIsNewOrIgnored) {
  const Case& test = GetParam();
  LiveMachine machine(LoadMachine("vendors/" + test.machine), testing::GoodSettings(test.profiles));
  std::string path = machine.root().Resolve(test.file).value();
  ASSERT_THAT(machine.root().ReadText(path).value(), HasSubstr("TOTAL_ERR_FATAL 0"));
  ASSERT_THAT(AddressesOf(Settle(machine), Health::kUnhealthy), IsEmpty());
  machine.root().AddFile(path, test.sick);
  ExpectSick(Settle(machine), test);
  for (int look = 0; look < 10; ++look) ExpectSick(machine.Scan(std::chrono::hours(1)), test);
  machine.root().AddFile(path, "TOTAL_ERR_FATAL 0\n");
  EXPECT_THAT(AddressesOf(Settle(machine), Health::kUnhealthy), IsEmpty());

  auto root = LoadMachine("vendors/" + test.machine);
  root->AddFile(path, test.sick);
  LiveMachine ignored(std::move(root), testing::GoodSettings(test.profiles + test.config));
  EXPECT_THAT(AddressesOf(Settle(ignored), Health::kUnhealthy), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Profiles, FatalErrors,
                         ::testing::Values(Case{"nvidia",
                                                "nvidia-hgx8-mig",
                                                "[profile.nvidia]\naer = \"ignore\"",
                                                Pci("0000:3a:00.0/aer_dev_fatal"),
                                                "Undefined 0\nDLP 1\nTOTAL_ERR_FATAL 1\n",
                                                "fatal PCIe errors",
                                                {"0000:3a:00.0"}},
                                           Case{"keti_gpu",
                                                "nvidia-hgx8-mig",
                                                "[profile.keti-gpu]\naer = \"ignore\"",
                                                Pci("0000:18:00.0/aer_dev_fatal"),
                                                "Undefined 0\nDLP 1\nTOTAL_ERR_FATAL 1\n",
                                                "fatal PCIe errors",
                                                {"0000:18:00.0"},
                                                {},
                                                "profiles = [\"keti-gpu\"]\n"},
                                           Case{"amd",
                                                "amd-mi300x-cpx32",
                                                "[profile.amd]\naer = \"ignore\"",
                                                Pci("0000:26:00.0/aer_dev_fatal"),
                                                "Undefined 0\nDLP 0\nTOTAL_ERR_FATAL 2\n",
                                                "fatal PCIe errors",
                                                {"0000:26:00.0"}},
                                           Case{"intel_gpu",
                                                "intel-flex4-sriov",
                                                "[profile.intel-gpu]\naer = \"ignore\"",
                                                Pci("0000:39:00.0/aer_dev_fatal"),
                                                "Undefined 0\nDLP 1\nTOTAL_ERR_FATAL 1\n",
                                                "fatal PCIe errors",
                                                {"0000:39:00.0"}}),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace cleave
