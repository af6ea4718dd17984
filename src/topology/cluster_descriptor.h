// SPDX-License-Identifier: Apache-2.0
// A tt-umd cluster descriptor as plain values. Private to src/topology.
// Source of the format: tt-umd docs/yaml_schemas/cluster_descriptor.yaml; examples in its
// tests/cluster_descriptor_examples.
#ifndef CLEAVE_TOPOLOGY_CLUSTER_DESCRIPTOR_H_
#define CLEAVE_TOPOLOGY_CLUSTER_DESCRIPTOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "discovery/inventory.h"

namespace cleave {

struct ClusterDescriptor {
  using ChipId = int;  // counted by the program that wrote the file, nothing on the machine has it

  struct Chip {
    bool has_mmio = false;             // has a PCIe endpoint of its own
    std::optional<int> ordinal;        // number of its device node when the file was written
    std::optional<PciAddress> pci;     // newer files only
    std::optional<uint32_t> bus;       // of its endpoint, or of the one it is reached through
    std::optional<int> asic_location;  // place on its board
    std::optional<uint64_t> board;     // the serial that the driver shows, as a number
  };
  struct End {
    ChipId chip = 0;
    int channel = 0;
    auto operator<=>(const End&) const = default;
  };

  std::map<ChipId, Chip> chips;               // those that arch, boards or chips_with_mmio name
  std::vector<std::pair<End, End>> ethernet;  // inside this host, each connection once, first < second
};

// INVALID_ARGUMENT, "line 12: ..." for what is no descriptor. Keys that are not needed here are not looked
// at.
absl::StatusOr<ClusterDescriptor> ParseClusterDescriptor(const std::string& text);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_CLUSTER_DESCRIPTOR_H_
