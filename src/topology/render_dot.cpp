// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/card_words.h"
#include "topology/graph.h"
#include "topology/machine_tree.h"
#include "topology/render.h"
#include "topology/render_svg.h"
#include "topology/svg_text.h"
#include "topology/text_tree.h"

namespace cleave {
namespace {

// In double quotes, with those escaped that dot would read itself. Lines are joined by dot's own sign for a
// line break.
std::string Quoted(const std::vector<std::string>& lines) {
  std::string out = "\"";
  for (const std::string& line : lines) {
    if (out.size() > 1) out += "\\n";
    for (char c : CleanText(line)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

// Colour of the outline and style; the label says the state, too.
std::string StateStyle(CardState state) {
  switch (state) {
    case CardState::kHealthy:
      return "color=\"#00785a\", style=\"rounded,filled\", fillcolor=\"#e9f5f1\"";
    case CardState::kUnhealthy:
      return "color=\"#b93c00\", style=\"rounded,filled,bold\", fillcolor=\"#fdeee6\"";
    case CardState::kUnknown:
    case CardState::kWaiting:
      return "color=\"#8a6200\", style=\"rounded,filled\", fillcolor=\"#fff7df\"";
    case CardState::kGone:
      break;
  }
  return "color=\"#6b7685\", style=\"rounded,dashed\"";
}

class DotWriter {
 public:
  DotWriter(const Inventory& inventory, const Graph& graph, const SvgOptions& options)
      : inventory_(inventory),
        graph_(graph),
        options_(options),
        tree_(graph.tree()),
        names_(inventory),
        children_(tree_.size()) {
    for (size_t i = 1; i < tree_.size(); ++i) children_[tree_[i].parent].push_back(i);
    const std::vector<size_t> nics = graph.Nics(options.nics);
    for (const auto& [nic, vertex] : PlaceNics(inventory, graph, nics)) {
      const auto number = static_cast<size_t>(std::find(nics.begin(), nics.end(), nic) - nics.begin());
      nics_at_[vertex].emplace_back(number, nic);
    }
    for (const Card& card : inventory.cards)
      boards_[{card.profile, card.board}] += card.board.empty() ? 0 : 1;
  }

  std::string Write() {
    out_ =
        "graph cleave {\n"
        "  graph [fontname=\"sans-serif\", ranksep=0.35, nodesep=0.2, newrank=true];\n"
        "  node [fontname=\"sans-serif\", fontsize=10, shape=box, style=rounded, height=0.3, "
        "margin=\"0.1,0.04\"];\n"
        "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#9aa7b8\"];\n";
    Inside(0, 1);
    Links();
    return out_ + "}\n";
  }

 private:
  void Add(int depth, const std::string& line) {
    out_ += std::string(static_cast<size_t>(depth) * 2, ' ') + line + "\n";
  }

  std::string Name(size_t vertex) const {
    return tree_[vertex].kind == VertexKind::kCard ? fmt::format("c{}", tree_[vertex].card)
                                                   : fmt::format("v{}", vertex);
  }

  // A place that is drawn as a node: bridges, and functions of several cards.
  bool IsNode(size_t vertex) const {
    const VertexKind kind = tree_[vertex].kind;
    return kind == VertexKind::kHostBridge || IsBridge(kind) || kind == VertexKind::kCard ||
           (kind == VertexKind::kFunction && children_[vertex].size() > 1);
  }

  // A chain of bridges with nothing else is one node; this is its last.
  size_t EndOfChain(size_t vertex) const {
    while (children_[vertex].size() == 1 && !nics_at_.contains(vertex) &&
           IsBridge(tree_[children_[vertex][0]].kind))
      vertex = children_[vertex][0];
    return vertex;
  }

  void Inside(size_t vertex, int depth, const std::string& above = "") {
    for (size_t child : children_[vertex]) Place(child, depth, above);
    auto nics = nics_at_.find(vertex);
    if (nics == nics_at_.end()) return;
    for (auto [number, nic] : nics->second) {
      Add(depth, fmt::format("n{} [{}];", number, NicText(number, inventory_.functions[nic])));
      if (!above.empty()) Add(depth, fmt::format("{} -- n{};", above, number));
    }
  }

  void Place(size_t vertex, int depth, const std::string& above) {
    const Vertex& v = tree_[vertex];
    if (v.kind == VertexKind::kNumaNode || (v.kind == VertexKind::kSocket && children_[vertex].size() > 1)) {
      Add(depth, fmt::format("subgraph cluster_v{} {{", vertex));
      Add(depth + 1, fmt::format("label={}; style=\"rounded\"; color=\"#9aa7b8\"; fontsize=11;",
                                 Quoted(ClusterLabel(v))));
      if (children_[vertex].empty() && !nics_at_.contains(vertex))
        Add(depth + 1, fmt::format("v{} [label=\"no cards\", shape=plaintext];", vertex));
      Inside(vertex, depth + 1);
      Add(depth, "}");
      return;
    }
    if (!IsNode(vertex)) return Inside(vertex, depth, above);
    const std::string name = Name(vertex);
    size_t end = vertex;
    if (v.kind == VertexKind::kCard) {
      Add(depth, fmt::format("{} [{}];", name, CardText(static_cast<size_t>(v.card))));
    } else {
      end = v.kind == VertexKind::kFunction ? vertex : EndOfChain(vertex);
      std::vector<std::string> chain;
      for (size_t i = end;; i = tree_[i].parent) {
        chain.push_back(names_(tree_[i].name));
        if (i == vertex) break;
      }
      std::reverse(chain.begin(), chain.end());
      Add(depth, fmt::format("{} [label={}, style=filled, fillcolor=\"#dbe3ee\", color=\"#3f5068\"];", name,
                             Quoted(chain)));
    }
    if (!above.empty()) Add(depth, fmt::format("{} -- {};", above, name));
    Inside(end, depth, name);
  }

  std::vector<std::string> ClusterLabel(const Vertex& v) const {
    if (v.kind == VertexKind::kSocket) return {"socket of NUMA nodes " + v.name};
    const NumaNode* node = inventory_.Node(static_cast<int>(ParseInt(v.name).value_or(-1)));
    if (node == nullptr) return {"NUMA node " + v.name};
    if (node->cpus.empty()) return {"NUMA node " + v.name, "memory only"};
    return {"NUMA node " + v.name, "CPUs " + FormatRanges(node->cpus)};
  }

  std::string CardText(size_t index) const {
    const Card& card = inventory_.cards[index];
    std::vector<std::string> lines = {fmt::format("C{}", index) + " " + ModelOf(card), names_(card.id)};
    const std::string whole = WholeAddress(card);
    if (!whole.empty() && !card.id.starts_with(whole)) lines.push_back(names_(whole));
    std::string piece = PieceSort(card);
    if (card.pieces > 1) {
      piece += fmt::format("{}piece {} of {}", piece.empty() ? "" : ", ", card.piece + 1, card.pieces);
    }
    if (!piece.empty()) lines.push_back(piece);
    if (boards_.at({card.profile, card.board}) > 1) lines.push_back("board " + card.board);
    if (!card.nodes.empty()) lines.push_back(card.nodes.front().second);
    lines.emplace_back(ToString(StateOf(card)));
    const std::string why = NotOfferedText(options_, card);
    const bool offered = why.empty();
    if (!offered) lines.emplace_back(kNotOffered);
    std::vector<std::string> tooltip = {card.id};
    if (!offered) tooltip.push_back(why);
    return fmt::format("label={}, tooltip={}, {}", Quoted(lines), Quoted(tooltip),
                       StateStyle(offered ? StateOf(card) : CardState::kGone));
  }

  std::string NicText(size_t number, const PciFunction& nic) const {
    std::vector<std::string> lines = {fmt::format("N{} network card", number), names_(nic.address)};
    if (!nic.rdma.empty()) lines.push_back(Join(nic.rdma, " "));
    return fmt::format("label={}, tooltip={}, fontsize=9, color=\"#9aa7b8\"", Quoted(lines),
                       Quoted({nic.address}));
  }

  // Below the cards, where they cross nothing. Boards are said in the labels of their cards.
  void Links() {
    const bool labelled = graph_.links().size() <= 24;
    for (const Link& link : graph_.links()) {
      if (link.kind == "board") continue;
      const std::string label = fmt::format("{} x{:g}", CleanText(link.kind), link.width);
      Add(1, fmt::format("c{} -- c{} [constraint=false, headport=s, tailport=s, color=\"#0072b2\", "
                         "penwidth={}, weight=0, {}={}];",
                         link.from, link.to, Number(1 + std::log2(std::max(link.width, 1.0))),
                         labelled ? "xlabel" : "tooltip", Quoted({label})));
    }
  }

  const Inventory& inventory_;
  const Graph& graph_;
  const SvgOptions& options_;
  const std::vector<Vertex>& tree_;
  ShortNames names_;
  std::vector<std::vector<size_t>> children_;                         // by vertex
  std::map<std::pair<std::string, std::string>, size_t> boards_;      // cards by profile and board
  std::map<size_t, std::vector<std::pair<size_t, size_t>>> nics_at_;  // by vertex: number, function
  std::string out_;
};

}  // namespace

std::string RenderDot(const Inventory& inventory, const Graph& graph, const SvgOptions& options) {
  return DotWriter(inventory, graph, options).Write();
}

}  // namespace cleave
