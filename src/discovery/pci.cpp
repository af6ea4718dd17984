// SPDX-License-Identifier: Apache-2.0
#include "discovery/pci.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/strings.h"
#include "discovery/inventory.h"

namespace cleave {
namespace {

constexpr std::string_view kDevices = "sys/bus/pci/devices";
constexpr std::string_view kNodes = "sys/devices/system/node";

std::optional<int> ReadInt(const HostRoot& root, const std::string& path) {
  absl::StatusOr<std::string> text = root.ReadText(path);
  std::optional<int64_t> value = text.ok() ? ParseInt(*text) : std::nullopt;
  if (!value || *value < INT32_MIN || *value > INT32_MAX) return std::nullopt;
  return static_cast<int>(*value);
}

std::string LinkName(const HostRoot& root, const std::string& path) {
  absl::StatusOr<std::string> target = root.ReadLink(path);
  return target.ok() ? BaseName(*target) : "";
}

// The parts of .../devices/pci0000:30/0000:30:02.0/0000:31:00.0 from the root bus to the bridge. Links of
// some captured machines end in a slash, and devices of a VMD domain hang below another function (pci10000:00
// inside pci0000:...): the last root bus counts.
std::vector<std::string> PathAbove(const std::string& target, const std::string& address) {
  std::vector<std::string> above;
  for (const std::string& part : Split(NormalPath(target), '/')) {
    if (part.starts_with("pci") && part.find(':') != std::string::npos) above.clear();
    bool is_root = part.starts_with("pci") && part.find(':') != std::string::npos;
    if (is_root || (!above.empty() && PciAddress::Parse(part) && part != address)) above.push_back(part);
  }
  return above;
}

std::vector<int> NodesOfCpus(const std::vector<NumaNode>& nodes, const std::vector<int>& cpus) {
  std::vector<int> ids;
  for (const NumaNode& node : nodes) {
    bool touched = std::any_of(cpus.begin(), cpus.end(), [&](int cpu) {
      return std::binary_search(node.cpus.begin(), node.cpus.end(), cpu);
    });
    if (touched) ids.push_back(node.id);
  }
  return ids;
}

std::optional<std::vector<int>> LocalCpus(const HostRoot& root, const std::string& path) {
  if (absl::StatusOr<std::string> list = root.ReadText(path + "/local_cpulist"); list.ok())
    return ParseCpuList(*list);
  if (absl::StatusOr<std::string> mask = root.ReadText(path + "/local_cpus"); mask.ok())
    return ParseCpuMask(*mask);
  return std::nullopt;
}

// The other functions of its IOMMU group; bridges never stand in the way of a guest.
std::vector<std::string> IommuPeers(const HostRoot& root, const std::string& path, const std::string& self) {
  std::vector<std::string> peers;
  absl::StatusOr<std::vector<std::string>> names = root.List(path + "/iommu_group/devices");
  if (!names.ok()) return peers;
  for (const std::string& name : *names) {
    std::optional<int> code = ReadInt(root, fmt::format("{}/{}/class", kDevices, name));
    bool is_bridge = code && *code >> 8 == 0x0604;
    if (name != self && PciAddress::Parse(name) && !is_bridge) peers.push_back(name);
  }
  return peers;
}

}  // namespace

std::vector<NumaNode> ReadNumaNodes(const HostRoot& root, std::vector<Oddity>& oddities) {
  std::vector<NumaNode> nodes;
  absl::StatusOr<std::vector<std::string>> names = root.List(kNodes);
  if (!names.ok()) return nodes;  // a kernel without NUMA has no such folder
  for (const std::string& name : *names) {
    if (!name.starts_with("node")) continue;
    std::optional<int64_t> id = ParseInt(std::string_view(name).substr(4));
    if (!id || *id < 0 || *id > 65535) continue;
    NumaNode node;
    node.id = static_cast<int>(*id);
    std::string path = fmt::format("{}/{}", kNodes, name);
    std::optional<std::vector<int>> cpus;
    if (absl::StatusOr<std::string> list = root.ReadText(path + "/cpulist"); list.ok()) {
      cpus = ParseCpuList(*list);
    } else if (absl::StatusOr<std::string> mask = root.ReadText(path + "/cpumap"); mask.ok()) {
      cpus = ParseCpuMask(*mask);
    }
    if (!cpus) oddities.push_back({name, "its CPUs cannot be read"});
    node.cpus = cpus.value_or(std::vector<int>{});
    std::sort(node.cpus.begin(), node.cpus.end());
    if (absl::StatusOr<std::string> text = root.ReadText(path + "/distance"); text.ok()) {
      for (const std::string& part : Split(*text, ' ')) {
        if (std::optional<int64_t> distance = ParseInt(Trim(part)))
          node.distances.push_back(static_cast<int>(*distance));
      }
    }
    nodes.push_back(std::move(node));
  }
  std::sort(nodes.begin(), nodes.end(), [](const NumaNode& a, const NumaNode& b) { return a.id < b.id; });
  for (NumaNode& node : nodes) {
    if (node.distances.size() == nodes.size() || node.distances.empty()) continue;
    oddities.push_back({fmt::format("node{}", node.id), "its distances do not fit the number of nodes"});
    node.distances.clear();
  }
  return nodes;
}

bool IsOfPciCore(std::string_view name) {
  // Source: Linux, drivers/pci/pci-sysfs.c pci_dev_attrs, pcie_dev_attrs.
  constexpr std::string_view kNames[] = {"class",
                                         "vendor",
                                         "device",
                                         "subsystem_vendor",
                                         "subsystem_device",
                                         "revision",
                                         "irq",
                                         "numa_node",
                                         "local_cpus",
                                         "local_cpulist",
                                         "modalias",
                                         "resource",
                                         "enable",
                                         "current_link_speed",
                                         "current_link_width",
                                         "max_link_speed",
                                         "max_link_width",
                                         "power_state",
                                         "ari_enabled"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

std::string FunctionPath(const PciFunction& function) {
  return fmt::format("{}/{}", kDevices, function.address);
}

std::vector<PciFunction> ReadFunctions(const HostRoot& root, SeenFunctions& seen,
                                       std::vector<Oddity>& oddities) {
  SeenFunctions before = std::move(seen);
  seen.clear();
  std::vector<PciFunction> functions;
  absl::StatusOr<std::vector<std::string>> names = root.List(kDevices);
  if (!names.ok()) {
    if (!absl::IsNotFound(names.status())) oddities.push_back({"PCI", std::string(names.status().message())});
    return functions;
  }
  for (const std::string& name : *names) {
    std::optional<PciAddress> pci = PciAddress::Parse(name);
    std::string path = fmt::format("{}/{}", kDevices, name);
    if (!pci) {
      oddities.push_back({"/" + path, "is no PCI address"});
      continue;
    }
    absl::StatusOr<FileInfo> folder = root.Stat(path);
    if (!folder.ok()) {
      oddities.push_back({name, "its link in /sys/bus/pci/devices leads nowhere"});
      continue;
    }
    PciFunction function;
    auto old = before.find(name);
    if (old != before.end() && old->second.identity == folder->identity) {
      function = std::move(old->second.function);
    } else {
      function.pci = *pci;
      function.address = name;
      if (absl::StatusOr<std::string> target = root.ReadLink(path); target.ok())
        function.above = PathAbove(*target, name);
      function.class_code = ReadInt(root, path + "/class");
      function.vendor = ReadInt(root, path + "/vendor");
      function.device = ReadInt(root, path + "/device");
      // Of cards this is asked each time, by ReadDetails(); of network cards once is enough.
      std::optional<int> node = function.IsNic() ? ReadInt(root, path + "/numa_node") : std::nullopt;
      if (node && *node >= 0) function.numa_nodes = {*node};
    }
    function.driver = LinkName(root, path + "/driver");
    if (function.IsNic()) {
      // Not what is in net/: an interface that was given to a pod is not seen there.
      absl::StatusOr<std::vector<std::string>> rdma = root.List(path + "/infiniband");
      function.rdma = rdma.ok() ? *rdma : std::vector<std::string>();
    }
    bool complete = function.class_code && function.vendor && function.device;
    if (root.live() && complete) seen.emplace(name, SeenFunction{folder->identity, function});
    functions.push_back(std::move(function));
  }
  std::sort(functions.begin(), functions.end(),
            [](const PciFunction& a, const PciFunction& b) { return a.pci < b.pci; });
  return functions;
}

void ReadDetails(const HostRoot& root, const std::vector<NumaNode>& nodes, PciFunction& function,
                 std::vector<Oddity>& oddities) {
  std::string path = FunctionPath(function);
  function.iommu_group = LinkName(root, path + "/iommu_group");
  function.iommu_peers = IommuPeers(root, path, function.address);
  function.physfn = LinkName(root, path + "/physfn");
  function.numa_node = ReadInt(root, path + "/numa_node");
  if (!function.numa_node) {
    absl::StatusOr<std::string> text = root.ReadText(path + "/numa_node");
    if (text.ok()) {
      oddities.push_back({function.address, fmt::format("its numa_node is no number: '{}'", Shown(*text))});
    } else if (!absl::IsNotFound(text.status())) {
      oddities.push_back({function.address, "its numa_node cannot be read"});
    }
  }
  if (function.numa_node && *function.numa_node < 0) function.numa_node.reset();
  if (function.numa_node) {
    function.numa_nodes = {*function.numa_node};
  } else if (std::optional<std::vector<int>> cpus = LocalCpus(root, path)) {
    function.numa_nodes = NodesOfCpus(nodes, *cpus);
  }
  absl::StatusOr<std::string> speed = root.ReadText(path + "/current_link_speed");
  absl::StatusOr<std::string> width = root.ReadText(path + "/current_link_width");
  // A card off the bus answers with ones: a speed that no one has and 63 lanes.
  // Source: Linux, drivers/pci/pci-sysfs.c current_link_*_show() and pci_speed_string(), PCI_EXP_LNKSTA_NLW.
  if (speed.ok() && width.ok() && !speed->starts_with("Unknown") && *width != "63") {
    std::string_view text = *speed;
    if (text.ends_with(" PCIe")) text.remove_suffix(5);
    function.link = fmt::format("{} x{}", text, *width);
  }
}

}  // namespace cleave
