// SPDX-License-Identifier: Apache-2.0
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
#include "topology/function_paths.h"
#include "topology/graph.h"
#include "topology/render.h"
#include "topology/text_tree.h"

namespace cleave {
namespace {

// PCI-SIG, PCI Code and ID Assignment Specification: base classes, and the bridges that matter here.
std::string_view ClassName(int class_code) {
  switch (class_code >> 8) {
    case 0x0600:
      return "host bridge";
    case 0x0601:
      return "ISA bridge";
    case 0x0604:
      return "PCI bridge";
    case 0x0108:
      return "NVMe";
    case 0x0c03:
      return "USB";
    default:
      break;
  }
  static constexpr std::string_view kBase[] = {
      "unclassified", "storage",    "network",           "display",     "multimedia",
      "memory",       "bridge",     "communication",     "system",      "input",
      "docking",      "processor",  "serial bus",        "wireless",    "intelligent IO",
      "satellite",    "encryption", "signal processing", "accelerator", "instrumentation"};
  auto base = static_cast<size_t>(class_code >> 16);
  if (base < std::size(kBase)) return kBase[base];
  return base == 0x40 ? "coprocessor" : "other";
}

std::string FunctionText(const PciFunction& function, const std::vector<size_t>& cards) {
  std::string text = function.address;
  if (function.class_code) text += fmt::format("  {}", ClassName(*function.class_code));
  if (function.vendor && function.device)
    text += fmt::format("  {:04x}:{:04x}", *function.vendor, *function.device);
  if (!function.driver.empty()) text += fmt::format("  {}", function.driver);
  if (!function.link.empty()) text += fmt::format("  {}", function.link);
  for (size_t card : cards) text += fmt::format("  C{}", card);
  return text;
}

class FunctionsText {
 public:
  explicit FunctionsText(const Inventory& inventory) : inventory_(inventory) {
    std::map<std::string_view, std::vector<size_t>> cards;
    for (size_t i = 0; i < inventory.cards.size(); ++i) cards[inventory.cards[i].address].push_back(i);
    for (const PciFunction& function : inventory.functions) {
      std::optional<int> node = SingleNode(function.numa_nodes);
      if (function.above.empty()) {
        // Nothing above it is known: each hangs on its own, under its node.
        Piece& top = Child(root_, function.address);
        top.text = FunctionText(function, cards[function.address]);
        if (node) top.nodes.insert(*node);
        continue;
      }
      Piece* at = &root_;
      for (const std::string& name : function.above) {
        at = &Child(*at, name);
        if (at->text.empty()) at->text = IsRootBus(name) ? name : name + "  not listed";
      }
      if (node) root_.children.at(function.above.front()).nodes.insert(*node);
      Child(*at, function.address).text = FunctionText(function, cards[function.address]);
    }
  }

  TextTree Machine() const {
    TextTree machine;
    machine.text = fmt::format("machine: {} PCI functions", inventory_.functions.size());
    std::map<int, TextTree> nodes;
    for (const NumaNode& node : inventory_.numa_nodes)
      nodes[node.id].text = fmt::format("NUMA node {}", node.id);
    TextTree unknown{.text = "NUMA node unknown", .details = {}, .children = {}};
    for (const auto& [name, piece] : root_.children) {
      bool is_known = piece.nodes.size() == 1;
      TextTree& parent = is_known ? nodes[*piece.nodes.begin()] : unknown;
      if (is_known && parent.text.empty()) parent.text = fmt::format("NUMA node {}", *piece.nodes.begin());
      parent.children.push_back(ToTree(piece));
    }
    for (auto& [id, tree] : nodes) machine.children.push_back(std::move(tree));
    if (!unknown.children.empty()) machine.children.push_back(std::move(unknown));
    return machine;
  }

 private:
  struct Piece {
    std::string text;
    std::set<int> nodes;  // at the top: of the functions below
    std::map<std::string, Piece> children;
  };

  static Piece& Child(Piece& piece, const std::string& name) { return piece.children[name]; }

  static TextTree ToTree(const Piece& piece) {
    TextTree tree{.text = piece.text, .details = {}, .children = {}};
    for (const auto& [name, child] : piece.children) tree.children.push_back(ToTree(child));
    return tree;
  }

  const Inventory& inventory_;
  Piece root_;
};

}  // namespace

std::string RenderFunctions(const Inventory& inventory, const Graph& /*graph*/) {
  return ToText(FunctionsText(inventory).Machine()) + OdditiesText(inventory);
}

}  // namespace cleave
