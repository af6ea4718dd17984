// SPDX-License-Identifier: Apache-2.0
#include "topology/cluster_descriptor.h"

#include <fmt/core.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/yaml_reader.h"

namespace cleave {
namespace {

using Kind = YamlNode::Kind;
using ChipId = ClusterDescriptor::ChipId;

constexpr size_t kMostChips = 4096;  // the largest host has 32

absl::Status Wrong(const YamlNode& node, const std::string& text) {
  return absl::InvalidArgumentError(fmt::format("line {}: {}", node.line, text));
}

// A key without a value counts as an empty list or map.
absl::Status Need(const YamlNode& node, Kind kind, std::string_view what) {
  if (node.kind == kind || (node.kind == Kind::kNull && kind != Kind::kScalar)) return absl::OkStatus();
  std::string_view name = kind == Kind::kList ? "a list" : kind == Kind::kMap ? "a map" : "one value";
  return Wrong(node, fmt::format("{} must be {}", what, name));
}

absl::StatusOr<int> ToNumber(const YamlNode& node, std::string_view what) {
  CLEAVE_RETURN_IF_ERROR(Need(node, Kind::kScalar, what));
  std::optional<int64_t> value = ParseInt(node.scalar);
  if (!value || *value < 0 || *value > std::numeric_limits<int>::max()) {
    return Wrong(node, fmt::format("{} must be a number from 0 to {}, not '{}'", what,
                                   std::numeric_limits<int>::max(), node.scalar.substr(0, 40)));
  }
  return static_cast<int>(*value);
}

// "chips:" and the like: chip -> value, each checked by `read`.
template <typename Read>
absl::Status ForEachChip(const YamlNode& top, std::string_view key, Read read) {
  const YamlNode* map = top.Find(key);
  if (map == nullptr) return absl::OkStatus();
  CLEAVE_RETURN_IF_ERROR(Need(*map, Kind::kMap, key));
  for (size_t i = 0; i < map->keys.size(); ++i) {
    CLEAVE_ASSIGN_OR_RETURN(ChipId chip, ToNumber(map->keys[i], fmt::format("a chip in {}", key)));
    CLEAVE_RETURN_IF_ERROR(read(chip, map->items[i]));
  }
  return absl::OkStatus();
}

absl::Status ReadMmio(const YamlNode& top, ClusterDescriptor& result) {
  const YamlNode* list = top.Find("chips_with_mmio");
  if (list == nullptr) return Wrong(top, "this is no cluster descriptor: there is no 'chips_with_mmio'");
  CLEAVE_RETURN_IF_ERROR(Need(*list, Kind::kList, "chips_with_mmio"));
  for (const YamlNode& item : list->items) {
    CLEAVE_RETURN_IF_ERROR(Need(item, Kind::kMap, "an item of chips_with_mmio"));
    for (size_t i = 0; i < item.keys.size(); ++i) {
      CLEAVE_ASSIGN_OR_RETURN(ChipId id, ToNumber(item.keys[i], "a chip in chips_with_mmio"));
      CLEAVE_ASSIGN_OR_RETURN(int ordinal, ToNumber(item.items[i], "a device number in chips_with_mmio"));
      ClusterDescriptor::Chip& chip = result.chips[id];
      chip.has_mmio = true;
      chip.ordinal = ordinal;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ToBoardId(const YamlNode& node) {
  CLEAVE_RETURN_IF_ERROR(Need(node, Kind::kScalar, "board_id"));
  uint64_t id = 0;  // the highest bit may be set
  const char* end = node.scalar.data() + node.scalar.size();
  auto [stop, error] = std::from_chars(node.scalar.data(), end, id);
  if (error != std::errc() || stop != end) {
    return Wrong(node,
                 fmt::format("board_id must be a number of 64 bits, not '{}'", node.scalar.substr(0, 40)));
  }
  return id;
}

// A board is a list of maps of one entry each: board_id, board_type, chips.
absl::Status ReadBoard(const YamlNode& board, ClusterDescriptor& result) {
  CLEAVE_RETURN_IF_ERROR(Need(board, Kind::kList, "an item of boards"));
  std::optional<uint64_t> id;
  std::vector<ChipId> chips;
  for (const YamlNode& part : board.items) {
    CLEAVE_RETURN_IF_ERROR(Need(part, Kind::kMap, "a part of a board"));
    if (const YamlNode* value = part.Find("board_id")) {
      CLEAVE_ASSIGN_OR_RETURN(id, ToBoardId(*value));
    }
    if (const YamlNode* list = part.Find("chips")) {
      CLEAVE_RETURN_IF_ERROR(Need(*list, Kind::kList, "chips of a board"));
      for (const YamlNode& item : list->items) {
        CLEAVE_ASSIGN_OR_RETURN(ChipId chip, ToNumber(item, "a chip of a board"));
        chips.push_back(chip);
      }
    }
  }
  if (!id) return Wrong(board, "a board without board_id");
  for (ChipId chip : chips) {
    std::optional<uint64_t>& of = result.chips[chip].board;
    if (of && *of != *id) return Wrong(board, fmt::format("chip {} is on two boards", chip));
    of = *id;
  }
  return absl::OkStatus();
}

absl::Status ReadBoards(const YamlNode& top, ClusterDescriptor& result) {
  const YamlNode* list = top.Find("boards");
  if (list == nullptr) return absl::OkStatus();
  CLEAVE_RETURN_IF_ERROR(Need(*list, Kind::kList, "boards"));
  for (const YamlNode& board : list->items) CLEAVE_RETURN_IF_ERROR(ReadBoard(board, result));
  return absl::OkStatus();
}

// What is known of chips beside that they exist. Chips named here only do not exist.
absl::Status ReadChipFacts(const YamlNode& top, ClusterDescriptor& result) {
  auto find = [&result](ChipId id) {
    auto found = result.chips.find(id);
    return found == result.chips.end() ? nullptr : &found->second;
  };
  CLEAVE_RETURN_IF_ERROR(
      ForEachChip(top, "asic_locations", [&](ChipId id, const YamlNode& value) -> absl::Status {
        CLEAVE_ASSIGN_OR_RETURN(int location, ToNumber(value, "a value of asic_locations"));
        if (auto* chip = find(id)) chip->asic_location = location;
        return absl::OkStatus();
      }));
  CLEAVE_RETURN_IF_ERROR(
      ForEachChip(top, "chip_to_bus_id", [&](ChipId id, const YamlNode& value) -> absl::Status {
        CLEAVE_ASSIGN_OR_RETURN(int bus, ToNumber(value, "a value of chip_to_bus_id"));
        if (auto* chip = find(id)) chip->bus = static_cast<uint32_t>(bus);
        return absl::OkStatus();
      }));
  return ForEachChip(top, "chip_pci_bdfs", [&](ChipId id, const YamlNode& value) -> absl::Status {
    CLEAVE_RETURN_IF_ERROR(Need(value, Kind::kScalar, "a value of chip_pci_bdfs"));
    std::optional<PciAddress> pci = PciAddress::Parse(value.scalar);
    if (!pci) {
      return Wrong(value, fmt::format("a value of chip_pci_bdfs must be a PCI address, not '{}'",
                                      value.scalar.substr(0, 40)));
    }
    if (auto* chip = find(id)) chip->pci = *pci;
    return absl::OkStatus();
  });
}

absl::StatusOr<ClusterDescriptor::End> ToEnd(const YamlNode& node) {
  CLEAVE_RETURN_IF_ERROR(Need(node, Kind::kMap, "an end of a connection"));
  const YamlNode* chip = node.Find("chip");
  const YamlNode* channel = node.Find("chan");
  if (chip == nullptr || channel == nullptr)
    return Wrong(node, "an end of a connection needs 'chip' and 'chan'");
  ClusterDescriptor::End end;
  CLEAVE_ASSIGN_OR_RETURN(end.chip, ToNumber(*chip, "chip"));
  CLEAVE_ASSIGN_OR_RETURN(end.channel, ToNumber(*channel, "chan"));
  return end;
}

absl::Status ReadEthernet(const YamlNode& top, ClusterDescriptor& result) {
  const YamlNode* list = top.Find("ethernet_connections");
  if (list == nullptr) return Wrong(top, "this is no cluster descriptor: there is no 'ethernet_connections'");
  CLEAVE_RETURN_IF_ERROR(Need(*list, Kind::kList, "ethernet_connections"));
  std::set<std::pair<ClusterDescriptor::End, ClusterDescriptor::End>>
      connections;  // either direction, written once or twice
  for (const YamlNode& item : list->items) {
    CLEAVE_RETURN_IF_ERROR(Need(item, Kind::kList, "an item of ethernet_connections"));
    // A third part may say whether routing is enabled.
    if (item.items.size() < 2) return Wrong(item, "a connection needs two ends");
    CLEAVE_ASSIGN_OR_RETURN(ClusterDescriptor::End a, ToEnd(item.items[0]));
    CLEAVE_ASSIGN_OR_RETURN(ClusterDescriptor::End b, ToEnd(item.items[1]));
    connections.insert(a < b ? std::pair(a, b) : std::pair(b, a));
  }
  result.ethernet.assign(connections.begin(), connections.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClusterDescriptor> ParseClusterDescriptor(const std::string& text) {
  CLEAVE_ASSIGN_OR_RETURN(YamlNode top, ParseYaml(text));
  if (top.kind != Kind::kMap) return Wrong(top, "this is no cluster descriptor: it must be a map");
  ClusterDescriptor result;
  CLEAVE_RETURN_IF_ERROR(ForEachChip(top, "arch", [&](ChipId id, const YamlNode& /*name*/) {
    result.chips.try_emplace(id);
    return absl::OkStatus();
  }));
  CLEAVE_RETURN_IF_ERROR(ReadMmio(top, result));
  CLEAVE_RETURN_IF_ERROR(ReadBoards(top, result));
  if (result.chips.size() > kMostChips) return Wrong(top, fmt::format("more than {} chips", kMostChips));
  CLEAVE_RETURN_IF_ERROR(ReadChipFacts(top, result));
  CLEAVE_RETURN_IF_ERROR(ReadEthernet(top, result));
  return result;
}

}  // namespace cleave
