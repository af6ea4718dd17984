// SPDX-License-Identifier: Apache-2.0
#include "discovery/inventory.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/host_root.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"

namespace cleave {
namespace {

std::optional<AttributeValue> PciValue(std::string_view name, const PciFunction& function) {
  auto hex = [](std::optional<int> value, int digits) -> std::optional<AttributeValue> {
    if (!value) return std::nullopt;
    return fmt::format("0x{:0{}x}", *value, digits);
  };
  auto text = [](const std::string& value) -> std::optional<AttributeValue> {
    if (value.empty()) return std::nullopt;
    return value;
  };
  if (name == "address") return function.address;
  if (name == "vendor") return hex(function.vendor, 4);
  if (name == "device") return hex(function.device, 4);
  if (name == "class") return hex(function.class_code, 6);
  if (name == "driver") return text(function.driver);
  if (name == "iommu_group") return text(function.iommu_group);
  if (name == "iommu_peers") return static_cast<int64_t>(function.iommu_peers.size());
  if (name == "physfn") return text(function.physfn);
  if (name == "numa_node" && function.numa_node) return static_cast<int64_t>(*function.numa_node);
  return std::nullopt;
}

// How many functions of its IOMMU group a driver of the host's own holds: then the group is not viable.
// Source: kernel Documentation/driver-api/vfio.rst; drivers/vfio/vfio_main.c and the vfio-pci variants in
// drivers/vfio/pci, all of which have "vfio" in their name.
int64_t Foreign(const PciFunction& function, const Inventory& inventory) {
  return std::count_if(function.iommu_peers.begin(), function.iommu_peers.end(),
                       [&](const std::string& address) {
                         const PciFunction* peer = inventory.Function(address);
                         return peer != nullptr && !peer->driver.empty() && peer->driver != "pci-stub" &&
                                peer->driver.find("vfio") == std::string::npos;
                       });
}

std::optional<AttributeValue> ValueOf(const std::string& name, const Card& card, const Inventory& inventory,
                                      const std::map<std::string, std::string>* settings) {
  if (auto found = card.attributes.find(name); found != card.attributes.end()) return found->second;
  if (name.starts_with("pci.")) {
    const PciFunction* function = inventory.Function(card.address);
    if (function != nullptr && name == "pci.iommu_foreign") return Foreign(*function, inventory);
    return function == nullptr ? std::nullopt : PciValue(std::string_view(name).substr(4), *function);
  }
  if (const std::string* value = SettingOf(settings, name)) return *value;
  if (name.starts_with("nodes.")) {
    for (const auto& [role, path] : card.nodes) {
      if (role == std::string_view(name).substr(6)) return path;
    }
    return std::nullopt;
  }
  if (name == "id" || name == "card") return card.id;
  if (name == "name") return BaseName(card.entry);
  if (name == "profile") return card.profile;
  if (name == "kind") return card.kind;
  if (name == "path") return "/" + card.entry;
  if (name == "pieces") return static_cast<int64_t>(card.pieces);
  if (name == "index") return static_cast<int64_t>(card.index);
  if (name == "piece") return static_cast<int64_t>(card.piece);
  if (name == "address" && !card.address.empty()) return card.address;
  if (name == "board" && !card.board.empty()) return card.board;
  if (name == "numa" && card.numa_nodes.size() == 1) return static_cast<int64_t>(card.numa_nodes.front());
  return std::nullopt;
}

}  // namespace

std::optional<PciAddress> PciAddress::Parse(std::string_view text) {
  size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::vector<std::string> parts = Split(text.substr(0, dot), ':');
  std::string_view last = text.substr(dot + 1);
  if (parts.size() != 3 || parts[0].size() < 4 || parts[0].size() > 8 || parts[1].size() != 2 ||
      parts[2].size() != 2 || last.size() != 1) {
    return std::nullopt;
  }
  std::optional<uint64_t> domain = ParseHex(parts[0]);
  std::optional<uint64_t> bus = ParseHex(parts[1]);
  std::optional<uint64_t> device = ParseHex(parts[2]);
  std::optional<uint64_t> function = ParseHex(last);
  if (!domain || !bus || !device || !function || *device > 31 || *function > 7) return std::nullopt;
  return PciAddress{static_cast<uint32_t>(*domain), static_cast<uint32_t>(*bus),
                    static_cast<uint32_t>(*device), static_cast<uint32_t>(*function)};
}

std::string PciAddress::ToString() const {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, device, function);
}

std::string ToString(Health health) {
  switch (health) {
    case Health::kHealthy:
      return "healthy";
    case Health::kUnhealthy:
      return "unhealthy";
    case Health::kUnknown:
      return "unknown";
  }
  return "unknown";
}

const PciFunction* Inventory::Function(std::string_view address) const {
  std::optional<PciAddress> pci = PciAddress::Parse(address);
  if (!pci) return nullptr;
  auto found = std::lower_bound(
      functions.begin(), functions.end(), *pci,
      [](const PciFunction& function, const PciAddress& wanted) { return function.pci < wanted; });
  return found != functions.end() && found->pci == *pci ? &*found : nullptr;
}

const NumaNode* Inventory::Node(int id) const {
  auto found = std::find_if(numa_nodes.begin(), numa_nodes.end(),
                            [id](const NumaNode& node) { return node.id == id; });
  return found == numa_nodes.end() ? nullptr : &*found;
}

Condition::Lookup CardLookup(const Card& card, const Inventory& inventory,
                             const std::map<std::string, std::string>* settings) {
  return [&card, &inventory, settings](const std::string& name) {
    return ValueOf(name, card, inventory, settings);
  };
}

TextTemplate::Lookup CardTextLookup(const Card& card, const Inventory& inventory,
                                    const std::map<std::string, std::string>* settings) {
  return [&card, &inventory, settings](const std::string& name) -> std::optional<std::string> {
    std::optional<AttributeValue> value = ValueOf(name, card, inventory, settings);
    return value ? std::optional<std::string>(ToText(*value)) : std::nullopt;
  };
}

}  // namespace cleave
