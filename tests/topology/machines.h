// SPDX-License-Identifier: Apache-2.0
// Machines for tests: built by hand, or read from tests/machines.
#ifndef CLEAVE_TESTS_TOPOLOGY_MACHINES_H_
#define CLEAVE_TESTS_TOPOLOGY_MACHINES_H_

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "topology/graph.h"

namespace cleave::testing {

// A NUMA node with `cpus` CPUs, counted on from node to node.
void AddNode(Inventory& inventory, int id, int cpus, std::vector<int> distances = {});

// A function at the end of a path ("pci0000:00", "0000:00:01.0", ..., "0000:01:00.0").
void AddFunction(Inventory& inventory, const std::vector<std::string>& path, std::optional<int> numa_node);

// The same, and a card on it whose id is the address.
Card& AddCard(Inventory& inventory, const std::vector<std::string>& path, std::optional<int> numa_node);

// Two sockets, two NUMA nodes each; cards 0 and 1 below one switch, 2 below another switch of the same root
// port, 3 at another root port of that root bus, 4 at another root bus of the node, 5 at the other node of
// the socket, 6 at the other socket, 7 nowhere.
Inventory SmallMachine();

// Of all captured machines, as for Scan(): "tt-1numa", "vendors/gaudi2-8".
std::vector<std::string> MachineNames();

std::string MachinePath(const std::string& file);  // below tests/machines

// A captured machine, as the command line sees it; `config` is the text of a cleave.toml in tests/machines.
struct Captured {
  Settings settings;
  Inventory inventory;
  std::vector<Link> links;
  Graph MakeGraph() const { return {inventory, links, settings.config.weights}; }
};
Captured Scan(const std::string& machine, const std::string& config = "", bool all_functions = false);

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_TOPOLOGY_MACHINES_H_
