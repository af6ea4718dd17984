// SPDX-License-Identifier: Apache-2.0
// The PCI functions and NUMA nodes of a machine.
// Sources: kernel Documentation/ABI/testing/sysfs-bus-pci, sysfs-devices-node, admin-guide/cputopology.rst.
#ifndef CLEAVE_DISCOVERY_PCI_H_
#define CLEAVE_DISCOVERY_PCI_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/host_root.h"
#include "discovery/inventory.h"

namespace cleave {

// /sys/devices/system/node/node*; by id.
std::vector<NumaNode> ReadNumaNodes(const HostRoot& root, std::vector<Oddity>& oddities);

// The functions in /sys/bus/pci/devices with address, path, driver, ids; NUMA, IOMMU and link are filled in
// by ReadDetails(). Entries that lead nowhere are oddities. A function that `seen` knows keeps its path and
// ids as long as its folder is the same one; only its driver is asked for again.
struct SeenFunction {
  std::pair<uint64_t, int64_t> identity;  // of its folder
  PciFunction function;
};
using SeenFunctions = std::map<std::string, SeenFunction>;  // by address
std::vector<PciFunction> ReadFunctions(const HostRoot& root, SeenFunctions& seen,
                                       std::vector<Oddity>& oddities);

// What ReadFunctions() left out. What makes no sense is an oddity, and counts as absent.
void ReadDetails(const HostRoot& root, const std::vector<NumaNode>& nodes, PciFunction& function,
                 std::vector<Oddity>& oddities);

// True for a file in a function's folder for which no driver is asked.
bool IsOfPciCore(std::string_view name);

// The folder of a function below the root.
std::string FunctionPath(const PciFunction& function);

}  // namespace cleave

#endif  // CLEAVE_DISCOVERY_PCI_H_
