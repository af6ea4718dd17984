// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/condition.h"
#include "discovery/inventory.h"
#include "topology/card_words.h"
#include "topology/graph.h"
#include "topology/machine_tree.h"
#include "topology/render.h"
#include "topology/text_tree.h"

namespace cleave {
namespace {

std::string HealthText(const Card& card) {
  if (!card.present) return "gone";
  if (card.waiting) return "waiting for its attributes";
  return card.reason.empty() ? ToString(card.health)
                             : fmt::format("{}: {}", ToString(card.health), card.reason);
}

TextTree CardText(size_t index, const Inventory& inventory, const NotOfferedCards& not_offered) {
  const Card& card = inventory.cards[index];
  TextTree node;
  std::string at = card.address.empty() || card.address == card.id ? "" : fmt::format(" at {}", card.address);
  node.text = fmt::format("C{} {}{}  {}", index, card.id, at, card.profile);
  const PciFunction* function = inventory.Function(card.address);
  if (function != nullptr && !function->link.empty()) node.text += fmt::format(", {}", function->link);
  if (card.pieces > 1) node.text += fmt::format(", piece {} of {}", card.piece + 1, card.pieces);
  node.text += ", " + HealthText(card);
  std::string attributes;
  for (const auto& [name, value] : card.attributes) {
    attributes += fmt::format("{}{}={}", attributes.empty() ? "" : " ", name, ToText(value));
  }
  if (!attributes.empty()) node.details.push_back(attributes);
  std::string nodes;
  for (const auto& [role, path] : card.nodes) nodes += (nodes.empty() ? "" : " ") + path;
  if (!nodes.empty()) node.details.push_back(nodes);
  for (const std::string& warning : card.warnings) node.details.push_back("warning: " + warning);
  auto reason = not_offered.find(card.id);
  if (reason != not_offered.end()) node.details.push_back(fmt::format("{}: {}", kNotOffered, reason->second));
  return node;
}

class TreeText {
 public:
  TreeText(const Inventory& inventory, const Graph& graph, const NotOfferedCards& not_offered)
      : inventory_(inventory), not_offered_(not_offered), tree_(graph.tree()), children_(tree_.size()) {
    for (size_t i = 1; i < tree_.size(); ++i) children_[tree_[i].parent].push_back(i);
  }

  TextTree Machine() {
    TextTree node;
    size_t cpus = 0;
    for (const NumaNode& numa : inventory_.numa_nodes) cpus += numa.cpus.size();
    node.text = fmt::format("machine: {}, {}, {}", Plural(inventory_.numa_nodes.size(), "NUMA node"),
                            Plural(cpus, "CPU"), CountCards(inventory_));
    TextTree unknown{.text = "NUMA node unknown", .details = {}, .children = {}};
    for (size_t child : children_[0]) {
      (tree_[child].kind == VertexKind::kSocket ? node : unknown).children.push_back(Text(child));
    }
    if (!unknown.children.empty()) node.children.push_back(std::move(unknown));
    return node;
  }

 private:
  std::string Label(size_t vertex) const {
    const Vertex& v = tree_[vertex];
    switch (v.kind) {
      case VertexKind::kSocket:
        return fmt::format("socket of NUMA nodes {}", v.name);
      case VertexKind::kNumaNode: {
        const NumaNode* node = inventory_.Node(static_cast<int>(ParseInt(v.name).value_or(-1)));
        if (node == nullptr) return fmt::format("NUMA node {}", v.name);
        if (node->cpus.empty()) return fmt::format("NUMA node {}, memory only", v.name);
        return fmt::format("NUMA node {}, CPUs {}", v.name, FormatRanges(node->cpus));
      }
      case VertexKind::kRootPort:
        return "root port " + v.name;
      case VertexKind::kSwitch:
        return "bridge " + v.name;
      default:
        return v.name;
    }
  }

  TextTree Text(size_t vertex) {
    const Vertex& v = tree_[vertex];
    if (v.kind == VertexKind::kCard) return CardText(static_cast<size_t>(v.card), inventory_, not_offered_);
    // A function with one card and a socket with one node say nothing that the child does not.
    bool is_plain = v.kind == VertexKind::kFunction || v.kind == VertexKind::kSocket;
    if (is_plain && children_[vertex].size() == 1) return Text(children_[vertex][0]);
    TextTree node;
    node.text = Label(vertex);
    // A chain of bridges is one line.
    while ((IsBridge(tree_[vertex].kind) || tree_[vertex].kind == VertexKind::kHostBridge) &&
           children_[vertex].size() == 1 && IsBridge(tree_[children_[vertex][0]].kind)) {
      vertex = children_[vertex][0];
      node.text += " > " + Label(vertex);
    }
    for (size_t child : children_[vertex]) node.children.push_back(Text(child));
    return node;
  }

  const Inventory& inventory_;
  const NotOfferedCards& not_offered_;
  const std::vector<Vertex>& tree_;
  std::vector<std::vector<size_t>> children_;  // by vertex
};

// One line for each card and for each board: a machine where every card has a link to every other stays
// readable.
std::string LinksText(const Inventory& inventory, const Graph& graph) {
  std::map<std::pair<std::string, std::string>, std::vector<size_t>> boards;
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    const Card& card = inventory.cards[i];
    if (!card.board.empty()) boards[{card.profile, card.board}].push_back(i);
  }
  std::map<size_t, std::map<std::pair<std::string, double>, std::vector<size_t>>>
      peers;  // by kind, widest first
  for (const Link& link : graph.links()) {
    if (link.kind == "board") continue;
    peers[link.from][{link.kind, -link.width}].push_back(link.to);
    peers[link.to][{link.kind, -link.width}].push_back(link.from);
  }
  std::string out;
  for (const auto& [board, cards] : boards) {
    if (cards.size() < 2) continue;
    std::string line = fmt::format("board {}:", board.second);
    for (size_t card : cards) line += fmt::format(" C{}", card);
    AddLine(line, out);
  }
  for (const auto& [card, kinds] : peers) {
    std::string line = fmt::format("{:<4}", fmt::format("C{}", card));
    for (const auto& [kind, others] : kinds) {
      line += fmt::format(" {} x{:g}:", kind.first, -kind.second);
      for (size_t other : others) line += fmt::format(" C{}", other);
      if (kind != kinds.rbegin()->first) line += ';';
    }
    AddLine(line, out);
  }
  return out.empty() ? "" : "\nlinks\n" + out;
}

}  // namespace

std::string RenderTree(const Inventory& inventory, const Graph& graph, const NotOfferedCards& not_offered) {
  std::string out = ToText(TreeText(inventory, graph, not_offered).Machine()) + LinksText(inventory, graph);
  if (!inventory.not_cards.empty()) out += "\nnot cards\n";
  for (const NotACard& other : inventory.not_cards)
    AddLine(fmt::format("{}  {}: {}", other.address, other.profile, other.reason), out);
  return out + OdditiesText(inventory);
}

}  // namespace cleave
