// SPDX-License-Identifier: Apache-2.0
// source = "kfd": XGMI between cards, as the kernel's compute driver shows it:
//
//   <topology>/nodes/<n>/properties               simd_count, domain, location_id, drm_render_minor
//   <topology>/nodes/<n>/io_links/<i>/properties  type, node_from, node_to, weight, min_bandwidth, max_bandwidth
//   <topology>/nodes/<n>/p2p_links/<i>/properties  the same, for ways that lead through a CPU
//
// Each is a file of lines "name number". A node is a CPU or, with simd_count > 0, a GPU or a piece of one.
// Source: linux drivers/gpu/drm, kfd_topology.c (what is shown), kfd_crat.c and amdgpu_xgmi.c (what the numbers are).
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
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
#include "topology/graph.h"
#include "topology/link_joining.h"
#include "topology/link_source_kinds.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

constexpr std::array<std::string_view, 2> kPlaces = {"sys/class/kfd/kfd/topology/nodes",
                                                     "sys/devices/virtual/kfd/kfd/topology/nodes"};
constexpr int64_t kXgmi = 11;      // CRAT_IOLINK_TYPE_XGMI
constexpr int64_t kHopWeight = 15;  // KFD_CRAT_XGMI_WEIGHT, for each hop
// Inside a card the pieces are joined by its memory fabric, which the kernel calls XGMI, too: 819200 MB/s where a link
// between cards has 50000. Weighed like this the pieces of one card stay nearer to each other than to linked cards.
constexpr double kInsideCard = 16;

// Eight cards in eight pieces each are 66 nodes of 66 links.
constexpr size_t kMostNodes = 1024;
constexpr size_t kMostLinks = 16384;

using Properties = std::map<std::string, int64_t, std::less<>>;

// Only the `wanted` lines are looked at: some others have numbers of 64 bits.
absl::StatusOr<Properties> ReadProperties(const HostRoot& root, const std::string& path,
                                          std::span<const std::string_view> wanted) {
  CLEAVE_ASSIGN_OR_RETURN(std::string text, root.Read(path));
  Properties properties;
  int line_number = 0;
  for (const std::string& line : Split(text, '\n')) {
    ++line_number;
    const size_t space = line.find(' ');
    const std::string_view name = std::string_view(line).substr(0, space);
    if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    const std::string_view value = space == std::string::npos ? "" : Trim(std::string_view(line).substr(space));
    const std::optional<int64_t> number = ParseInt(value);
    if (!number) {
      return absl::InvalidArgumentError(
          fmt::format("/{}: line {}: {} must be a number, not '{}'", path, line_number, name, Shown(value)));
    }
    properties.insert_or_assign(std::string(name), *number);
  }
  for (std::string_view name : wanted) {
    if (!properties.contains(name)) return absl::InvalidArgumentError(fmt::format("/{}: there is no {}", path, name));
  }
  return properties;
}

// Bus and device. The bits below and above them are the number of a piece: which of the two depends on the kernel.
PciAddress AddressOf(int64_t domain, int64_t location_id) {
  const auto location = static_cast<uint32_t>(location_id);
  return {static_cast<uint32_t>(domain), location >> 8 & 0xff, location >> 3 & 0x1f, 0};
}

// A card that the topology shows, whole or in pieces.
struct Gpu {
  PciAddress pci;
  std::vector<size_t> cards;         // indices into Inventory::cards: one, or its pieces
  std::vector<std::string> folders;  // of its nodes
};

// Finds the cards of a node: by the render node that a piece has for itself, else by the address.
class CardFinder {
 public:
  explicit CardFinder(const Inventory& inventory) : inventory_(inventory) {
    for (auto& [pci, cards] : CardsByAddress(inventory)) {
      std::vector<size_t>& at = by_address_[{pci.domain, pci.bus, pci.device, 0}];
      at.insert(at.end(), cards.begin(), cards.end());
    }
    constexpr std::string_view kRender = "renderD";
    for (size_t i = 0; i < inventory.cards.size(); ++i) {
      for (const auto& [role, path] : inventory.cards[i].nodes) {
        const std::string name = BaseName(path);
        if (!name.starts_with(kRender)) continue;
        if (std::optional<int64_t> minor = ParseInt(name.substr(kRender.size()))) by_render_[*minor] = i;
      }
    }
  }

  std::vector<size_t> At(const PciAddress& pci) const {
    auto found = by_address_.find(pci);
    return found == by_address_.end() ? std::vector<size_t>() : found->second;
  }

  // For pieces that have no address of their own.
  std::optional<size_t> WithRenderMinor(int64_t minor) const {
    auto found = by_render_.find(minor);
    if (found == by_render_.end() || !inventory_.cards[found->second].address.empty()) return std::nullopt;
    return found->second;
  }

 private:
  const Inventory& inventory_;
  std::map<PciAddress, std::vector<size_t>> by_address_;  // without the function
  std::map<int64_t, size_t> by_render_;
};

class Reader {
 public:
  Reader(const HostRoot& root, const Inventory& inventory, Complaints& complaints)
      : root_(root), finder_(inventory), complaints_(complaints) {}

  absl::Status ReadNodes() {
    std::string_view place = kPlaces[0];
    absl::StatusOr<std::vector<std::string>> names = root_.List(place);
    if (absl::IsNotFound(names.status())) {
      place = kPlaces[1];
      if (absl::StatusOr<std::vector<std::string>> others = root_.List(place); others.ok()) names = others;
    }
    if (!names.ok()) return names.status();
    if (names->size() > kMostNodes) {
      return absl::InvalidArgumentError(fmt::format("/{}: more than {} nodes", place, kMostNodes));
    }
    std::map<PciAddress, size_t> known;
    for (const std::string& name : *names) {
      if (std::optional<int64_t> number = ParseInt(name)) ReadNode(fmt::format("{}/{}", place, name), *number, known);
    }
    // Some orders are by name, some by number: cards are in the order of their addresses.
    return absl::OkStatus();
  }

  std::vector<Gpu>& gpus() { return gpus_; }

  // What the GPUs say, each of all others. Pieces of one card have the same links, so one that can be read speaks for all.
  Widths ReadLinks(std::vector<bool>& speaks) {
    Widths widths;
    speaks.assign(gpus_.size(), false);
    for (size_t from = 0; from < gpus_.size(); ++from) {
      for (const std::string& folder : gpus_[from].folders) {
        std::map<size_t, double> direct;
        if (!ReadLinkFolder(folder + "/io_links", direct)) continue;
        speaks[from] = true;
        std::map<size_t, double> others;
        ReadLinkFolder(folder + "/p2p_links", others);
        direct.merge(others);  // a direct link counts alone
        for (const auto& [to, width] : direct) widths[{from, to}] = width;
        break;
      }
    }
    return widths;
  }

  void Complain() {
    if (denied_ > 0) {
      complaints_.Add(fmt::format("{}{}: a container must be allowed the GPU's render node to see this", first_denied_,
                                  denied_ > 1 ? fmt::format(" ({} files like this)", denied_) : ""));
    }
    if (unknown_ > 0) {
      complaints_.Add(fmt::format("no card is at {}{}", first_unknown_,
                                  unknown_ > 1 ? fmt::format(" ({} GPUs like this)", unknown_) : ""));
    }
    if (links_ > kMostLinks) complaints_.Add(fmt::format("more than {} links; the others are left out", kMostLinks));
  }

 private:
  void ReadNode(const std::string& folder, int64_t number, std::map<PciAddress, size_t>& known) {
    static constexpr std::array<std::string_view, 2> kAll = {"simd_count", "location_id"};
    static constexpr std::array<std::string_view, 2> kSome = {"domain", "drm_render_minor"};  // not in every kernel
    const std::string path = folder + "/properties";
    absl::StatusOr<Properties> node = ReadProperties(root_, path, kAll);
    if (!node.ok()) return CannotRead(node.status());
    if (node->at("simd_count") <= 0) return;
    Properties more;
    for (std::string_view name : kSome) {
      if (absl::StatusOr<Properties> one = ReadProperties(root_, path, {&name, 1}); one.ok()) more.merge(*one);
    }
    const PciAddress pci = AddressOf(more["domain"], node->at("location_id"));
    auto [found, is_new] = known.try_emplace(pci, gpus_.size());
    if (is_new) gpus_.push_back({pci, finder_.At(pci), {}});
    Gpu& gpu = gpus_[found->second];
    gpu.folders.push_back(folder);
    gpu_of_node_[number] = found->second;
    if (std::optional<size_t> piece = finder_.WithRenderMinor(more["drm_render_minor"])) gpu.cards.push_back(*piece);
  }

  // Adds widths by the GPU at the other end. False when the folder cannot be read.
  bool ReadLinkFolder(const std::string& folder, std::map<size_t, double>& widths) {
    static constexpr std::array<std::string_view, 5> kAll = {"type", "node_to", "weight", "min_bandwidth", "max_bandwidth"};
    absl::StatusOr<std::vector<std::string>> names = root_.List(folder);
    if (!names.ok()) {
      if (!absl::IsNotFound(names.status())) CannotRead(names.status());  // older kernels have no p2p_links
      return false;
    }
    std::map<int64_t, double> by_node;
    for (const std::string& name : *names) {
      if (++links_ > kMostLinks) break;
      absl::StatusOr<Properties> link = ReadProperties(root_, fmt::format("{}/{}/properties", folder, name), kAll);
      if (!link.ok()) {
        CannotRead(link.status());
      } else if (link->at("type") == kXgmi && gpu_of_node_.contains(link->at("node_to"))) {
        by_node[link->at("node_to")] += WidthOf(*link);
      }
    }
    for (const auto& [node, width] : by_node) {
      double& widest = widths[gpu_of_node_.at(node)];
      widest = std::max(widest, width);
    }
    return true;
  }

  // Links side by side, by the number of hops. min_bandwidth is that of one link, max_bandwidth that of all; both are 0
  // where the kernel does not know them: on older chips, on cards in pieces, and for more than one hop. The weight is 15
  // for each hop, and on cards in pieces 41 for one hop.
  static double WidthOf(const Properties& link) {
    const auto one = static_cast<double>(link.at("min_bandwidth"));
    const auto all = static_cast<double>(link.at("max_bandwidth"));
    const double links = one > 0 && all > one ? all / one : 1;
    const int64_t weight = link.at("weight");
    const bool by_hops = weight > kHopWeight && weight % kHopWeight == 0;
    return links / (by_hops ? static_cast<double>(weight / kHopWeight) : 1);
  }

  void CannotRead(const absl::Status& status) {
    if (!absl::IsPermissionDenied(status)) return complaints_.Add(MessageOf(status));
    if (denied_++ == 0) first_denied_ = MessageOf(status);
  }

 public:
  // True when there are cards of this GPU here.
  bool Check(const Gpu& gpu) {
    if (gpu.cards.empty() && unknown_++ == 0) first_unknown_ = gpu.pci.ToString();
    return !gpu.cards.empty();
  }

 private:
  const HostRoot& root_;
  const CardFinder finder_;
  Complaints& complaints_;
  std::vector<Gpu> gpus_;
  std::map<int64_t, size_t> gpu_of_node_;  // index into gpus_
  size_t links_ = 0;
  size_t denied_ = 0;
  std::string first_denied_;
  size_t unknown_ = 0;
  std::string first_unknown_;
};

}  // namespace
}  // namespace cleave
