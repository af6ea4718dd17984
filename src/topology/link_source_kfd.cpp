// SPDX-License-Identifier: Apache-2.0
// source = "kfd": XGMI between cards. The compute driver has a GPU in its topology before the GPU's device
// node appears, so it is enough to look when the inventory has changed.
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
#include "base/host_root.h"
#include "base/status.h"
#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/kfd_topology.h"
#include "topology/link_joining.h"
#include "topology/link_source_kinds.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

// The cards of each GPU: one, or its pieces. They are at its address, or, pieces without an address, have a
// render node that the topology shows for it.
std::vector<std::vector<size_t>> CardsOf(const KfdTopology& topology, const Inventory& inventory) {
  std::map<PciAddress, std::vector<size_t>> by_device;
  for (const auto& [pci, cards] : CardsByAddress(inventory)) {
    std::vector<size_t>& all = by_device[{pci.domain, pci.bus, pci.device, 0}];
    all.insert(all.end(), cards.begin(), cards.end());
  }
  std::map<int64_t, size_t> by_render_minor;
  constexpr std::string_view kRenderNode = "renderD";
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    if (!inventory.cards[i].address.empty()) continue;
    for (const auto& [role, path] : inventory.cards[i].nodes) {
      const std::string name = BaseName(path);
      if (!name.starts_with(kRenderNode)) continue;
      if (std::optional<int64_t> minor = ParseInt(name.substr(kRenderNode.size())))
        by_render_minor.emplace(*minor, i);
    }
  }
  std::vector<std::vector<size_t>> cards;
  for (const KfdTopology::Gpu& gpu : topology.gpus) {
    cards.push_back(by_device[gpu.pci]);
    for (int64_t minor : gpu.render_minors) {
      auto found = by_render_minor.extract(minor);
      if (!found.empty()) cards.back().push_back(found.mapped());
    }
  }
  return cards;
}

}  // namespace

absl::StatusOr<std::vector<Link>> ReadKfdLinks(const LinkInput& input, std::vector<Oddity>& oddities) {
  if (input.root == nullptr) return absl::FailedPreconditionError("there is no machine to look at");
  CLEAVE_ASSIGN_OR_RETURN(KfdTopology topology, ReadKfdTopology(*input.root));
  Complaints complaints(topology.place);
  for (std::string& problem : topology.problems) complaints.Add(std::move(problem));

  const std::vector<std::vector<size_t>> cards = CardsOf(topology, input.inventory);
  Widths by_direction;
  std::vector<bool> speaks;
  std::vector<std::string> unknown;
  for (size_t from = 0; from < topology.gpus.size(); ++from) {
    const KfdTopology::Gpu& gpu = topology.gpus[from];
    for (const auto& [to, width] : gpu.xgmi) by_direction[{from, to}] = width;
    speaks.push_back(gpu.has_all);
    if (cards[from].empty()) unknown.push_back(gpu.pci.ToString());
  }
  if (!unknown.empty()) {
    complaints.Add(
        fmt::format("no card is at {}{}", unknown.front(),
                    unknown.size() > 1 ? fmt::format(" ({} GPUs like this)", unknown.size()) : ""));
  }
  const auto name = [&](size_t gpu) { return topology.gpus[gpu].pci.ToString(); };
  std::vector<Link> links;
  for (const auto& [ends, width] : BothWays(by_direction, speaks, name, complaints)) {
    for (size_t from : cards[ends.first]) {
      for (size_t to : cards[ends.second]) {
        if (ends.first == ends.second && from >= to) continue;  // pieces of one card, each pair once
        links.push_back(
            {.from = std::min(from, to), .to = std::max(from, to), .kind = "xgmi", .width = width});
      }
    }
  }
  complaints.MoveTo(oddities);
  return links;
}

}  // namespace cleave
