// SPDX-License-Identifier: Apache-2.0
#include "server/allocate.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/choose_units.h"
#include "policy/plan.h"
#include "server/cdi_specs.h"
#include "server/snapshot.h"

namespace cleave {
namespace {

// True when the path goes through a PCI function, and not through this one.
bool LeadsElsewhere(const std::string& path, const std::string& address) {
  std::vector<std::string> parts = Split(path, '/');
  return std::find(parts.begin(), parts.end(), address) == parts.end() &&
         std::any_of(parts.begin(), parts.end(),
                     [](const std::string& part) { return PciAddress::Parse(part).has_value(); });
}

// A captured /sys alone says nothing about device nodes.
bool LacksNode(const HostRoot& root, const std::string& path) {
  return !root.Exists(path) && root.Exists("dev");
}

absl::Status CheckEntry(const HostRoot& root, const Card& card) {
  if (card.entry.find('/') == std::string::npos) return absl::OkStatus();  // one of a fixed number
  // One readlink(2) is enough where the entry has a device link, as most class entries have.
  absl::StatusOr<std::string> device = root.ReadLink(card.entry + "/device");
  if (!card.address.empty() && device.ok() && BaseName(*device) == card.address) return absl::OkStatus();
  absl::StatusOr<std::string> resolved = root.Resolve(card.entry + (device.ok() ? "/device" : ""));
  if (!resolved.ok() || !root.Exists(card.entry))
    return absl::AbortedError(fmt::format("/{} is not there", card.entry));
  if (card.address.empty() || !LeadsElsewhere(*resolved, card.address)) return absl::OkStatus();
  return absl::AbortedError(fmt::format("/{} does not lead to {}", card.entry, card.address));
}

// OK with `keep` false when the mount is left out.
absl::Status CheckMount(const HostRoot& root, const ContainerEdits::Mount& mount, bool& keep) {
  keep = root.Exists(mount.host);
  std::string problem = keep ? "" : "is not there";
  if (keep && !mount.file_system.empty()) {
    absl::StatusOr<std::string> type = root.MountTypeAt(mount.host);
    keep = type.ok() && *type == mount.file_system;
    if (!keep) problem = fmt::format("has no {} mounted on it", mount.file_system);
  }
  if (keep || mount.optional) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("mount of {}: the host's directory {}", mount.host, problem));
}

// Whether the host has what a container is to get; leaves out what it may lack.
absl::Status CheckHost(const HostRoot& root, ContainerEdits& edits) {
  std::vector<ContainerEdits::Mount> mounts;
  for (ContainerEdits::Mount& mount : edits.mounts) {
    bool keep = false;
    CLEAVE_RETURN_IF_ERROR(CheckMount(root, mount, keep));
    if (keep) mounts.push_back(std::move(mount));
  }
  edits.mounts = std::move(mounts);
  for (const std::string& path : edits.devices) {
    if (LacksNode(root, path))
      return absl::AbortedError(fmt::format("the device node {} is not there", path));
  }
  return absl::OkStatus();
}

// Names of CDI devices in place of their nodes, in the order of the units. A container must never start
// without: so the file is looked at first, and written again if need be.
absl::Status UseCdi(const Snapshot& snapshot, const Resource& resource, const std::vector<const Unit*>& units,
                    ContainerEdits& edits) {
  CdiMode mode = CdiModeOf(*snapshot.plan, resource);
  if (mode != CdiMode::kField && mode != CdiMode::kAnnotation) return absl::OkStatus();
  if (snapshot.cdi == nullptr) return absl::FailedPreconditionError("CDI is not served");
  const std::string& kind = resource.container.cdi->kind;
  CLEAVE_RETURN_IF_ERROR(snapshot.cdi->Ensure(kind));
  std::vector<std::string> names;
  for (const Unit* unit : units) {
    if (unit->device_nodes.empty()) continue;
    std::string name = fmt::format("{}={}", kind, CdiDeviceName(*snapshot.plan, *unit));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  edits.devices.clear();
  if (mode == CdiMode::kField) {
    edits.cdi_devices = std::move(names);
  } else if (!names.empty()) {
    // One key for each resource: containers may have several (pkg/cdi/annotations.go).
    std::string key = resource.name;
    std::replace(key.begin(), key.end(), '/', '_');
    edits.annotations["cdi.k8s.io/" + key.substr(0, 63)] = Join(names, ",");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCard(const HostRoot& root, const Card& card) {
  CLEAVE_RETURN_IF_ERROR(Annotate(CheckEntry(root, card), "card " + card.id));
  for (const auto& [role, path] : card.nodes) {
    if (LacksNode(root, path)) {
      return absl::AbortedError(fmt::format("card {}: its device node {} is not there", card.id, path));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ContainerEdits> AllocateContainer(const Snapshot& snapshot, const HostRoot& root,
                                                 const std::vector<std::string>& ids) {
  const Resource* resource = snapshot.Find();
  if (resource == nullptr) return absl::NotFoundError(snapshot.resource + " is not offered any more");
  CLEAVE_ASSIGN_OR_RETURN(ContainerEdits edits, MakeEdits(*snapshot.plan, *resource, ids));
  CLEAVE_ASSIGN_OR_RETURN(std::vector<const Unit*> units, FindUnits(*resource, ids));
  if (resource->strict) {
    if (std::string why = BreaksSameCard(*snapshot.plan, *resource, units); !why.empty())
      return absl::FailedPreconditionError(fmt::format("devices of {}: {}", resource->name, why));
  }
  std::set<size_t> checked;
  for (const Unit* unit : units) {
    for (size_t card : unit->cards) {
      if (!checked.insert(card).second) continue;
      CLEAVE_RETURN_IF_ERROR(
          Annotate(CheckCard(root, snapshot.plan->inventory->cards[card]), "device " + unit->id));
    }
  }
  std::string all = Join(ids, ",");
  CLEAVE_RETURN_IF_ERROR(Annotate(CheckHost(root, edits), "device " + all));
  CLEAVE_RETURN_IF_ERROR(Annotate(UseCdi(snapshot, *resource, units, edits), "device " + all));
  return edits;
}

std::vector<Refusal> FindRefusals(const Plan& plan, const HostRoot& root) {
  std::vector<Refusal> found;
  for (const Resource& resource : plan.resources) {
    std::map<std::string, size_t> by_reason;  // entries of `found`
    const Unit* before = nullptr;
    std::optional<size_t> of_before;
    for (const Unit& unit : resource.units) {
      // The shares of a card are alike.
      bool again = before != nullptr && !unit.cards.empty() && before->cards == unit.cards;
      before = &unit;
      if (again && of_before && unit.health != Health::kUnhealthy) ++found[*of_before].more;
      if (again) continue;
      of_before.reset();
      if (unit.health == Health::kUnhealthy) continue;
      absl::StatusOr<ContainerEdits> edits = MakeEdits(plan, resource, {unit.id});
      absl::Status status = edits.ok() ? CheckHost(root, *edits) : edits.status();
      if (status.ok()) continue;
      std::string reason = MessageOf(status);
      auto [place, added] = by_reason.try_emplace(reason, found.size());
      of_before = place->second;
      if (added) {
        found.push_back({.resource = resource.name, .device = unit.id, .reason = std::move(reason)});
      } else {
        ++found[place->second].more;
      }
    }
  }
  return found;
}

bool IsWorthARescan(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsNotFound(status);
}

}  // namespace cleave
