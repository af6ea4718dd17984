// SPDX-License-Identifier: Apache-2.0
// The readers behind the table of link sources, and what they share. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_LINK_SOURCE_KINDS_H_
#define CLEAVE_TOPOLOGY_LINK_SOURCE_KINDS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_sources.h"

namespace cleave {

// For each see LinkSourceKind::read.
absl::StatusOr<std::vector<Link>> ReadTomlLinks(const LinkInput& input, std::vector<Oddity>& oddities);
absl::StatusOr<std::vector<Link>> ReadTtClusterDescriptor(const LinkInput& input,
                                                          std::vector<Oddity>& oddities);
absl::StatusOr<std::vector<Link>> ReadKfdLinks(const LinkInput& input, std::vector<Oddity>& oddities);
absl::StatusOr<std::vector<Link>> ReadNcclXml(const LinkInput& input, std::vector<Oddity>& oddities);
absl::StatusOr<std::vector<Link>> ReadMatrix(const LinkInput& input, std::vector<Oddity>& oddities);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_LINK_SOURCE_KINDS_H_
