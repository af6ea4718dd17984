// SPDX-License-Identifier: Apache-2.0
// A topology file of NCCL or RCCL as plain values. Private to src/topology.
//
//   <system> <cpu> <pci busid class> ... <pci busid class> <gpu> <nvlink target count tclass/> <xgmi target
//   count/> </gpu>
//
// Source of the format: NCCL src/graph/xml.cc (what is written) and topo.cc (what it means).
#ifndef CLEAVE_TOPOLOGY_NCCL_TOPOLOGY_H_
#define CLEAVE_TOPOLOGY_NCCL_TOPOLOGY_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "discovery/inventory.h"

namespace cleave {

struct NcclTopology {
  struct Gpu {
    std::map<std::pair<std::string, PciAddress>, int>
        links;                               // to another GPU: kind ("nvlink", "xgmi") and address, count
    std::map<std::string, int> to_switches;  // by kind, all switches together
  };
  std::map<PciAddress, Gpu> gpus;     // those with a <gpu>
  std::vector<std::string> problems;  // what made no sense; the rest counts
};

// INVALID_ARGUMENT, "line 12: ..." for what is no topology.
absl::StatusOr<NcclTopology> ParseNcclTopology(const std::string& text);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_NCCL_TOPOLOGY_H_
