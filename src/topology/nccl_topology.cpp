// SPDX-License-Identifier: Apache-2.0
#include "topology/nccl_topology.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/xml_reader.h"

namespace cleave {
namespace {

constexpr const char* kWhatIsMeant = "; NCCL writes one to the file that NCCL_TOPO_DUMP_FILE names";
constexpr size_t kMostGpus = 1024;    // the largest host has 16
constexpr int64_t kMostLanes = 1024;  // the widest GPU has 36

absl::Status Wrong(const XmlNode& node, const std::string& text) {
  return absl::InvalidArgumentError(fmt::format("line {}: {}", node.line, text));
}

enum class Target { kGpu, kSwitch, kCpu, kUnknown };

// PCI classes, as NCCL takes them: 0x068000 is a switch of links, 0x068001 the bridge to a CPU.
Target TargetOf(std::string_view pci_class) {
  if (pci_class.starts_with("0x068001")) return Target::kCpu;
  if (pci_class.starts_with("0x0680")) return Target::kSwitch;
  if (pci_class.starts_with("0x03") || pci_class.starts_with("0x12")) return Target::kGpu;
  return Target::kUnknown;
}

class Parser {
 public:
  absl::StatusOr<NcclTopology> Parse(const XmlNode& top) {
    if (top.name != "system") {
      return Wrong(top, fmt::format("this is no topology of NCCL: its top element is '{}', not 'system'{}",
                                    Shown(top.name), kWhatIsMeant));
    }
    CLEAVE_RETURN_IF_ERROR(Walk(top, nullptr));
    for (const auto& [pci, nodes] : gpu_nodes_) {
      for (const XmlNode* node : nodes) CLEAVE_RETURN_IF_ERROR(ReadGpu(*node, result_.gpus[pci]));
    }
    return std::move(result_);
  }

 private:
  // Notes every function's class and every GPU. The reader limits the depth.
  absl::Status Walk(const XmlNode& node, const PciAddress* above) {
    std::optional<PciAddress> own;
    if (node.name == "pci") {
      own = PciAddress::Parse(node.Attribute("busid"));
      if (!own)
        return Wrong(node,
                     fmt::format("busid must be a PCI address, not '{}'", Shown(node.Attribute("busid"))));
      classes_[*own] = std::string(node.Attribute("class"));
      above = &*own;
    } else if (node.name == "gpu") {
      if (above == nullptr) return Wrong(node, "a gpu must be inside a pci");
      gpu_nodes_[*above].push_back(&node);
      if (gpu_nodes_.size() > kMostGpus) return Wrong(node, fmt::format("more than {} GPUs", kMostGpus));
    }
    for (const XmlNode& child : node.children) CLEAVE_RETURN_IF_ERROR(Walk(child, above));
    return absl::OkStatus();
  }

  // A function may have several <gpu>, one for each rank or part; each has all links of the GPU.
  absl::Status ReadGpu(const XmlNode& node, NcclTopology::Gpu& gpu) {
    NcclTopology::Gpu one;
    for (const XmlNode& child : node.children) {
      if (child.name != "nvlink" && child.name != "xgmi") continue;
      const std::string_view count_text = child.Attribute("count");
      const std::optional<int64_t> count = count_text.empty() ? 1 : ParseInt(count_text);
      if (!count || *count < 0 || *count > kMostLanes) {
        return Wrong(child, fmt::format("count must be a number from 0 to {}, not '{}'", kMostLanes,
                                        Shown(count_text)));
      }
      AddLink(child, static_cast<int>(*count), one);
    }
    for (const auto& [to, count] : one.links) gpu.links[to] = std::max(gpu.links[to], count);
    for (const auto& [kind, count] : one.to_switches)
      gpu.to_switches[kind] = std::max(gpu.to_switches[kind], count);
    return absl::OkStatus();
  }

  void AddLink(const XmlNode& node, int count, NcclTopology::Gpu& gpu) {
    const std::string_view target = node.Attribute("target");
    const std::optional<PciAddress> pci = PciAddress::Parse(target);
    switch (pci && gpu_nodes_.contains(*pci) ? Target::kGpu : TargetOf(ClassOf(node, target, pci))) {
      case Target::kGpu:
        if (pci) {
          gpu.links[{node.name, *pci}] += count;
        } else {
          result_.problems.push_back(
              fmt::format("line {}: '{}' is no PCI address", node.line, Shown(target)));
        }
        break;
      case Target::kSwitch:
        gpu.to_switches[node.name] += count;
        break;
      case Target::kCpu:
        break;
      case Target::kUnknown:
        result_.problems.push_back(
            fmt::format("line {}: what is at '{}' is neither a GPU nor a switch", node.line, Shown(target)));
    }
  }

  std::string_view ClassOf(const XmlNode& node, std::string_view target,
                           const std::optional<PciAddress>& pci) const {
    if (std::string_view stated = node.Attribute("tclass"); !stated.empty()) return stated;
    if (pci) {
      auto found = classes_.find(*pci);
      if (found != classes_.end()) return found->second;
    }
    // A switch that a virtual machine does not show has an address of ones only.
    return target.starts_with("fffffff:") ? "0x068000" : "";
  }

  NcclTopology result_;
  std::map<PciAddress, std::string> classes_;
  std::map<PciAddress, std::vector<const XmlNode*>> gpu_nodes_;
};

}  // namespace

absl::StatusOr<NcclTopology> ParseNcclTopology(const std::string& text) {
  CLEAVE_ASSIGN_OR_RETURN(XmlNode top, ParseXml(text));
  return Parser().Parse(top);
}

}  // namespace cleave
