// SPDX-License-Identifier: Apache-2.0
#include "topology/link_joining.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "discovery/inventory.h"

namespace cleave {
namespace {

constexpr size_t kMostComplaints = 8;

}  // namespace

void Complaints::Add(std::string text) {
  ++count_;
  if (texts_.size() < kMostComplaints) texts_.push_back(std::move(text));
}

void Complaints::MoveTo(std::vector<Oddity>& oddities) {
  if (count_ > texts_.size()) texts_.back() += fmt::format(" (and {} more problems)", count_ - texts_.size());
  for (std::string& text : texts_) oddities.push_back({subject_, std::move(text)});
  texts_.clear();
  count_ = 0;
}

std::map<PciAddress, std::vector<size_t>> CardsByAddress(const Inventory& inventory) {
  std::map<PciAddress, std::vector<size_t>> cards;
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    if (std::optional<PciAddress> pci = PciAddress::Parse(inventory.cards[i].address))
      cards[*pci].push_back(i);
  }
  return cards;
}

Widths BothWays(const Widths& by_direction, const std::vector<bool>& speaks,
                const std::function<std::string(size_t)>& name, Complaints& complaints) {
  Widths widths;
  for (const auto& [ends, width] : by_direction) {
    const auto [from, to] = ends;
    auto back = by_direction.find({to, from});
    if (back != by_direction.end() && to < from) continue;  // seen from the other end
    const double other = back != by_direction.end() ? back->second : speaks[to] ? 0 : width;
    const double smaller = std::min(width, other);
    if (width != other) {
      complaints.Add(fmt::format("the link from {} to {} has width {:g}, back it has {}; {}", name(from),
                                 name(to), width, other > 0 ? fmt::format("{:g}", other) : "none",
                                 smaller > 0 ? fmt::format("taken as {:g}", smaller) : "not used"));
    }
    if (smaller > 0) widths[std::minmax(from, to)] = smaller;
  }
  return widths;
}

}  // namespace cleave
