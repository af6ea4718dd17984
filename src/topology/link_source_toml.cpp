// SPDX-License-Identifier: Apache-2.0
// source = "toml": the operator wrote the links down.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_source_kinds.h"
#include "topology/link_sources.h"

namespace cleave {

absl::StatusOr<std::vector<Link>> ReadTomlLinks(const LinkInput& input, std::vector<Oddity>& oddities) {
  const LinkSource& source = input.source;
  const Inventory& inventory = input.inventory;
  std::map<std::pair<size_t, size_t>, double> widths;      // by direction
  std::map<std::pair<size_t, size_t>, SourcePos> written;  // where first
  std::vector<std::string> known;
  for (const Card& card : inventory.cards) known.push_back(card.id);
  auto find = [&](const std::string& name, const SourcePos& pos) {
    const int card = FindCard(inventory, name);
    if (card < 0 && !name.empty()) {  // an empty name was an error
      oddities.push_back({ToString(pos), fmt::format("link: no card, or more than one, is called '{}'{}",
                                                     name, NearOrAll(name, known))});
    }
    return card;
  };
  for (const LinkSource::Pair& pair : source.pairs) {
    const int from = find(pair.from, pair.from_pos);
    const int to = find(pair.to, pair.to_pos);
    if (from < 0 || to < 0) continue;
    if (from == to) {
      oddities.push_back(
          {ToString(pair.pos), fmt::format("link: '{}' and '{}' are one card", pair.from, pair.to)});
      continue;
    }
    const std::pair<size_t, size_t> ends(from, to);
    widths[ends] += pair.width;
    written.try_emplace(ends, pair.pos);
  }
  std::vector<Link> links;
  for (const auto& [ends, width] : widths) {
    auto [from, to] = ends;
    Link link{.from = std::min(from, to), .to = std::max(from, to), .kind = source.kind, .width = width};
    // Written in both directions it is one link, not two. Of two widths the smaller is sure.
    if (auto back = widths.find({to, from}); back != widths.end()) {
      if (from > to) continue;
      if (back->second != width) {
        oddities.push_back({ToString(written.at({to, from})),
                            fmt::format("link: {} to {} has width {:g}, back it has {:g}; taken as {:g}",
                                        inventory.cards[from].id, inventory.cards[to].id, width, back->second,
                                        std::min(width, back->second))});
      }
      link.width = std::min(width, back->second);
    }
    links.push_back(std::move(link));
  }
  return links;
}

}  // namespace cleave
