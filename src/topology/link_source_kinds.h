// SPDX-License-Identifier: Apache-2.0
// The readers behind the table of link sources, and what they share. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_LINK_SOURCE_KINDS_H_
#define CLEAVE_TOPOLOGY_LINK_SOURCE_KINDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/config.h"
#include "discovery/inventory.h"
#include "topology/graph.h"

namespace cleave {

// For each see LinkSourceKind::read.
absl::StatusOr<std::vector<Link>> ReadTomlLinks(const LinkSource& source, const std::string& text,
                                                const Inventory& inventory, std::vector<Oddity>& oddities);
absl::StatusOr<std::vector<Link>> ReadTtClusterDescriptor(const LinkSource& source, const std::string& text,
                                                          const Inventory& inventory, std::vector<Oddity>& oddities);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_LINK_SOURCE_KINDS_H_
