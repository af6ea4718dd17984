// SPDX-License-Identifier: Apache-2.0
// What `cleave topology` prints.
#ifndef CLEAVE_TOPOLOGY_RENDER_H_
#define CLEAVE_TOPOLOGY_RENDER_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/inventory.h"
#include "topology/graph.h"

namespace cleave {

// Ids of the cards of which no resource offers anything, and why.
using NotOfferedCards = std::map<std::string, std::string>;
inline constexpr std::string_view kNotOffered = "not offered";

// All functions: `graph` was made of `inventory`. Text is UTF-8, ends in a new line and is made for 100
// columns. Threads: any.

// From the machine down to the cards with their attributes, device nodes, health, and why nothing offers
// them; then links, functions that are no cards, and oddities. Cards are called C0, C1, ... in the order of
// the inventory.
std::string RenderTree(const Inventory& inventory, const Graph& graph,
                       const NotOfferedCards& not_offered = {});

// How every two cards are connected, a row for each card, with NUMA node and CPUs and a legend of the codes
// that appear. Where the columns do not fit, they go on in further blocks. Network cards of these kinds (see
// Graph::NicAffinity) have a column each.
std::string RenderMatrix(const Inventory& inventory, const Graph& graph,
                         const std::vector<std::string>& nics = {"infiniband"});

// All PCI functions, cards or not; then oddities.
std::string RenderFunctions(const Inventory& inventory, const Graph& graph);

// numa_nodes [{id, distances, cpus}], cards [{id, profile, address, addresses, numa_nodes, attributes,
// device_nodes, nodes, board, piece_of, piece, pieces, link, health, reason, warnings, waiting, present}],
// relation and affinity (matrices in the order of cards), links [{from, to, kind, width, weight}] with card
// ids, network_cards [{address, rdma, numa_nodes, relation}] of these kinds, with the relation to each card,
// not_cards [{address, profile, reason}], oddities [{subject, text}].
std::string TopologyJson(const Inventory& inventory, const Graph& graph,
                         const std::vector<std::string>& nics = {"infiniband"});

// numa_nodes, functions [{address, class, vendor, device, driver, numa_node, numa_nodes, above, iommu_group,
// physfn, link, cards}], relation (a matrix in the order of functions), oddities. numa_node is null when
// unknown or not single.
std::string FunctionsJson(const Inventory& inventory, const Graph& graph);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_RENDER_H_
