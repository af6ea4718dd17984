// SPDX-License-Identifier: Apache-2.0
// The GPUs that the kernel's compute driver shows, and XGMI between them, as plain values. Private to
// src/topology.
//
//   nodes/<n>/properties                simd_count, location_id, domain, drm_render_minor
//   nodes/<n>/io_links/<i>/properties   type, node_to, weight, min_bandwidth, max_bandwidth
//   nodes/<n>/p2p_links/<i>/properties  the same, for ways that lead through a CPU
//
// Each file has lines "name number". A node is a CPU or, with simd_count > 0, a GPU or a piece of one. Source
// of the format: linux drivers/gpu/drm, kfd_topology.c (what is shown), kfd_crat.c and amdgpu_xgmi.c (what
// the numbers mean).
#ifndef CLEAVE_TOPOLOGY_KFD_TOPOLOGY_H_
#define CLEAVE_TOPOLOGY_KFD_TOPOLOGY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "discovery/inventory.h"

namespace cleave {

struct KfdTopology {
  // A card: one node, or those of its pieces.
  struct Gpu {
    PciAddress pci;                      // function 0
    std::vector<int64_t> render_minors;  // of the card or its pieces
    bool has_all = true;                 // false: not all of its links could be read
    // XGMI by the index of the other GPU: links side by side, divided by the number of hops. With its own
    // index: among its pieces.
    std::map<size_t, double> xgmi;
  };
  std::string place;                  // the directory of the nodes, "/sys/class/..."
  std::vector<Gpu> gpus;              // by address
  std::vector<std::string> problems;  // what could not be read or made no sense; the rest counts
};

// Fails when there is no topology, or an absurdly large one.
absl::StatusOr<KfdTopology> ReadKfdTopology(const HostRoot& root);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_KFD_TOPOLOGY_H_
