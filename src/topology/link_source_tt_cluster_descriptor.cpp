// SPDX-License-Identifier: Apache-2.0
// source = "tt-cluster-descriptor": Ethernet between cards. No driver shows it; tt-umd's `topology` tool
// finds it and writes it down once, at boot.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "discovery/inventory.h"
#include "topology/cluster_descriptor.h"
#include "topology/graph.h"
#include "topology/link_source_kinds.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

using ChipId = ClusterDescriptor::ChipId;
using Chip = ClusterDescriptor::Chip;

// Finds the card that a chip is part of: chips are counted by the program that wrote the file, cards by the
// machine.
class Joiner {
 public:
  Joiner(const ClusterDescriptor& descriptor, const Inventory& inventory) : descriptor_(descriptor) {
    for (const Card& card : inventory.cards) {
      Known known;
      if (const PciFunction* function = inventory.Function(card.address)) known.pci = function->pci;
      if (auto found = card.attributes.find("serial"); found != card.attributes.end()) {
        known.serial = ParseHex(ToText(found->second));
      }
      if (auto found = card.attributes.find("ordinal"); found != card.attributes.end()) {
        known.ordinal = ParseInt(ToText(found->second));
      }
      cards_.push_back(known);
    }
    for (const auto& [id, chip] : descriptor.chips) {
      if (chip.has_mmio && chip.board) mmio_of_board_[*chip.board].push_back(id);
    }
  }

  // By chip. `problems` says what was left out.
  std::map<ChipId, size_t> Join(std::vector<std::string>& problems) {
    std::map<ChipId, size_t> joined;
    std::map<size_t, ChipId> taken;
    for (const auto& [id, chip] : descriptor_.chips) {
      if (!chip.has_mmio) continue;
      std::optional<size_t> card = EndpointCard(id, chip, problems);
      if (!card) continue;
      auto [other, is_new] = taken.try_emplace(*card, id);
      if (is_new) {
        joined[id] = *card;
      } else {
        problems.push_back(
            fmt::format("chips {} and {} lead to one card; the second is left out", other->second, id));
      }
    }
    std::vector<ChipId> homeless;
    for (const auto& [id, chip] : descriptor_.chips) {
      if (chip.has_mmio) continue;
      std::optional<ChipId> host = HostOf(chip);
      if (!host) homeless.push_back(id);
      if (host && joined.contains(*host)) joined[id] = joined[*host];
    }
    if (!homeless.empty()) {
      problems.push_back(fmt::format(
          "chip {} has no PCIe endpoint and shares no board with a chip that has{}", homeless.front(),
          homeless.size() > 1 ? fmt::format(" ({} chips like this)", homeless.size()) : ""));
    }
    return joined;
  }

 private:
  struct Known {
    std::optional<PciAddress> pci;
    std::optional<uint64_t> serial;
    std::optional<int64_t> ordinal;
  };

  template <typename Test>
  std::vector<size_t> Cards(Test test) const {
    std::vector<size_t> found;
    for (size_t i = 0; i < cards_.size(); ++i) {
      if (test(cards_[i])) found.push_back(i);
    }
    return found;
  }

  std::optional<size_t> EndpointCard(ChipId id, const Chip& chip, std::vector<std::string>& problems) const {
    // chip_pci_bdfs: the endpoint's own address, the one sure join. Files written before tt-umd had it lack
    // it.
    if (chip.pci) {
      std::vector<size_t> at = Cards([&](const Known& card) { return card.pci == chip.pci; });
      if (at.size() != 1) {
        problems.push_back(fmt::format("chip {}: {} at {}", id, at.empty() ? "no card" : "several cards",
                                       chip.pci->ToString()));
        return std::nullopt;
      }
      if (chip.board && cards_[at[0]].serial && cards_[at[0]].serial != chip.board) {
        problems.push_back(
            fmt::format("chip {}: the card at {} is board {:016X}, the file says {:016X}; is the file old?",
                        id, chip.pci->ToString(), *cards_[at[0]].serial, *chip.board));
      }
      return at[0];
    }
    // boards: board_id is the serial that the driver shows, as a decimal number. It names the card when both
    // sides have one endpoint on that board.
    std::vector<size_t> candidates =
        Cards([&](const Known& card) { return !chip.board || card.serial == chip.board; });
    if (chip.board && candidates.size() == 1 && mmio_of_board_.at(*chip.board).size() == 1)
      return candidates[0];
    // With a known serial that differs a card is another board's; without one it may be this.
    if (candidates.empty()) candidates = Cards([](const Known& card) { return !card.serial; });
    if (candidates.empty()) {
      problems.push_back(chip.board
                             ? fmt::format("chip {}: board {:016X} is not in this machine", id, *chip.board)
                             : fmt::format("chip {}: there are no cards", id));
      return std::nullopt;
    }
    auto only = [&](auto test) -> std::optional<size_t> {
      std::vector<size_t> rest;
      std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(rest),
                   [&](size_t i) { return test(cards_[i]); });
      return rest.size() == 1 ? std::optional<size_t>(rest[0]) : std::nullopt;
    };
    // chip_to_bus_id: the endpoint's bus number, without domain and device.
    if (chip.bus) {
      std::optional<size_t> card =
          only([&](const Known& known) { return known.pci && known.pci->bus == *chip.bus; });
      if (card) return card;
    }
    // chips_with_mmio: chip: N, where N is the number of the device node. It moves when a card is reset, so
    // it comes last.
    std::optional<size_t> card =
        only([&](const Known& known) { return chip.ordinal && known.ordinal == *chip.ordinal; });
    if (!card) problems.push_back(fmt::format("chip {}: no card fits, or more than one does", id));
    return card;
  }

  // A chip without an endpoint is reached through one on its own board: tt-umd docs/TT_VISIBLE_DEVICES.md.
  std::optional<ChipId> HostOf(const Chip& chip) const {
    if (chip.board) {
      auto found = mmio_of_board_.find(*chip.board);
      if (found == mmio_of_board_.end()) return std::nullopt;
      auto distance = [&](ChipId id) {
        const Chip& host = descriptor_.chips.at(id);
        return std::abs(int64_t{host.asic_location.value_or(0)} - int64_t{chip.asic_location.value_or(0)});
      };
      return *std::min_element(found->second.begin(), found->second.end(),
                               [&](ChipId a, ChipId b) { return distance(a) < distance(b); });
    }
    // Its bus is that of the endpoint which it is reached through.
    for (const auto& [id, host] : descriptor_.chips) {
      if (host.has_mmio && chip.bus && host.bus == chip.bus) return id;
    }
    return std::nullopt;
  }

  const ClusterDescriptor& descriptor_;
  std::vector<Known> cards_;
  std::map<uint64_t, std::vector<ChipId>> mmio_of_board_;
};

}  // namespace

absl::StatusOr<std::vector<Link>> ReadTtClusterDescriptor(const LinkInput& input,
                                                          std::vector<Oddity>& oddities) {
  CLEAVE_ASSIGN_OR_RETURN(ClusterDescriptor descriptor, ParseClusterDescriptor(input.text));
  std::vector<std::string> problems;
  const std::map<ChipId, size_t> cards = Joiner(descriptor, input.inventory).Join(problems);
  std::map<std::pair<size_t, size_t>, int> widths;
  std::set<ChipId> unknown;
  for (const auto& [a, b] : descriptor.ethernet) {
    for (ChipId chip : {a.chip, b.chip}) {
      if (!descriptor.chips.contains(chip)) unknown.insert(chip);
    }
    auto from = cards.find(a.chip);
    auto to = cards.find(b.chip);
    // Links inside a card are not for us; what has no card was reported.
    if (from == cards.end() || to == cards.end() || from->second == to->second) continue;
    ++widths[std::minmax(from->second, to->second)];
  }
  if (!unknown.empty()) {
    problems.push_back(
        fmt::format("ethernet_connections names chip {}, which the file does not list{}", *unknown.begin(),
                    unknown.size() > 1 ? fmt::format(" ({} chips like this)", unknown.size()) : ""));
  }
  constexpr size_t kMostProblems = 8;  // a file of another machine has one for each chip
  for (size_t i = 0; i < problems.size() && i < kMostProblems; ++i) {
    bool is_last = i + 1 == kMostProblems && problems.size() > kMostProblems;
    std::string more = is_last ? fmt::format(" (and {} more problems)", problems.size() - kMostProblems) : "";
    oddities.push_back({input.source.path, problems[i] + more});
  }
  std::vector<Link> links;
  for (const auto& [ends, width] : widths) {
    links.push_back(
        {.from = ends.first, .to = ends.second, .kind = "ethernet", .width = static_cast<double>(width)});
  }
  return links;
}

}  // namespace cleave
