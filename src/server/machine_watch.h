// SPDX-License-Identifier: Apache-2.0
// Which directories tell that the machine or the settings have changed.
#ifndef CLEAVE_SERVER_MACHINE_WATCH_H_
#define CLEAVE_SERVER_MACHINE_WATCH_H_

#include <set>
#include <string>
#include <vector>

#include "base/host_root.h"
#include "config/config.h"
#include "discovery/inventory.h"
#include "server/file_watcher.h"

namespace cleave {

// Classes of active profiles, PCI functions, and where the device nodes of cards are. Empty for a root that
// does not change.
std::vector<FileWatcher::Want> MachineWants(const HostRoot& root, const Settings& settings,
                                            const Inventory& inventory);

// The operator's file, profile directories and link files. `config_file` as in LoadOptions.
std::vector<FileWatcher::Want> ConfigWants(const Settings& settings, const LoadOptions& options);

// Subsystems whose uevents matter.
std::set<std::string> Subsystems(const Settings& settings);

}  // namespace cleave

#endif  // CLEAVE_SERVER_MACHINE_WATCH_H_
