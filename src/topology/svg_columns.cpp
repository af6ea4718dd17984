// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_columns.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/machine_tree.h"
#include "topology/svg_layout.h"

namespace cleave {
namespace {

constexpr double kMostInOneRow = 8;
constexpr double kMostInARow = 16;

using Range = std::pair<size_t, size_t>;
using Board = std::pair<std::string, std::string>;  // profile and board

class ColumnMaker {
 public:
  ColumnMaker(const Inventory& inventory, const Graph& graph, const std::vector<size_t>& nics)
      : inventory_(inventory), tree_(graph.tree()), children_(tree_.size()) {
    for (size_t i = 1; i < tree_.size(); ++i) children_[tree_[i].parent].push_back(i);
    for (const auto& [nic, vertex] : PlaceNics(inventory, graph, nics)) nics_at_[vertex].push_back(nic);
  }

  std::vector<Column> Make() {
    for (bool known : {true, false}) {
      for (size_t child : children_[0]) {
        if ((tree_[child].kind == VertexKind::kSocket) == known) Visit(child);
      }
    }
    return std::move(columns_);
  }

 private:
  void Visit(size_t vertex) {
    const Vertex& v = tree_[vertex];
    if (v.kind == VertexKind::kCard) {
      AddCard(static_cast<size_t>(v.card), v.parent);
    } else if (v.kind == VertexKind::kNumaNode && children_[vertex].empty() && !nics_at_.contains(vertex)) {
      const NumaNode* node = inventory_.Node(static_cast<int>(ParseInt(v.name).value_or(-1)));
      if (node != nullptr && !node->cpus.empty()) columns_.push_back({.vertex = vertex});
    }
    for (size_t child : children_[vertex]) Visit(child);
    auto nics = nics_at_.find(vertex);
    if (nics != nics_at_.end()) columns_.push_back({.nics = nics->second, .vertex = vertex});
  }

  void AddCard(size_t index, size_t place) {
    const Card& card = inventory_.cards[index];
    if (card.piece_of.empty()) {
      columns_.push_back({.cards = {index}, .vertex = place});
      return;
    }
    auto [at, is_new] = cut_.try_emplace({card.profile, card.piece_of}, columns_.size());
    if (!is_new) {
      Column& before = columns_[at->second];
      const size_t up = tree_[place].parent;
      // Virtual functions of two cards may take turns on one bus. Elsewhere a column that is not the last one
      // must not reach over others.
      if (&before == &columns_.back() || before.vertex == place || before.vertex == up ||
          tree_[before.vertex].parent == up) {
        before.cards.push_back(index);
        before.vertex = Common(before.vertex, place);
        return;
      }
      at->second = columns_.size();
    }
    columns_.push_back({.cards = {index}, .vertex = place});
  }

  size_t Common(size_t a, size_t b) const {
    while (a != b)
      (tree_[a].depth >= tree_[b].depth ? a : b) = tree_[tree_[a].depth >= tree_[b].depth ? a : b].parent;
    return a;
  }

  const Inventory& inventory_;
  const std::vector<Vertex>& tree_;
  std::vector<std::vector<size_t>> children_;      // by vertex
  std::map<size_t, std::vector<size_t>> nics_at_;  // by vertex
  std::vector<Column> columns_;
  std::map<std::pair<std::string_view, std::string_view>, size_t> cut_;  // last column, by profile and card
};

class GroupMaker {
 public:
  GroupMaker(const Graph& graph, const std::vector<Column>& columns)
      : tree_(graph.tree()), ranges_(tree_.size()), nodes_(tree_.size(), 0), group_of_(tree_.size()) {
    for (size_t i = 0; i < columns.size(); ++i) {
      for (size_t v = columns[i].vertex;; v = tree_[v].parent) {
        std::optional<Range>& range = ranges_[v];
        range = range ? Range{range->first, i} : Range{i, i};
        if (v == 0) break;
      }
      if (!HasNode(columns[i].vertex)) unknown_ = unknown_ ? Range{unknown_->first, i} : Range{i, i};
    }
    for (size_t v = 1; v < tree_.size(); ++v) {
      if (tree_[v].kind == VertexKind::kNumaNode && ranges_[v]) ++nodes_[tree_[v].parent];
    }
  }

  std::vector<Group> Make() {
    if (unknown_) AddFrame(Frame::Kind::kUnknownNode, 0, *unknown_);
    for (size_t v = 1; v < tree_.size(); ++v) {  // parents come before their children
      if (!ranges_[v]) continue;
      const VertexKind kind = tree_[v].kind;
      if (kind == VertexKind::kSocket && nodes_[v] > 1) AddFrame(Frame::Kind::kSocket, v, *ranges_[v]);
      if (kind == VertexKind::kNumaNode) AddFrame(Frame::Kind::kNumaNode, v, *ranges_[v]);
      const bool is_shared = kind == VertexKind::kFunction && ranges_[v]->first != ranges_[v]->second;
      if (kind == VertexKind::kHostBridge || IsBridge(kind) || is_shared) AddBar(v, *ranges_[v]);
    }
    return std::move(groups_);
  }

 private:
  bool HasNode(size_t v) const {
    while (v != 0 && tree_[v].kind != VertexKind::kNumaNode) v = tree_[v].parent;
    return v != 0;
  }

  void AddFrame(Frame::Kind kind, size_t v, Range range) {
    groups_.push_back({.is_bar = false,
                       .kind = kind,
                       .board = "",
                       .vertices = {v},
                       .first = range.first,
                       .last = range.second,
                       .level = 0});
  }

  void AddBar(size_t v, Range range) {
    const std::optional<size_t> above = group_of_[tree_[v].parent];
    if (above && groups_[*above].first == range.first && groups_[*above].last == range.second) {
      groups_[*above].vertices.push_back(v);
      group_of_[v] = above;
      return;
    }
    group_of_[v] = groups_.size();
    groups_.push_back({.is_bar = true,
                       .kind = {},
                       .board = "",
                       .vertices = {v},
                       .first = range.first,
                       .last = range.second,
                       .level = above ? groups_[*above].level + 1 : 0});
  }

  const std::vector<Vertex>& tree_;
  std::vector<std::optional<Range>> ranges_;     // by vertex, of columns
  std::vector<int> nodes_;                       // by vertex, for sockets: NUMA nodes with columns
  std::vector<std::optional<size_t>> group_of_;  // by vertex, for bars
  std::optional<Range> unknown_;
  std::vector<Group> groups_;
};

// Outlines around neighbours of one board, within one panel.
std::vector<Group> BoardGroups(const Inventory& inventory, const std::vector<Column>& columns,
                               const std::vector<Group>& groups) {
  std::map<Board, size_t> sizes;
  std::vector<Board> boards(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].cards.empty()) continue;
    const Card& card = inventory.cards[columns[i].cards.front()];
    boards[i] = {card.profile, card.board};
    if (!card.board.empty()) ++sizes[boards[i]];
  }
  std::vector<size_t> panel(columns.size(), 0);
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].is_bar || groups[g].kind == Frame::Kind::kSocket) continue;
    std::fill(panel.begin() + static_cast<ptrdiff_t>(groups[g].first),
              panel.begin() + static_cast<ptrdiff_t>(groups[g].last) + 1, g);
  }
  std::vector<Group> found;
  for (size_t i = 0; i < columns.size(); ++i) {
    auto size = sizes.find(boards[i]);
    if (size == sizes.end() || size->second < 2) continue;
    size_t end = i;
    while (end + 1 < columns.size() && boards[end + 1] == boards[i] && panel[end + 1] == panel[i]) ++end;
    found.push_back({.is_bar = false,
                     .kind = Frame::Kind::kBoard,
                     .board = boards[i].second,
                     .vertices = {},
                     .first = i,
                     .last = end,
                     .level = 0});
    i = end;
  }
  return found;
}

// What is lost when a row ends after column `i`.
double TearCost(size_t i, const std::vector<Group>& groups) {
  double cost = 0;
  for (const Group& group : groups) {
    if (group.first > i || group.last <= i) continue;
    cost += group.is_bar                         ? 4
            : group.kind == Frame::Kind::kBoard  ? 8
            : group.kind == Frame::Kind::kSocket ? 2
                                                 : 6;
  }
  return cost;
}

}  // namespace

std::vector<Column> MakeColumns(const Inventory& inventory, const Graph& graph,
                                const std::vector<size_t>& nics) {
  return ColumnMaker(inventory, graph, nics).Make();
}

double Weight(const Column& column) { return column.nics.empty() ? 1 : 0.5; }

std::vector<Group> MakeGroups(const Inventory& inventory, const Graph& graph,
                              const std::vector<Column>& columns) {
  std::vector<Group> groups = GroupMaker(graph, columns).Make();
  std::vector<Group> boards = BoardGroups(inventory, columns, groups);
  groups.insert(groups.end(), boards.begin(), boards.end());
  return groups;
}

std::vector<Range> BreakRows(const std::vector<Column>& all, const std::vector<Group>& groups, bool wired) {
  const size_t columns = all.size();
  if (columns == 0) return {};
  std::vector<double> width(columns + 1, 0);  // of the columns before this one, in cards
  for (size_t i = 0; i < columns; ++i) width[i + 1] = width[i] + Weight(all[i]);
  size_t rows = 1;
  if (width[columns] > kMostInOneRow)
    rows = std::max<size_t>(2, static_cast<size_t>(std::ceil(width[columns] / kMostInARow)));
  if (wired && rows > 1) rows += rows % 2;
  const double even = width[columns] / static_cast<double>(rows);
  const auto longest = std::floor(even * 1.25) + 1;
  constexpr double kNever = std::numeric_limits<double>::infinity();
  // best[r][i]: the least cost of the first i columns in r rows; from[r][i]: where the last of those rows
  // begins.
  std::vector<std::vector<double>> best(rows + 1, std::vector<double>(columns + 1, kNever));
  std::vector<std::vector<size_t>> from(rows + 1, std::vector<size_t>(columns + 1, 0));
  std::vector<double> tear(columns + 1, 0);  // of a row that ends before column i
  for (size_t i = 1; i < columns; ++i) tear[i] = TearCost(i - 1, groups);
  best[0][0] = 0;
  for (size_t r = 1; r <= rows; ++r) {
    for (size_t i = r; i <= columns; ++i) {
      for (size_t begin = 0; begin < i; ++begin) {
        const double uneven = width[i] - width[begin] - even;
        if (uneven + even > longest) continue;
        const double cost = best[r - 1][begin] + uneven * uneven + tear[i];
        if (cost < best[r][i]) {
          best[r][i] = cost;
          from[r][i] = begin;
        }
      }
    }
  }
  std::vector<Range> found;
  for (size_t r = rows, end = columns; r > 0; --r) {
    found.emplace_back(from[r][end], end - 1);
    end = from[r][end];
  }
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace cleave
