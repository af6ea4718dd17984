// SPDX-License-Identifier: Apache-2.0
// What readers of links share: which card is meant, and what two directions of one link say. Private to
// src/topology.
#ifndef CLEAVE_TOPOLOGY_LINK_JOINING_H_
#define CLEAVE_TOPOLOGY_LINK_JOINING_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "discovery/inventory.h"

namespace cleave {

// What is odd about one source. A source that has nothing to do with this machine complains of everything in
// it, so only the first few are told, and how many there are more.
class Complaints {
 public:
  explicit Complaints(std::string subject) : subject_(std::move(subject)) {}
  void Add(std::string text);
  // Once, at the end.
  void MoveTo(std::vector<Oddity>& oddities);

 private:
  std::string subject_;
  std::vector<std::string> texts_;  // the first few
  size_t count_ = 0;
};

// Indices into Inventory::cards, pieces of one card side by side. Cards without an address are left out.
std::map<PciAddress, std::vector<size_t>> CardsByAddress(const Inventory& inventory);

// Widths by what they join; from < to where a link has no direction.
using Widths = std::map<std::pair<size_t, size_t>, double>;

// One width for each pair, of what each end says of its link to the other. Where both ends `speak` (by end)
// the smaller width counts, which is none at all when one of them shows no link; the difference is complained
// of once. An end that does not speak is believed to agree. Of an end with itself the width stays as it is.
// `name` is what to call an end.
Widths BothWays(const Widths& by_direction, const std::vector<bool>& speaks,
                const std::function<std::string(size_t)>& name, Complaints& complaints);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_LINK_JOINING_H_
