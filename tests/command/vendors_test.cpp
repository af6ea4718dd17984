// SPDX-License-Identifier: Apache-2.0
// Every shipped profile on the machines of its vendor: `cleave plan` against tests/machines/vendors/expected.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/command/run.h"
#include "tests/machine.h"

namespace cleave {
namespace {

using Json = nlohmann::json;

struct Case {
  std::string name;
  std::string machine;
  std::string config;       // cleave.toml
  std::string mode;         // of the expectations, where they have several
  bool ids_differ = false;  // the vendor's plugin has ids that name no card; then cards are counted only
  std::set<std::string> silently;  // what the expectations list as no device and a plan does not mention
};

// What ctest shows as the test's parameter.
void PrintTo(const Case& test, std::ostream* out) { *out << test.machine; }

struct Device {
  std::string resource;
  std::set<std::string> nodes;
  std::set<int> numa;
  bool operator==(const Device&) const = default;
};

void PrintTo(const Device& device, std::ostream* out) {
  *out << device.resource << ::testing::PrintToString(device.nodes) << ::testing::PrintToString(device.numa);
}

// The two sets of expectations spell nodes differently.
std::set<std::string> NodesOf(const Json& device) {
  std::set<std::string> nodes;
  for (const char* key : {"device_nodes", "shared_nodes", "nodes"}) {
    for (const Json& node : device.value(key, Json::array()))
      nodes.insert(node.is_string() ? node.get<std::string>() : node["host"].get<std::string>());
  }
  return nodes;
}

std::map<std::string, Device> Expected(const Json& facts, const std::string& mode) {
  std::map<std::string, Device> devices;
  for (const Json& one : mode.empty() ? facts["devices"] : facts["modes"][mode]) {
    Device device{one["resource"].get<std::string>(), NodesOf(one), {}};
    if (!one["numa"].is_null()) device.numa.insert(one["numa"].get<int>());
    devices[one["id"].get<std::string>()] = device;
  }
  return devices;
}

constexpr const char* kRegion = "[profile.intel-fpga]\nmode = \"region\"";
constexpr const char* kRegionDevel = "[profile.intel-fpga]\nmode = \"regiondevel\"";

class VendorTest : public ::testing::TestWithParam<Case> {};

TEST_P(VendorTest, PlanAgreesWithTheFacts) {
  const Case& test = GetParam();
  Json facts = Json::parse(testing::ReadFileOrDie(
      testing::SourcePath("tests/machines/vendors/expected/" + test.machine + ".json")));
  testing::TempDir dir;
  testing::WriteFile(dir / "cleave.toml", test.config);
  testing::Result ran = testing::Cleave("plan --output json --config " + (dir / "cleave.toml") +
                                        testing::Machine("vendors/" + test.machine));
  ASSERT_EQ(ran.code, 0) << ran.err;
  Json plan = Json::parse(ran.out);
  std::map<std::string, Device> found;
  for (const Json& resource : plan["resources"]) {
    for (const Json& unit : resource["units"]) {
      Device device{resource["name"].get<std::string>(), NodesOf(unit), {}};
      for (const Json& node : unit["numa_nodes"]) device.numa.insert(node.get<int>());
      EXPECT_EQ(unit["health"], "healthy") << unit;
      found[unit["id"].get<std::string>()] = device;
    }
  }
  std::map<std::string, Device> expected = Expected(facts, test.mode);
  if (test.ids_differ) {
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [id, device] : found) EXPECT_EQ(device.nodes, expected.begin()->second.nodes) << id;
  } else {
    EXPECT_EQ(found, expected);
  }
  std::set<std::string> mentioned;
  for (const Json& one : plan["not_cards"]) {
    mentioned.insert(one["address"].get<std::string>());
    EXPECT_NE(one["reason"], "");
  }
  for (const Json& one : facts.value("not_devices", Json::array())) {
    std::string id = one["id"];
    EXPECT_FALSE(found.contains(id)) << one["why"];
    EXPECT_NE(mentioned.contains(id), test.silently.contains(id)) << id << ": " << one["why"];
  }
}

INSTANTIATE_TEST_SUITE_P(
    Profiles, VendorTest,
    ::testing::Values(
        Case{"biren_instances", "biren-runc-svi", "", "", false, {}},
        Case{"biren_guests", "biren-sriov-vfio", "", "", false, {}},
        Case{"nvidia_mig",
             "nvidia-hgx8-mig",
             "",
             "",
             false,
             {"0000:71:00.0", "0000:72:00.0", "0000:73:00.0", "0000:74:00.0", "0000:03:00.0"}},
        Case{"amd_partitions", "amd-mi300x-cpx32", "", "", false, {"0000:09:00.0"}},
        Case{"intel_qat_gen4", "qat-4xxx-2s", "", "", false, {}},
        Case{"intel_qat_c62x", "qat-c6xx-2s", "", "", false, {}},
        Case{"intel_gpu", "intel-flex4-sriov", "", "", false, {"0000:03:00.0"}},
        Case{"intel_npu", "npu-laptop", "profiles = [\"intel-npu\"]", "", true, {"0000:00:02.0"}},
        Case{"intel_vpu", "hddl-usb-2s", "", "", true, {}},
        Case{"intel_fpga_opae", "fpga-opae-2s", "", "", false, {}},
        Case{"intel_fpga_dfl", "fpga-dfl-2s", "", "", false, {"region1", "region3"}},
        Case{"intel_fpga_opae_regiondevel", "fpga-opae-2s", kRegionDevel, "regiondevel", false, {}},
        Case{"intel_fpga_dfl_region", "fpga-dfl-2s", kRegion, "region", false, {"region1", "region3"}},
        Case{"gaudi", "gaudi2-8", "", "", false, {"accel_controlD*"}}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace cleave
