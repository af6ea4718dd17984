// SPDX-License-Identifier: Apache-2.0
#include "topology/graph.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "config/config.h"
#include "discovery/inventory.h"
#include "topology/cover.h"
#include "topology/function_paths.h"
#include "topology/machine_tree.h"
#include "topology/tree_affinities.h"

namespace cleave {
namespace {

constexpr std::string_view kBoard = "board";

// Values of one profile, numbered; -1 for "".
class Names {
 public:
  int Number(std::string_view profile, std::string_view value) {
    if (value.empty()) return -1;
    return numbers_.try_emplace({profile, value}, static_cast<int>(numbers_.size())).first->second;
  }

 private:
  std::map<std::pair<std::string_view, std::string_view>, int> numbers_;
};

struct CardFacts {
  int function = -1;  // index into Inventory::functions
  std::optional<int> node;
  int whole = -1;  // pieces of one card have the same
  int board = -1;
};

std::vector<CardFacts> FactsOf(const Inventory& inventory, const FunctionPaths& paths) {
  Names wholes;
  Names boards;
  std::vector<CardFacts> facts;
  for (const Card& card : inventory.cards) {
    CardFacts fact;
    fact.node = SingleNode(card.numa_nodes);
    if (const PciFunction* function = inventory.Function(card.address)) {
      auto index = static_cast<size_t>(function - inventory.functions.data());
      fact.function = static_cast<int>(index);
      if (paths.Node(index)) fact.node = paths.Node(index);
    }
    fact.whole = wholes.Number(card.profile, card.piece_of);
    fact.board = boards.Number(card.profile, card.board);
    facts.push_back(fact);
  }
  return facts;
}

bool SameBoard(const CardFacts& a, const CardFacts& b) {
  bool pieces = a.whole >= 0 && a.whole == b.whole;
  return !pieces && a.board >= 0 && a.board == b.board;
}

// One link for each pair and kind, sorted, with weights.
std::vector<Link> AllLinks(std::vector<Link> links, const std::vector<CardFacts>& cards,
                           const Weights& weights) {
  std::map<std::tuple<size_t, size_t, std::string>, double> widths;
  for (const Link& link : links) {
    auto [from, to] = std::minmax(link.from, link.to);
    if (from == to || to >= cards.size() || link.kind == kBoard) continue;
    widths[{from, to, link.kind}] += link.width;
  }
  for (size_t a = 0; a < cards.size(); ++a) {
    for (size_t b = a + 1; b < cards.size(); ++b) {
      if (SameBoard(cards[a], cards[b])) widths[{a, b, std::string(kBoard)}] = 1;
    }
  }
  links.clear();
  for (const auto& [key, width] : widths) {
    const auto& [from, to, kind] = key;
    double weight = kind == kBoard ? weights.board : weights.link * width;
    links.push_back({.from = from, .to = to, .kind = kind, .width = width, .weight = weight});
  }
  return links;
}

}  // namespace

std::string ToString(Relation relation) {
  switch (relation) {
    case Relation::kSelf:
      return "self";
    case Relation::kSameCard:
      return "same_card";
    case Relation::kSameBoard:
      return "same_board";
    case Relation::kSameDevice:
      return "same_device";
    case Relation::kAncestor:
      return "ancestor";
    case Relation::kSameSwitch:
      return "same_switch";
    case Relation::kSameRootPort:
      return "same_root_port";
    case Relation::kSameHostBridge:
      return "same_host_bridge";
    case Relation::kSameNuma:
      return "same_numa";
    case Relation::kCrossNuma:
      return "cross_numa";
    case Relation::kNumaUnknown:
      return "numa_unknown";
  }
  return "numa_unknown";
}

struct Graph::Impl {
  Impl(const Inventory& inventory, std::vector<Link> given, const Weights& weights)
      : paths(inventory.functions),
        facts(FactsOf(inventory, paths)),
        tree(BuildMachineTree(inventory)),
        affinity(inventory, tree, weights),
        links(AllLinks(std::move(given), facts, weights)),
        values(weights) {
    for (size_t i = 0; i < inventory.functions.size(); ++i) {
      if (inventory.functions[i].IsNic()) nics.push_back({i, !inventory.functions[i].rdma.empty()});
    }
    for (const Link& link : links) {
      Joint joint{.from = link.from,
                  .to = link.to,
                  .width = link.kind == kBoard ? 0 : link.width,
                  .weight = link.weight};
      if (!joints.empty() && joints.back().from == link.from && joints.back().to == link.to) {
        joints.back().width += joint.width;
        joints.back().weight += joint.weight;
      } else {
        joints.push_back(joint);
      }
    }
  }

  // All links of a pair together.
  struct Joint {
    size_t from = 0;
    size_t to = 0;
    double width = 0;  // board links aside
    double weight = 0;
    bool Joins(double min_width) const { return width > 0 && width >= min_width; }
  };
  const Joint* Find(size_t a, size_t b) const {
    std::pair<size_t, size_t> wanted = std::minmax(a, b);
    auto found = std::lower_bound(
        joints.begin(), joints.end(), wanted,
        [](const Joint& joint, const auto& pair) { return std::pair(joint.from, joint.to) < pair; });
    return found != joints.end() && std::pair(found->from, found->to) == wanted ? &*found : nullptr;
  }

  FunctionPaths paths;
  std::vector<CardFacts> facts;  // by card
  MachineTree tree;
  TreeAffinities affinity;
  std::vector<Link> links;
  std::vector<Joint> joints;  // by from and to
  struct Nic {
    size_t function = 0;
    bool is_rdma = false;
  };
  std::vector<Nic> nics;
  Weights values;
};

Graph::Graph(const Inventory& inventory, std::vector<Link> links, const Weights& weights)
    : impl_(std::make_unique<Impl>(inventory, std::move(links), weights)) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

size_t Graph::cards() const { return impl_->facts.size(); }
const std::vector<Link>& Graph::links() const { return impl_->links; }
const std::vector<Vertex>& Graph::tree() const { return impl_->tree.vertices; }
size_t Graph::CardVertex(size_t card) const { return impl_->tree.card_vertex[card]; }
Relation Graph::FunctionRelation(size_t a, size_t b) const { return impl_->paths.Between(a, b); }
double Graph::TreeAffinity(size_t a, size_t b) const { return impl_->affinity.Between(a, b); }

Relation Graph::ToFunction(size_t card, size_t function) const {
  int own = impl_->facts[card].function;
  if (own < 0) return Relation::kNumaUnknown;
  return impl_->paths.Between(static_cast<size_t>(own), function);
}

std::vector<size_t> Graph::Nics(const std::vector<std::string>& kinds) const {
  bool any = std::find(kinds.begin(), kinds.end(), "net") != kinds.end();
  bool rdma = std::find(kinds.begin(), kinds.end(), "infiniband") != kinds.end();
  std::vector<size_t> found;
  for (const Impl::Nic& nic : impl_->nics) {
    if (any || (rdma && nic.is_rdma)) found.push_back(nic.function);
  }
  return found;
}

double Graph::NicAffinity(size_t card, const std::vector<std::string>& kinds) const {
  const Weights& weights = impl_->values;
  double best = 0;
  for (size_t nic : Nics(kinds)) {
    switch (ToFunction(card, nic)) {
      case Relation::kSelf:
      case Relation::kSameDevice:
      case Relation::kSameSwitch:
        best = std::max(best, weights.same_switch);
        break;
      case Relation::kSameRootPort:
        best = std::max(best, weights.same_root_port);
        break;
      case Relation::kSameHostBridge:
        best = std::max(best, weights.same_host_bridge);
        break;
      case Relation::kSameNuma:
        best = std::max(best, weights.same_numa);
        break;
      default:
        break;
    }
  }
  return best;
}

Relation Graph::CardRelation(size_t a, size_t b) const {
  if (a == b) return Relation::kSelf;
  const CardFacts& card_a = impl_->facts[a];
  const CardFacts& card_b = impl_->facts[b];
  if (card_a.whole >= 0 && card_a.whole == card_b.whole) return Relation::kSameCard;
  if (SameBoard(card_a, card_b)) return Relation::kSameBoard;
  if (card_a.function >= 0 && card_b.function >= 0) {
    std::optional<Relation> shared =
        impl_->paths.Shared(static_cast<size_t>(card_a.function), static_cast<size_t>(card_b.function));
    if (shared) return *shared;
  }
  return NumaRelation(card_a.node, card_b.node);
}

double Graph::CardAffinity(size_t a, size_t b) const {
  const Impl::Joint* joint = impl_->Find(a, b);
  return impl_->affinity.Between(a, b) + (joint == nullptr ? 0 : joint->weight);
}

std::vector<std::vector<size_t>> Graph::LinkedGroups(const std::vector<size_t>& cards,
                                                     std::optional<size_t> size, double min_width) const {
  auto joined = [&](size_t a, size_t b) {
    const Impl::Joint* joint = impl_->Find(cards[a], cards[b]);
    return joint != nullptr && joint->Joins(min_width);
  };
  auto worth = [&](size_t a, size_t b) { return CardAffinity(cards[a], cards[b]); };
  std::vector<std::vector<size_t>> groups =
      BestCover({.vertices = cards.size(), .size = size, .joined = joined, .worth = worth});
  for (std::vector<size_t>& group : groups) {
    for (size_t& card : group) card = cards[card];
    std::sort(group.begin(), group.end());
  }
  return groups;
}

}  // namespace cleave
