// SPDX-License-Identifier: Apache-2.0
#include "topology/machine_tree.h"

#include <fmt/core.h>

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/inventory.h"
#include "topology/components.h"
#include "topology/function_paths.h"
#include "topology/graph.h"
#include "topology/text_tree.h"

namespace cleave {
namespace {

// ACPI: 10 is the node itself, 20 twice as far. Sub-NUMA nodes of one socket are at 11 to 17, other sockets
// at 20 to 40.
constexpr int kOtherSocket = 20;

std::vector<std::vector<size_t>> Sockets(const std::vector<NumaNode>& nodes) {
  std::vector<std::pair<size_t, size_t>> near;
  for (size_t a = 0; a < nodes.size(); ++a) {
    for (size_t b = 0; b < nodes[a].distances.size() && b < nodes.size(); ++b) {
      if (a != b && nodes[a].distances[b] < kOtherSocket) near.emplace_back(a, b);
    }
  }
  return Components(nodes.size(), near);
}

class Builder {
 public:
  explicit Builder(const Inventory& inventory) : inventory_(inventory) {}

  MachineTree Build() {
    machine_ = Add(VertexKind::kMachine, "machine", std::nullopt);
    for (const std::vector<size_t>& socket : Sockets(inventory_.numa_nodes)) {
      std::vector<int> ids;
      for (size_t index : socket) ids.push_back(inventory_.numa_nodes[index].id);
      AddSocket(ids);
    }
    for (const Card& card : inventory_.cards) Vote(card);
    for (size_t i = 0; i < inventory_.cards.size(); ++i) AddCard(i);
    return {std::move(tree_), std::move(card_vertex_)};
  }

 private:
  size_t Add(VertexKind kind, std::string name, std::optional<size_t> parent) {
    Vertex vertex{.kind = kind, .name = std::move(name)};
    if (parent) {
      vertex.parent = *parent;
      vertex.depth = tree_[*parent].depth + 1;
    }
    tree_.push_back(std::move(vertex));
    return tree_.size() - 1;
  }

  void AddSocket(const std::vector<int>& ids) {
    size_t socket = Add(VertexKind::kSocket, FormatRanges(ids), machine_);
    for (int id : ids) nodes_[id] = Add(VertexKind::kNumaNode, fmt::format("{}", id), socket);
  }

  size_t NodeOrMachine(std::optional<int> id) {
    if (!id) return machine_;
    if (!nodes_.contains(*id)) AddSocket({*id});  // a node that the machine does not list
    return nodes_.at(*id);
  }

  static std::optional<int> NodeOf(const PciFunction& function, const Card& card) {
    std::optional<int> node = SingleNode(function.numa_nodes);
    return node ? node : SingleNode(card.numa_nodes);
  }

  void Vote(const Card& card) {
    const PciFunction* function = inventory_.Function(card.address);
    if (function == nullptr || function->above.empty()) return;
    Votes& votes = votes_[function->above.front()];
    if (std::optional<int> node = NodeOf(*function, card)) {
      votes.cards.insert(*node);
      return;
    }
    for (const std::string& name : function->above) {
      const PciFunction* bridge = IsRootBus(name) ? nullptr : inventory_.Function(name);
      std::optional<int> node = bridge == nullptr ? std::nullopt : SingleNode(bridge->numa_nodes);
      if (node) votes.bridges.insert(*node);
    }
  }

  std::optional<int> Elected(const std::string& top) const {
    const Votes& votes = votes_.at(top);
    const std::set<int>& nodes = votes.cards.empty() ? votes.bridges : votes.cards;
    return nodes.size() == 1 ? std::optional<int>(*nodes.begin()) : std::nullopt;
  }

  size_t AddFunction(const PciFunction& function, const Card& card) {
    auto known = functions_.find(function.address);
    if (known != functions_.end()) return known->second;
    size_t parent = function.above.empty() ? NodeOrMachine(NodeOf(function, card))
                                           : NodeOrMachine(Elected(function.above.front()));
    for (const std::string& name : function.above) {
      auto found = bridges_.find({parent, name});
      if (found != bridges_.end()) {
        parent = found->second;
        continue;
      }
      VertexKind above = tree_[parent].kind;
      VertexKind kind = IsRootBus(name)   ? VertexKind::kHostBridge
                        : IsBridge(above) ? VertexKind::kSwitch
                                          : VertexKind::kRootPort;
      size_t bridge = Add(kind, name, parent);
      bridges_[{parent, name}] = bridge;
      parent = bridge;
    }
    size_t vertex = Add(VertexKind::kFunction, function.address, parent);
    functions_[function.address] = vertex;
    return vertex;
  }

  void AddCard(size_t index) {
    const Card& card = inventory_.cards[index];
    const PciFunction* function = inventory_.Function(card.address);
    size_t parent =
        function == nullptr ? NodeOrMachine(SingleNode(card.numa_nodes)) : AddFunction(*function, card);
    size_t vertex = Add(VertexKind::kCard, card.id, parent);
    tree_[vertex].card = static_cast<int>(index);
    card_vertex_.push_back(vertex);
  }

  struct Votes {
    std::set<int> cards;
    std::set<int> bridges;
  };
  const Inventory& inventory_;
  std::vector<Vertex> tree_;
  size_t machine_ = 0;
  std::map<int, size_t> nodes_;                                    // by id
  std::map<std::string_view, Votes> votes_;                        // by what stands on top
  std::map<std::pair<size_t, std::string_view>, size_t> bridges_;  // root buses, too
  std::map<std::string_view, size_t> functions_;
  std::vector<size_t> card_vertex_;
};

}  // namespace

bool IsBridge(VertexKind kind) { return kind == VertexKind::kRootPort || kind == VertexKind::kSwitch; }

size_t MachineTree::Common(size_t a, size_t b) const {
  while (a != b) {
    int depth_a = vertices[a].depth;
    int depth_b = vertices[b].depth;
    if (depth_a >= depth_b) a = vertices[a].parent;
    if (depth_b >= depth_a) b = vertices[b].parent;
  }
  return a;
}

MachineTree BuildMachineTree(const Inventory& inventory) { return Builder(inventory).Build(); }

std::vector<std::pair<size_t, size_t>> PlaceNics(const Inventory& inventory, const Graph& graph,
                                                 const std::vector<size_t>& nics) {
  const std::vector<Vertex>& tree = graph.tree();
  std::map<std::string, size_t> bridges;
  std::map<std::string, size_t> nodes;
  std::set<std::string> cards;
  for (size_t v = 0; v < tree.size(); ++v) {
    if (tree[v].kind == VertexKind::kHostBridge || IsBridge(tree[v].kind)) bridges.emplace(tree[v].name, v);
    if (tree[v].kind == VertexKind::kNumaNode) nodes.emplace(tree[v].name, v);
  }
  for (const Card& card : inventory.cards) cards.insert(card.address);
  std::vector<std::pair<size_t, size_t>> places;
  for (size_t nic : nics) {
    const PciFunction& function = inventory.functions[nic];
    if (cards.contains(function.address)) continue;
    std::optional<size_t> place;
    if (std::optional<int> node = SingleNode(function.numa_nodes)) {
      auto found = nodes.find(fmt::format("{}", *node));
      if (found != nodes.end()) place = found->second;
    }
    for (const std::string& name : function.above) {
      auto found = bridges.find(name);
      if (found != bridges.end()) place = found->second;
    }
    if (place) places.emplace_back(nic, *place);
  }
  return places;
}

}  // namespace cleave
