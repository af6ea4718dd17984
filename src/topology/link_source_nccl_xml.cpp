// SPDX-License-Identifier: Apache-2.0
// source = "nccl-xml": NVLink and XGMI between cards, as NCCL or RCCL wrote them down.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_joining.h"
#include "topology/link_source_kinds.h"
#include "topology/link_sources.h"
#include "topology/nccl_topology.h"

namespace cleave {
namespace {

class Joiner {
 public:
  Joiner(const Inventory& inventory, Complaints& complaints)
      : inventory_(inventory),
        cards_(CardsByAddress(inventory)),
        speaks_(inventory.cards.size()),
        complaints_(complaints) {}

  std::vector<Link> Join(const NcclTopology& topology) {
    for (const auto& [pci, gpu] : topology.gpus) {
      const int from = CardAt(pci);
      if (from >= 0) speaks_[static_cast<size_t>(from)] = true;
      for (const auto& [other, count] : gpu.links) {
        const int to = CardAt(other.second);
        if (from < 0 || to < 0 || from == to || count == 0) continue;
        widths_[other.first][{static_cast<size_t>(from), static_cast<size_t>(to)}] = count;
      }
      for (const auto& [kind, count] : gpu.to_switches) {
        if (from >= 0 && count > 0) at_switches_[kind].emplace_back(static_cast<size_t>(from), count);
      }
    }
    Complain();
    std::vector<Link> links;
    for (const auto& [kind, by_direction] : widths_) {
      const auto name = [this](size_t card) { return inventory_.cards[card].id; };
      for (const auto& [ends, width] : BothWays(by_direction, speaks_, name, complaints_)) {
        links.push_back({.from = ends.first, .to = ends.second, .kind = kind, .width = width});
      }
    }
    // All switches are one, as for NCCL: those of a host are joined to each other, which no file says.
    for (const auto& [kind, ends] : at_switches_) {
      for (size_t i = 0; i < ends.size(); ++i) {
        for (size_t j = i + 1; j < ends.size(); ++j) {
          const auto [from, to] = std::minmax(ends[i].first, ends[j].first);
          const double width = std::min(ends[i].second, ends[j].second);
          links.push_back({.from = from, .to = to, .kind = kind, .width = width});
        }
      }
    }
    return links;
  }

 private:
  // -1 when there is no card. A card in pieces has no links either: NVLink ends at whole cards.
  int CardAt(const PciAddress& pci) {
    auto found = cards_.find(pci);
    if (found == cards_.end()) {
      unknown_.insert(pci);
      return -1;
    }
    const size_t card = found->second.front();
    return found->second.size() > 1 || inventory_.cards[card].pieces > 1 ? -1 : static_cast<int>(card);
  }

  void Complain() {
    if (unknown_.empty()) return;
    complaints_.Add(
        fmt::format("no card is at {}{}", unknown_.begin()->ToString(),
                    unknown_.size() > 1 ? fmt::format(" ({} GPUs like this)", unknown_.size()) : ""));
  }

  const Inventory& inventory_;
  const std::map<PciAddress, std::vector<size_t>> cards_;
  std::vector<bool> speaks_;  // by card: the file has it as a GPU
  Complaints& complaints_;
  std::map<std::string, Widths> widths_;  // by kind
  std::map<std::string, std::vector<std::pair<size_t, int>>> at_switches_;
  std::set<PciAddress> unknown_;
};

}  // namespace

absl::StatusOr<std::vector<Link>> ReadNcclXml(const LinkInput& input, std::vector<Oddity>& oddities) {
  CLEAVE_ASSIGN_OR_RETURN(NcclTopology topology, ParseNcclTopology(input.text));
  Complaints complaints(input.source.path);
  const bool has_links = std::any_of(topology.gpus.begin(), topology.gpus.end(), [](const auto& gpu) {
    return !gpu.second.links.empty() || !gpu.second.to_switches.empty();
  });
  if (!has_links) {
    complaints.Add(
        "it has no nvlink and no xgmi (files that clouds ship have PCI only; NCCL_TOPO_DUMP_FILE writes "
        "all)");
  }
  for (std::string& problem : topology.problems) complaints.Add(std::move(problem));
  std::vector<Link> links = Joiner(input.inventory, complaints).Join(topology);
  complaints.MoveTo(oddities);
  return links;
}

}  // namespace cleave
