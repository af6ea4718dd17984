// SPDX-License-Identifier: Apache-2.0
#include "server/machine_watch.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/host_root.h"
#include "config/config.h"
#include "config/link_source.h"
#include "config/profile.h"
#include "config/text_template.h"
#include "discovery/inventory.h"
#include "server/file_watcher.h"

namespace cleave {
namespace {

// Directories, and how the names of interest in them begin.
using Prefixes = std::map<std::string, std::set<std::string>>;

std::vector<FileWatcher::Want> WantsOf(const Prefixes& directories, bool contents) {
  std::vector<FileWatcher::Want> wants;
  for (const auto& [directory, names] : directories) {
    FileWatcher::Want want{directory, {names.begin(), names.end()}, contents};
    if (names.contains("")) want.prefixes.clear();
    wants.push_back(std::move(want));
  }
  return wants;
}

// "/dev/vfio/{group}" is in /dev/vfio, and its name begins with nothing known.
void AddNode(const std::string& source, Prefixes& directories) {
  std::string literal = source.substr(0, source.find('{'));
  size_t slash = literal.rfind('/');
  if (slash == std::string::npos) return;
  directories[literal.substr(0, slash)].insert(literal.substr(slash + 1));
}

// "/sys/class/fpga/*/port.*" is in /sys/class/fpga as far as can be said without looking.
void AddPattern(const std::string& source, Prefixes& directories) {
  AddNode(source.substr(0, source.find_first_of("*?[")), directories);
}

}  // namespace

std::vector<FileWatcher::Want> MachineWants(const HostRoot& root, const Settings& settings,
                                            const Inventory& inventory) {
  if (!root.live()) return {};
  Prefixes in_root = {{"sys/bus/pci/devices", {""}}};
  for (const Profile& profile : settings.profiles) {
    if (!settings.Active(profile)) continue;
    for (const Entries& entries : profile.entries) {
      if (!entries.class_name.empty()) in_root["sys/class/" + entries.class_name].insert("");
      if (entries.usb) in_root["sys/bus/usb/devices"].insert("");
      for (const TextTemplate& path : entries.paths) AddPattern(path.source(), in_root);
      for (const NodeSpec& node : entries.nodes) AddNode(node.path.source(), in_root);
      for (const Requirement& need : entries.require) AddPattern(need.file.source(), in_root);
    }
  }
  for (const Card& card : inventory.cards) {
    for (const auto& [role, path] : card.nodes) AddNode(path, in_root);
  }
  Prefixes directories;
  for (auto& [directory, names] : in_root) {
    std::string here = root.WatchPath(directory);
    if (!here.empty()) directories[here].insert(names.begin(), names.end());
  }
  return WantsOf(directories, false);
}

std::vector<FileWatcher::Want> ConfigWants(const Settings& settings, const LoadOptions& options) {
  Prefixes directories;
  auto add_file = [&](const std::string& file) {
    std::filesystem::path path = std::filesystem::absolute(file);
    std::set<std::string>& names = directories[path.parent_path().string()];
    names.insert(path.filename().string());
    names.insert("..data");  // a mounted ConfigMap changes by this link alone
  };
  add_file(options.config_file.empty() ? "/etc/cleave/cleave.toml" : options.config_file);
  for (const std::vector<std::string>* list : {&options.profile_dirs, &settings.config.profile_dirs}) {
    for (const std::string& directory : *list)
      directories[std::filesystem::absolute(directory).string()].insert("");
  }
  for (const std::string& file : options.profile_files) add_file(file);
  for (const LinkSource& source : settings.config.links) {
    if (!source.path.empty()) add_file(source.path);
  }
  return WantsOf(directories, true);
}

std::set<std::string> Subsystems(const Settings& settings) {
  std::set<std::string> subsystems = {"pci"};
  for (const Profile& profile : settings.profiles) {
    if (!settings.Active(profile)) continue;
    for (const Entries& entries : profile.entries) {
      if (!entries.class_name.empty()) subsystems.insert(entries.class_name);
      if (entries.usb) subsystems.insert("usb");
    }
  }
  return subsystems;
}

}  // namespace cleave
