// SPDX-License-Identifier: Apache-2.0
#include "server/messages.h"

#include <fmt/core.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/resource_spec.h"
#include "policy/plan.h"
#include "proto/deviceplugin_v1beta1.pb.h"
#include "server/snapshot.h"

namespace cleave {
namespace {

// The shortest list that no kubelet takes begins with one that it does: how many units fit, taking the first
// share of every card, then the second, and so on.
std::string WhatFits(const Resource& resource) {
  size_t bytes = 0;
  size_t fit = 0;
  if (resource.unit != UnitKind::kShare) {
    for (const Unit& unit : resource.units) {
      bytes += BytesInList(unit);
      if (bytes > kLongestMessage) break;
      ++fit;
    }
    return fmt::format("at most {} fit", fit);
  }
  std::vector<size_t> by_index;
  std::set<size_t> cards;
  for (const Unit& unit : resource.units) {
    auto index = static_cast<size_t>(unit.share->index);
    if (by_index.size() <= index) by_index.resize(index + 1);
    by_index[index] += BytesInList(unit);
    cards.insert(unit.cards.front());
  }
  while (fit < by_index.size() && bytes + by_index[fit] <= kLongestMessage) bytes += by_index[fit++];
  return fmt::format("at most {} shares of each of its {} cards fit", fit, cards.size());
}

}  // namespace

size_t BytesInList(const Unit& unit) {
  v1beta1::ListAndWatchResponse message;
  FillList({{unit.id, false, unit.numa_nodes}}, message);
  return message.ByteSizeLong();
}

void FillList(const std::vector<ListedDevice>& devices, v1beta1::ListAndWatchResponse& message) {
  message.Clear();
  for (const ListedDevice& device : devices) {
    v1beta1::Device* line = message.add_devices();
    line->set_id(device.id);
    line->set_health(device.healthy ? "Healthy" : "Unhealthy");
    for (int node : device.numa_nodes) line->mutable_topology()->add_nodes()->set_id(node);
  }
}

std::vector<std::string> DeviceIds(const v1beta1::AllocateRequest& request) {
  std::vector<std::string> ids;
  for (const auto& container : request.container_requests())
    ids.insert(ids.end(), container.devices_ids().begin(), container.devices_ids().end());
  return ids;
}

void FillContainer(const ContainerEdits& edits, v1beta1::ContainerAllocateResponse& message) {
  for (const auto& [name, value] : edits.env) (*message.mutable_envs())[name] = value;
  for (const auto& [name, value] : edits.annotations) (*message.mutable_annotations())[name] = value;
  for (const ContainerEdits::Mount& mount : edits.mounts) {
    v1beta1::Mount* line = message.add_mounts();
    line->set_host_path(mount.host);
    line->set_container_path(mount.container);
    line->set_read_only(mount.read_only);
  }
  for (const std::string& path : edits.devices) {
    v1beta1::DeviceSpec* line = message.add_devices();
    line->set_host_path(path);
    line->set_container_path(path);
    auto permissions = edits.permissions.find(path);
    line->set_permissions(permissions == edits.permissions.end() ? "rw" : permissions->second);
  }
  for (const std::string& name : edits.cdi_devices) message.add_cdi_devices()->set_name(name);
}

void CheckListSizes(const Plan& plan, Diagnostics& diagnostics) {
  for (const Resource& resource : plan.resources) {
    size_t bytes = 0;
    for (const Unit& unit : resource.units) {
      if (!unit.gone) bytes += BytesInList(unit);
    }
    if (bytes <= kLongestMessage) continue;
    diagnostics.Error(
        resource.pos,
        fmt::format("the list of the {} devices of {} has {} bytes, and the kubelet takes {} in one "
                    "message: {}",
                    resource.units.size(), resource.name, bytes, kLongestMessage, WhatFits(resource)));
  }
}

}  // namespace cleave
