// SPDX-License-Identifier: Apache-2.0
#include "topology/kfd_topology.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/status.h"
#include "base/strings.h"
#include "discovery/inventory.h"

namespace cleave {
namespace {

constexpr std::array<std::string_view, 2> kPlaces = {"sys/class/kfd/kfd/topology/nodes",
                                                     "sys/devices/virtual/kfd/kfd/topology/nodes"};
constexpr int64_t kXgmi = 11;  // CRAT_IOLINK_TYPE_XGMI
// The weight is 15 for each hop (KFD_CRAT_XGMI_WEIGHT), and on cards in pieces 41 for one hop.
constexpr int64_t kHopWeight = 15;
// The pieces of a card are joined by its memory fabric, which the kernel calls XGMI, too: 819200 MB/s where a
// link between cards has 50000. Counted like this the pieces of one card stay nearer to each other than to
// cards that are linked.
constexpr double kInsideCard = 16;

// Eight cards in eight pieces each are 66 nodes of 66 links; one piece of each card is asked for its links.
constexpr size_t kMostNodes = 1024;
constexpr size_t kMostLinks = 16384;

using Properties = std::map<std::string, int64_t, std::less<>>;

// Those of `needed` and `wanted`; other lines, some with numbers of 64 bits, are not looked at.
absl::StatusOr<Properties> ReadProperties(const HostRoot& root, const std::string& path,
                                          std::span<const std::string_view> needed,
                                          std::span<const std::string_view> wanted) {
  CLEAVE_ASSIGN_OR_RETURN(std::string text, root.Read(path));
  auto has = [](std::span<const std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  Properties properties;
  int line_number = 0;
  for (const std::string& line : Split(text, '\n')) {
    ++line_number;
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space);
    if (!has(needed, name) && !has(wanted, name)) continue;
    const std::string_view value = Trim(std::string_view(line).substr(space));
    const std::optional<int64_t> number = ParseInt(value);
    if (!number) {
      return absl::InvalidArgumentError(
          fmt::format("/{}: line {}: {} must be a number, not '{}'", path, line_number, name, Shown(value)));
    }
    properties[name] = *number;
  }
  for (std::string_view name : needed) {
    if (!properties.contains(name))
      return absl::InvalidArgumentError(fmt::format("/{}: there is no {}", path, name));
  }
  return properties;
}

// The number of a piece is in the bits below the device or above the bus, which of the two depends on the
// kernel.
PciAddress AddressOf(int64_t domain, int64_t location_id) {
  const auto location = static_cast<uint32_t>(location_id);
  return {static_cast<uint32_t>(domain), location >> 8 & 0xff, location >> 3 & 0x1f, 0};
}

// min_bandwidth is that of one link, max_bandwidth that of all side by side; both are 0 where the kernel does
// not know: on older chips, on cards in pieces, and for more than one hop.
double WidthOf(const Properties& link) {
  const auto one = static_cast<double>(link.at("min_bandwidth"));
  const auto all = static_cast<double>(link.at("max_bandwidth"));
  const double links = one > 0 && all > one ? all / one : 1;
  const int64_t weight = link.at("weight");
  const int64_t hops = weight > 0 && weight % kHopWeight == 0 ? weight / kHopWeight : 1;
  return links / static_cast<double>(hops);
}

class Reader {
 public:
  explicit Reader(const HostRoot& root) : root_(root) {}

  absl::StatusOr<KfdTopology> Read() {
    CLEAVE_RETURN_IF_ERROR(ReadNodes());
    for (size_t gpu = 0; gpu < result_.gpus.size(); ++gpu) ReadLinks(gpu);
    if (denied_ > 0) {
      result_.problems.push_back(
          fmt::format("{}{}; a container sees this only when it may use the GPU's render node", first_denied_,
                      denied_ > 1 ? fmt::format(" ({} files like this)", denied_) : ""));
    }
    if (links_ > kMostLinks)
      result_.problems.push_back(fmt::format("more than {} links; the others are left out", kMostLinks));
    return std::move(result_);
  }

 private:
  struct Node {
    std::string folder;
    int64_t number = 0;
    int64_t render_minor = 0;
  };

  absl::Status ReadNodes() {
    std::string_view place = kPlaces[0];
    absl::StatusOr<std::vector<std::string>> names = root_.List(place);
    if (!names.ok()) {
      place = kPlaces[1];
      if (auto others = root_.List(place); others.ok()) names = std::move(others);
    }
    CLEAVE_RETURN_IF_ERROR(names.status());
    result_.place = fmt::format("/{}", place);
    if (names->size() > kMostNodes)
      return absl::InvalidArgumentError(fmt::format("{}: more than {} nodes", result_.place, kMostNodes));
    std::map<PciAddress, std::vector<Node>> gpus;
    for (const std::string& name : *names) {
      std::optional<int64_t> number = ParseInt(name);
      if (number) ReadNode(fmt::format("{}/{}", place, name), *number, gpus);
    }
    for (auto& [pci, nodes] : gpus) {
      // By number, whatever the order of the names: which piece is asked for its links shall not change.
      std::sort(nodes.begin(), nodes.end(), [](const Node& a, const Node& b) { return a.number < b.number; });
      KfdTopology::Gpu gpu = {.pci = pci, .render_minors = {}, .has_all = true, .xgmi = {}};
      for (const Node& node : nodes) {
        gpu.render_minors.push_back(node.render_minor);
        gpu_of_node_[node.number] = result_.gpus.size();
      }
      result_.gpus.push_back(std::move(gpu));
      nodes_.push_back(std::move(nodes));
    }
    return absl::OkStatus();
  }

  void ReadNode(const std::string& folder, int64_t number, std::map<PciAddress, std::vector<Node>>& gpus) {
    static constexpr std::array<std::string_view, 2> kNeeded = {"simd_count", "location_id"};
    static constexpr std::array<std::string_view, 2> kWanted = {"domain",
                                                                "drm_render_minor"};  // not in every kernel
    absl::StatusOr<Properties> node = ReadProperties(root_, folder + "/properties", kNeeded, kWanted);
    if (!node.ok()) return CannotRead(node.status());
    if (node->at("simd_count") <= 0) return;
    gpus[AddressOf((*node)["domain"], node->at("location_id"))].push_back(
        {folder, number, (*node)["drm_render_minor"]});
  }

  // Pieces of one card have the same links, so the first that can be read speaks for all.
  void ReadLinks(size_t index) {
    KfdTopology::Gpu& gpu = result_.gpus[index];
    for (const Node& node : nodes_[index]) {
      gpu.has_all = true;
      const bool is_read = ReadLinkFolder(node.folder + "/io_links", gpu.xgmi, gpu.has_all);
      std::map<size_t, double> through_cpus;
      ReadLinkFolder(node.folder + "/p2p_links", through_cpus, gpu.has_all);
      gpu.xgmi.merge(through_cpus);  // where there is a direct link, that counts alone
      if (is_read) break;
      gpu.has_all = false;
    }
    if (auto inside = gpu.xgmi.find(index); inside != gpu.xgmi.end()) inside->second = kInsideCard;
  }

  // Adds widths by the GPU at the other end; clears `has_all` when something cannot be read. False when
  // nothing can.
  bool ReadLinkFolder(const std::string& folder, std::map<size_t, double>& widths, bool& has_all) {
    static constexpr std::array<std::string_view, 5> kNeeded = {"type", "node_to", "weight", "min_bandwidth",
                                                                "max_bandwidth"};
    absl::StatusOr<std::vector<std::string>> names = root_.List(folder);
    if (!names.ok()) {
      if (absl::IsNotFound(names.status())) return false;  // older kernels have no p2p_links
      CannotRead(names.status());
      has_all = false;
      return false;
    }
    std::map<int64_t, double> by_node;
    for (const std::string& name : *names) {
      if (++links_ > kMostLinks) break;
      absl::StatusOr<Properties> link =
          ReadProperties(root_, fmt::format("{}/{}/properties", folder, name), kNeeded, {});
      if (!link.ok()) {
        CannotRead(link.status());
        has_all = false;
      } else if (link->at("type") == kXgmi && gpu_of_node_.contains(link->at("node_to"))) {
        by_node[link->at("node_to")] += WidthOf(*link);
      }
    }
    if (links_ > kMostLinks) has_all = false;
    for (const auto& [node, width] : by_node) {
      double& widest = widths[gpu_of_node_.at(node)];
      widest = std::max(widest, width);
    }
    return true;
  }

  void CannotRead(const absl::Status& status) {
    if (!absl::IsPermissionDenied(status)) {
      result_.problems.push_back(MessageOf(status));
    } else if (denied_++ == 0) {
      first_denied_ = MessageOf(status);
    }
  }

  const HostRoot& root_;
  KfdTopology result_;
  std::vector<std::vector<Node>> nodes_;  // by GPU
  std::map<int64_t, size_t> gpu_of_node_;
  size_t links_ = 0;
  size_t denied_ = 0;
  std::string first_denied_;
};

}  // namespace

absl::StatusOr<KfdTopology> ReadKfdTopology(const HostRoot& root) { return Reader(root).Read(); }

}  // namespace cleave
