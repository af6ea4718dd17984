// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/machine_tree.h"
#include "topology/render.h"
#include "topology/text_tree.h"

namespace cleave {
namespace {

// The codes, the nearest first. Those for the PCI tree are the usual ones of such matrices.
constexpr std::pair<std::string_view, std::string_view> kCodes[] = {
    {"X", "the card itself"},         {"CRD", "pieces of one card"},
    {"BRD", "cards of one board"},    {"PIX", "one PCIe switch between them"},
    {"PXB", "several PCIe switches"}, {"PRP", "a root port, no switch"},
    {"PHB", "a PCIe host bridge"},    {"NODE", "the same NUMA node"},
    {"SYS", "different NUMA nodes"},  {"?", "unknown: a NUMA node is not known"},
};

// "ethernet" of width 4 is ETH4.
std::string LinkCode(const Link& link) {
  std::string code = link.kind.substr(0, link.kind.size() <= 4 ? 4 : 3);
  std::transform(code.begin(), code.end(), code.begin(), [](unsigned char c) { return std::toupper(c); });
  return fmt::format("{}{:g}", code, link.width);
}

class Matrix {
 public:
  Matrix(const Inventory& inventory, const Graph& graph, std::vector<size_t> nics)
      : inventory_(inventory), graph_(graph), size_(inventory.cards.size()), nics_(std::move(nics)) {
    for (const Link& link : graph.links()) {
      if (link.kind == "board") continue;
      const Link*& best = best_[{link.from, link.to}];
      if (best == nullptr || link.weight > best->weight) best = &link;
    }
  }

  std::string Text() {
    std::vector<std::vector<std::string>> columns;  // heads first
    for (size_t b = 0; b < size_; ++b) {
      columns.push_back({fmt::format("C{}", b)});
      for (size_t a = 0; a < size_; ++a) columns.back().push_back(Code(a, b));
    }
    for (size_t i = 0; i < nics_.size(); ++i) {
      columns.push_back({fmt::format("N{}", i)});
      for (size_t a = 0; a < size_; ++a) columns.back().push_back(NicCode(a, nics_[i]));
    }
    const size_t last = columns.size();
    columns.push_back({"NUMA"});
    columns.push_back({"CPUs"});
    for (const Card& card : inventory_.cards) {
      columns[last].push_back(card.numa_nodes.empty() ? "-" : FormatRanges(card.numa_nodes));
      columns[last + 1].push_back(Cpus(card));
    }
    return Blocks(columns) + Legend();
  }

 private:
  // Bridges between the two, as in TreeAffinities but of this pair alone.
  bool SeveralSwitches(size_t a, size_t b) const {
    const std::vector<Vertex>& tree = graph_.tree();
    size_t x = graph_.CardVertex(a);
    size_t y = graph_.CardVertex(b);
    int bridges_x = 0;
    int bridges_y = 0;
    while (x != y) {
      int depth_x = tree[x].depth;
      int depth_y = tree[y].depth;
      if (depth_x >= depth_y) {
        bridges_x += IsBridge(tree[x].kind) ? 1 : 0;
        x = tree[x].parent;
      }
      if (depth_y >= depth_x) {
        bridges_y += IsBridge(tree[y].kind) ? 1 : 0;
        y = tree[y].parent;
      }
    }
    return std::max(bridges_x, bridges_y) > 1;
  }

  std::string Code(size_t a, size_t b) {
    Relation relation = graph_.CardRelation(a, b);
    auto link = best_.find(std::minmax(a, b));
    if (link != best_.end() && relation != Relation::kSameCard) {
      std::string code = LinkCode(*link->second);
      links_[code] = fmt::format("{}, {:g} side by side", link->second->kind, link->second->width);
      return code;
    }
    std::string_view code = TreeCode(relation, SeveralSwitches(a, b));
    codes_.insert(code);
    return std::string(code);
  }

  std::string NicCode(size_t card, size_t nic) {
    Relation relation = graph_.ToFunction(card, nic);
    const PciFunction* function = inventory_.Function(inventory_.cards[card].address);
    bool several = false;
    if (function != nullptr) {
      const std::vector<std::string>& own = function->above;
      const std::vector<std::string>& other = inventory_.functions[nic].above;
      auto apart = std::mismatch(own.begin(), own.end(), other.begin(), other.end());
      several = own.end() - apart.first > 1 || other.end() - apart.second > 1;
    }
    std::string_view code = TreeCode(relation, several);
    codes_.insert(code);
    return std::string(code);
  }

  static std::string_view TreeCode(Relation relation, bool several_switches) {
    switch (relation) {
      case Relation::kSelf:
        return "X";
      case Relation::kSameCard:
        return "CRD";
      case Relation::kSameBoard:
        return "BRD";
      case Relation::kSameDevice:
      case Relation::kAncestor:
      case Relation::kSameSwitch:
        return several_switches ? "PXB" : "PIX";
      case Relation::kSameRootPort:
        return "PRP";
      case Relation::kSameHostBridge:
        return "PHB";
      case Relation::kSameNuma:
        return "NODE";
      case Relation::kCrossNuma:
        return "SYS";
      case Relation::kNumaUnknown:
        return "?";
    }
    return "?";
  }

  std::string Cpus(const Card& card) const {
    std::vector<int> cpus;
    for (int id : card.numa_nodes) {
      const NumaNode* node = inventory_.Node(id);
      if (node != nullptr) cpus.insert(cpus.end(), node->cpus.begin(), node->cpus.end());
    }
    std::sort(cpus.begin(), cpus.end());
    return cpus.empty() ? "-" : FormatRanges(cpus);
  }

  // As many columns side by side as fit, each block with the names of the rows.
  std::string Blocks(const std::vector<std::vector<std::string>>& columns) const {
    std::vector<std::string> names = {""};
    size_t index_width = fmt::format("C{}", size_ - 1).size();
    for (size_t a = 0; a < size_; ++a) {
      names.push_back(fmt::format("{:<{}} {}", fmt::format("C{}", a), index_width, inventory_.cards[a].id));
    }
    const size_t cells = size_ + nics_.size();
    size_t cell = 0;
    for (size_t i = 0; i < cells; ++i) cell = std::max(cell, Widest(columns[i]));
    std::string out;
    for (size_t begin = 0; begin < columns.size();) {
      size_t used = Widest(names);
      size_t end = begin;
      std::vector<size_t> widths;
      for (; end < columns.size(); ++end) {
        size_t width = end < cells ? cell : Widest(columns[end]);
        if (end > begin && used + 2 + width > kTextColumns) break;
        used += 2 + width;
        widths.push_back(width);
      }
      if (begin > 0) out += "\n";
      for (size_t row = 0; row < names.size(); ++row) {
        std::string line = fmt::format("{:<{}}", names[row], Widest(names));
        for (size_t i = begin; i < end; ++i)
          line += fmt::format("  {:<{}}", columns[i][row], widths[i - begin]);
        out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
      }
      begin = end;
    }
    return out;
  }

  static size_t Widest(const std::vector<std::string>& texts) {
    size_t widest = 0;
    for (const std::string& text : texts) widest = std::max(widest, text.size());
    return widest;
  }

  std::string Legend() const {
    std::string out = "\n";
    auto add = [&out](std::string_view code, std::string_view meaning) {
      out += fmt::format("  {:<5} {}\n", code, meaning);
    };
    for (const auto& [code, meaning] : kCodes) {
      if (codes_.contains(code)) add(code, meaning);
      if (code == "CRD") {
        for (const auto& [link, text] : links_) add(link, text);
      }
    }
    for (size_t i = 0; i < nics_.size(); ++i) {
      const PciFunction& nic = inventory_.functions[nics_[i]];
      std::string text = "network card " + nic.address;
      if (!nic.rdma.empty()) text += " " + Join(nic.rdma, " ");
      if (!nic.numa_nodes.empty()) text += ", NUMA node " + FormatRanges(nic.numa_nodes);
      add(fmt::format("N{}", i), text);
    }
    return out;
  }

  const Inventory& inventory_;
  const Graph& graph_;
  const size_t size_;
  const std::vector<size_t> nics_;  // entries of inventory_.functions
  std::map<std::pair<size_t, size_t>, const Link*> best_;
  std::set<std::string_view> codes_;
  std::map<std::string, std::string> links_;  // code, meaning
};

}  // namespace

std::string RenderMatrix(const Inventory& inventory, const Graph& graph,
                         const std::vector<std::string>& nics) {
  if (inventory.cards.empty()) return "no cards\n";
  return Matrix(inventory, graph, graph.Nics(nics)).Text();
}

}  // namespace cleave
