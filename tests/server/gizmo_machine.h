// SPDX-License-Identifier: Apache-2.0
// A small machine in a directory of its own, that a test may change while a daemon watches it, and the
// profile of the cards that it has.
#ifndef CLEAVE_TESTS_SERVER_GIZMO_MACHINE_H_
#define CLEAVE_TESTS_SERVER_GIZMO_MACHINE_H_

#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/directory_root.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/scanner.h"
#include "node_view.h"
#include "policy/plan.h"
#include "tests/machine.h"
#include "topology/link_sources.h"

namespace cleave::testing {

inline constexpr const char* kGizmoProfile = R"toml(
schema  = 1
name    = "gizmo"
summary = "A card that exists in tests only"
[entries]
class = "gizmo"
pci   = { vendor = 0x1af4, driver = "gizmo" }
id    = "{pci.address}"
[entries.attributes]
ordinal = { name = "gizmo([0-9]+)" }
model   = { read = "model" }
[entries.nodes]
main = "/dev/gizmo/{ordinal}"
[settings]
label = { values = ["off", "on"], default = "off" }
[[health]]
name    = "state"
read    = "state"
is      = "^ok$"
strikes = 1
recover = 1
[container]
devices = ["{nodes.main}"]
mounts  = [{ host = "/opt/gizmo", container = "/opt/gizmo", optional = true },
           { host = "/dev/hugepages", container = "/dev/hugepages", optional = true, file_system = "hugetlbfs" }]
[container.env]
GIZMOS = "{pci.address}"
LABEL  = [{ value = "{count}", when = { "settings.label" = "on" } }]
[[resource]]
name = "example.com/{model}"
)toml";

// Cards are numbered from 0. Card i below 4 is function 0000:0i:00.0 at root bus 00 and NUMA node 0, any
// other is 0000:8i:00.0 at root bus 80 and node 1.
class GizmoMachine {
 public:
  explicit GizmoMachine(int cards = 0) {
    for (int node : {0, 1}) {
      Write(fmt::format("sys/devices/system/node/node{}/cpulist", node),
            fmt::format("{}-{}\n", 4 * node, 4 * node + 3));
      Write(fmt::format("sys/devices/system/node/node{}/distance", node), node == 0 ? "10 21\n" : "21 10\n");
    }
    std::filesystem::create_directories(Path("sys/bus/pci/devices"));
    std::filesystem::create_directories(Path("sys/bus/pci/drivers/gizmo"));
    std::filesystem::create_directories(Path("dev"));
    WriteFile(profile_dir() + "/gizmo.toml", kGizmoProfile);
    for (int i = 0; i < cards; ++i) AddCard(i, i);
  }

  static std::string Address(int card) { return fmt::format("0000:{}{}:00.0", card < 4 ? 0 : 8, card); }

  const std::string& dir() const { return dir_.path(); }
  std::string root() const { return dir_ / "root"; }
  std::string profile_dir() const { return dir_ / "profiles"; }
  std::string config() const { return dir_ / "cleave.toml"; }
  std::string kubelet_dir() const { return dir_ / "k"; }
  std::string Path(const std::string& path) const { return root() + "/" + path; }

  void Write(const std::string& path, std::string_view text) const { WriteFile(Path(path), text); }
  void WriteConfig(const std::string& text) const {
    WriteFile(config() + ".new", text);
    std::filesystem::rename(config() + ".new", config());
  }

  // The class entry comes last, as with a driver.
  void AddCard(int card, int ordinal, const std::string& model = "gizmo") const {
    std::string function = Function(card);
    Write(function + "/vendor", "0x1af4\n");
    Write(function + "/device", "0x0001\n");
    Write(function + "/class", "0x120000\n");
    Write(function + "/numa_node", card < 4 ? "0\n" : "1\n");
    Write(function + "/local_cpulist", card < 4 ? "0-3\n" : "4-7\n");
    Link(function + "/driver", "../../../bus/pci/drivers/gizmo");
    Link("sys/bus/pci/devices/" + Address(card), "../../../" + function.substr(4));
    Write(fmt::format("dev/gizmo/{}", ordinal), "");
    std::string entry = fmt::format("{}/gizmo/gizmo{}", function, ordinal);
    Write(entry + "/model", model + "\n");
    Write(entry + "/state", "ok\n");
    Link(entry + "/device", "../../../" + Address(card));
    Link(fmt::format("sys/class/gizmo/gizmo{}", ordinal),
         fmt::format("../../{}/gizmo/gizmo{}", function.substr(4), ordinal));
  }

  void RemoveCard(int card) const {
    for (const auto& entry : std::filesystem::directory_iterator(Path(Function(card) + "/gizmo"))) {
      std::string name = entry.path().filename();
      std::filesystem::remove(Path("sys/class/gizmo/" + name));
      std::filesystem::remove(Path("dev/gizmo/" + name.substr(std::string("gizmo").size())));
    }
    std::filesystem::remove(Path("sys/bus/pci/devices/" + Address(card)));
    std::filesystem::remove_all(Path(Function(card)));
  }

  void SetState(int card, int ordinal, const std::string& state) const {
    Write(fmt::format("{}/gizmo/gizmo{}/state", Function(card), ordinal), state + "\n");
  }

 private:
  static std::string Function(int card) {
    return fmt::format("sys/devices/pci0000:{}0/{}", card < 4 ? 0 : 8, Address(card));
  }
  void Link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(Path(path)).parent_path());
    std::filesystem::create_symlink(target, Path(path));
  }

  TempDir dir_;
};

inline Settings GizmoSettings(std::string_view toml = "") {
  return GoodSettings(toml, {{"gizmo.toml", kGizmoProfile}});
}

inline std::unique_ptr<HostRoot> OpenRoot(const GizmoMachine& machine) {
  auto root = DirectoryRoot::Open(machine.root());
  EXPECT_TRUE(root.ok()) << root.status();
  return *std::move(root);
}

// What the machine offers this moment.
inline std::shared_ptr<Plan> GizmoPlan(const HostRoot& root, const Settings& settings) {
  Scanner scanner(root, settings);
  Diagnostics diagnostics;
  auto plan = std::make_shared<Plan>(PlanFrom(settings, ReadLinkTexts(settings.config),
                                              scanner.Scan(Scanner::Clock::now()), "node-a", diagnostics));
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.Text();
  return plan;
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_SERVER_GIZMO_MACHINE_H_
