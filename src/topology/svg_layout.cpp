// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "discovery/inventory.h"
#include "topology/card_words.h"
#include "topology/graph.h"
#include "topology/svg_columns.h"
#include "topology/svg_text.h"

namespace cleave {
namespace {

// All in pixels.
constexpr double kColumnGap = 10;
constexpr double kPanelGap = 14;
constexpr double kSocketSide = 10;
constexpr double kPanelSide = 12;
constexpr double kBoardSide = 8;
constexpr double kSocketHead = 30;
constexpr double kPanelHead = 46;
constexpr double kBarLine = 19;
constexpr double kBarGap = 12;
constexpr double kPartPad = 9;
constexpr double kRowGap = 18;
constexpr double kEmptyWidth = 110;
constexpr double kWidestCard = 216;
constexpr double kLeastPiece = 54;
constexpr double kWidestPiece = 180;
constexpr double kNicWidth = 100;
constexpr double kNicHeight = 46;

double SideOf(Frame::Kind kind) {
  if (kind == Frame::Kind::kSocket) return kSocketSide;
  return kind == Frame::Kind::kBoard ? kBoardSide : kPanelSide;
}

// How wide a piece is for its number, sort and name, in pixels.
double PieceNeed(const Card& card, size_t index, const ShortNames& names) {
  const double own = TextWidth(fmt::format("C{}", index), {.size = 12, .bold = true});
  return kPieceSide + own + PieceWords(card, names) + 34;
}

// `whole`: the cards that are not drawn in pieces.
CardLook MakeLook(const Inventory& inventory, const std::vector<bool>& whole, double longest_row,
                  bool in_use) {
  CardLook look;
  const ShortNames names(inventory);
  look.compact = longest_row > 10;
  look.width = longest_row <= 4    ? 168
               : longest_row <= 6  ? 150
               : longest_row <= 10 ? 134
               : longest_row <= 12 ? 104
                                   : 86;
  std::set<std::string> models;
  double reason = 0;
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    const Card& card = inventory.cards[i];
    models.insert(ModelOf(card));
    if (!whole[i]) {
      look.piece_width = std::max(look.piece_width, PieceNeed(card, i, names));
      continue;
    }
    look.address = look.address || (!card.address.empty() && card.address != card.id && !look.compact);
    look.node = look.node || !card.nodes.empty();
    const PciFunction* function = inventory.Function(card.address);
    look.speed = look.speed || (function != nullptr && !function->link.empty() && !look.compact);
    if (!look.compact) reason = std::max(reason, TextWidth(CleanText(card.reason), {.size = 10}));
  }
  look.piece_width = std::clamp(look.piece_width, kLeastPiece, look.compact ? kLeastPiece : kWidestPiece);
  look.model = !look.compact || models.size() > 1;
  for (const std::string& model : models) {
    const double wide = TextWidth(CleanText(model), {.size = 12, .bold = true}) + 20;
    if (!look.compact) look.width = std::max(look.width, std::min(wide, kWidestCard));
  }
  if (reason > 0) look.reason_lines = reason > look.width - 18 ? 2 : 1;
  look.in_use = in_use;
  look.height = 46;
  if (look.model) look.height += 16;
  for (bool line : {look.address, look.node, look.speed}) look.height += line ? 14 : 0;
  look.height += 14 * static_cast<double>(look.reason_lines);
  if (in_use) look.height += 18;
  return look;
}

class Geometry {
 public:
  Geometry(const Inventory& inventory, const Graph& graph, const std::vector<size_t>& nics, bool wired,
           bool in_use)
      : tree_(graph.tree()), names_(inventory), wired_(wired) {
    layout_.columns = MakeColumns(inventory, graph, nics);
    groups_ = MakeGroups(inventory, graph, layout_.columns);
    layout_.column_of.resize(inventory.cards.size());
    double longest = 0;
    for (const auto& [first, last] : BreakRows(layout_.columns, groups_, wired)) {
      double width = 0;
      for (size_t i = first; i <= last; ++i) width += Weight(layout_.columns[i]);
      longest = std::max(longest, width);
      const bool flipped = wired && layout_.rows.size() % 2 == 1;
      layout_.rows.push_back({.first = first, .last = last, .flipped = flipped, .box = {}});
    }
    std::vector<bool> whole(inventory.cards.size(), true);
    for (const Column& column : layout_.columns) {
      if (column.cards.size() < 2) continue;
      for (size_t card : column.cards) whole[card] = false;
    }
    layout_.look = MakeLook(inventory, whole, longest, in_use);
  }

  Layout Make() {
    for (size_t i = 0; i < layout_.columns.size(); ++i) {
      for (size_t card : layout_.columns[i].cards) layout_.column_of[card] = i;
    }
    for (size_t row = 0; row < layout_.rows.size(); ++row) {
      CutGroups(row);
      PlaceAcross(row);
      PlaceDown(row);
      layout_.width = std::max(layout_.width, layout_.rows[row].box.width);
    }
    layout_.frames = std::move(frames_);
    layout_.bars = std::move(bars_);
    return std::move(layout_);
  }

 private:
  void CutGroups(size_t row) {
    const Row& r = layout_.rows[row];
    first_frame_ = frames_.size();
    first_bar_ = bars_.size();
    for (const Group& group : groups_) {
      if (group.last < r.first || group.first > r.last) continue;
      const size_t first = std::max(group.first, r.first);
      const size_t last = std::min(group.last, r.last);
      const bool continued = group.first < r.first;
      if (group.is_bar) {
        bars_.push_back({.parts = {},
                         .first = first,
                         .last = last,
                         .level = group.level,
                         .continued = continued,
                         .box = {}});
        for (size_t v : group.vertices) bars_.back().parts.push_back({.vertex = v, .box = {}});
      } else {
        const size_t vertex = group.vertices.empty() ? 0 : group.vertices.front();
        frames_.push_back({.kind = group.kind,
                           .vertex = vertex,
                           .board = group.board,
                           .first = first,
                           .last = last,
                           .continued = continued,
                           .box = {}});
      }
    }
  }

  void PlaceAcross(size_t row) {
    Row& r = layout_.rows[row];
    double x = 0;
    for (size_t i = r.first; i <= r.last; ++i) {
      Column& column = layout_.columns[i];
      bool is_panel = false;
      bool is_frame = false;
      for (size_t f = first_frame_; f < frames_.size(); ++f) {
        is_frame = is_frame || frames_[f].first == i;
        is_panel = is_panel || (frames_[f].first == i && frames_[f].kind != Frame::Kind::kBoard);
      }
      if (i > r.first) x += is_panel ? kPanelGap : is_frame ? kColumnGap + 2 : kColumnGap;
      for (size_t f = first_frame_; f < frames_.size(); ++f) {
        if (frames_[f].first != i) continue;
        frames_[f].box.x = x;
        x += SideOf(frames_[f].kind);
      }
      column.row = row;
      column.box.x = x;
      column.box.width = WidthOf(column);
      x += column.box.width;
      for (size_t f = frames_.size(); f-- > first_frame_;) {
        if (frames_[f].last != i) continue;
        x += SideOf(frames_[f].kind);
        frames_[f].box.width = x - frames_[f].box.x;
      }
    }
    r.box.width = x;
  }

  double WidthOf(const Column& column) const {
    if (!column.nics.empty()) return kNicWidth;
    if (column.cards.empty()) return std::min(kEmptyWidth, layout_.look.width);
    if (column.cards.size() < 2) return layout_.look.width;
    const auto abreast = static_cast<double>(PiecesAbreast(column));
    return std::max(layout_.look.width,
                    abreast * (layout_.look.piece_width + kPieceGap) - kPieceGap + 2 * kPieceSide);
  }

  double HeightOf(const Column& column) const {
    const CardLook& look = layout_.look;
    if (!column.nics.empty()) return static_cast<double>(column.nics.size()) * (kNicHeight + 4) - 4;
    if (column.cards.size() < 2) return look.height;
    const size_t abreast = PiecesAbreast(column);
    const size_t down = (column.cards.size() + abreast - 1) / abreast;
    return PieceHead(look) + static_cast<double>(down) * (look.piece_height + kPieceGap) - kPieceGap +
           kPieceSide;
  }

  // From the top of an upright row down; then turned over where it must be.
  void PlaceDown(size_t row) {
    Row& r = layout_.rows[row];
    auto any = [this](Frame::Kind kind) {
      return std::any_of(frames_.begin() + static_cast<ptrdiff_t>(first_frame_), frames_.end(),
                         [kind](const Frame& frame) { return frame.kind == kind; });
    };
    const bool sockets = any(Frame::Kind::kSocket);
    const bool boards = any(Frame::Kind::kBoard);
    const double panel_top = sockets ? kSocketHead : 0;
    double y = PlaceBars(panel_top + kPanelHead);
    if (boards) y += kBoardSide + 2;
    double deepest = 0;
    for (size_t i = r.first; i <= r.last; ++i) deepest = std::max(deepest, HeightOf(layout_.columns[i]));
    for (size_t i = r.first; i <= r.last; ++i) {
      Box& box = layout_.columns[i].box;
      box.height = HeightOf(layout_.columns[i]);
      box.y = wired_ ? y + deepest - box.height : y;  // wires begin at one height
    }
    const double board_top = y - kBoardSide;
    y += deepest;
    const double board_bottom = y + kBoardSide;
    const double panel_bottom = (boards ? board_bottom : y) + kPanelSide;
    r.box.height = panel_bottom + (sockets ? kSocketSide : 0);
    for (size_t f = first_frame_; f < frames_.size(); ++f) {
      Box& box = frames_[f].box;
      const Frame::Kind kind = frames_[f].kind;
      box.y = kind == Frame::Kind::kSocket ? 0 : kind == Frame::Kind::kBoard ? board_top : panel_top;
      const double bottom = kind == Frame::Kind::kSocket  ? r.box.height
                            : kind == Frame::Kind::kBoard ? board_bottom
                                                          : panel_bottom;
      box.height = bottom - box.y;
    }
    Connect(r);
    if (r.flipped) Flip(row);
  }

  // Returns where cards may begin.
  double PlaceBars(double top) {
    size_t levels = 0;
    for (size_t b = first_bar_; b < bars_.size(); ++b) levels = std::max(levels, bars_[b].level + 1);
    std::vector<double> heights(levels, 0);
    for (size_t b = first_bar_; b < bars_.size(); ++b) {
      Bar& bar = bars_[b];
      bar.box.x = layout_.columns[bar.first].box.x;
      bar.box.width = layout_.columns[bar.last].box.right() - bar.box.x;
      FlowParts(bar);
      heights[bar.level] = std::max(heights[bar.level], bar.box.height);
    }
    std::vector<double> tops;
    for (double height : heights) {
      tops.push_back(top);
      top += height + kBarGap;
    }
    for (size_t b = first_bar_; b < bars_.size(); ++b) {
      Bar& bar = bars_[b];
      bar.box.y = tops[bar.level];
      for (Bar::Part& part : bar.parts) part.box.y += bar.box.y;
    }
    return top;
  }

  // Parts of a chain side by side while they fit, else below each other; y is relative to the bar.
  void FlowParts(Bar& bar) const {
    auto need = [this](const Bar::Part& part) {
      return TextWidth(names_(tree_[part.vertex].name), {.size = 10.5, .mono = true}) + kPartPad;
    };
    size_t line = 0;
    for (size_t begin = 0; begin < bar.parts.size(); ++line) {
      double used = need(bar.parts[begin]);
      size_t end = begin + 1;
      while (end < bar.parts.size() && used + need(bar.parts[end]) <= bar.box.width)
        used += need(bar.parts[end++]);
      const double spare = (bar.box.width - used) / static_cast<double>(end - begin);
      double x = bar.box.x;
      for (; begin < end; ++begin) {
        const double width = need(bar.parts[begin]) + spare;
        bar.parts[begin].box = {
            .x = x, .y = kBarLine * static_cast<double>(line), .width = width, .height = kBarLine};
        x += width;
      }
    }
    bar.box.height = kBarLine * static_cast<double>(line);
  }

  const Bar* BarAbove(size_t first, size_t last, size_t below_level) const {
    const Bar* found = nullptr;
    for (size_t b = first_bar_; b < bars_.size(); ++b) {
      const Bar& bar = bars_[b];
      if (bar.first > first || bar.last < last || bar.level >= below_level) continue;
      if (found == nullptr || bar.level > found->level) found = &bar;
    }
    return found;
  }

  void Connect(const Row& row) {
    first_line_ = layout_.lines.size();
    auto add = [this, row_of = layout_.columns[row.first].row](const Bar* above, const Box& box) {
      if (above != nullptr) layout_.lines.push_back({box.center(), above->box.bottom(), box.y, row_of});
    };
    for (size_t b = first_bar_; b < bars_.size(); ++b)
      add(BarAbove(bars_[b].first, bars_[b].last, bars_[b].level), bars_[b].box);
    for (size_t i = row.first; i <= row.last; ++i)
      add(BarAbove(i, i, bars_.size() + 1), layout_.columns[i].box);
  }

  void Flip(size_t row) {
    const Row& r = layout_.rows[row];
    auto flip = [&r](Box& box) { box.y = r.box.height - box.bottom(); };
    for (size_t i = r.first; i <= r.last; ++i) flip(layout_.columns[i].box);
    for (size_t f = first_frame_; f < frames_.size(); ++f) flip(frames_[f].box);
    for (size_t b = first_bar_; b < bars_.size(); ++b) {
      flip(bars_[b].box);
      for (Bar::Part& part : bars_[b].parts) flip(part.box);
    }
    for (size_t i = first_line_; i < layout_.lines.size(); ++i) {
      layout_.lines[i].y1 = r.box.height - layout_.lines[i].y1;
      layout_.lines[i].y2 = r.box.height - layout_.lines[i].y2;
    }
  }

  const std::vector<Vertex>& tree_;
  ShortNames names_;
  const bool wired_;
  Layout layout_;
  std::vector<Group> groups_;
  std::vector<Frame> frames_;
  std::vector<Bar> bars_;
  size_t first_frame_ = 0;  // of the row in hand
  size_t first_bar_ = 0;
  size_t first_line_ = 0;
};

}  // namespace

double PieceWords(const Card& card, const ShortNames& names) {
  const double sort = TextWidth(CleanText(PieceSort(card)), {.size = 10});
  return TextWidth(CleanText(PieceName(card, names)), {.size = 10.5, .mono = true}) +
         (sort > 0 ? sort + 6 : 0);
}

double PieceHead(const CardLook& look) { return look.model ? 42 : 26; }

size_t PiecesAbreast(const Column& column) { return std::clamp<size_t>((column.cards.size() + 7) / 8, 1, 4); }

std::vector<double> PlaceRows(Layout& layout, double top, const std::vector<double>& lane_heights) {
  std::vector<double> lanes;
  for (size_t i = 0; i < layout.rows.size(); ++i) {
    layout.rows[i].box.y = top;
    top += layout.rows[i].box.height;
    if (i % 2 == 0) lanes.push_back(top);
    const bool lane_follows = i % 2 == 0 && lane_heights[i / 2] > 0;
    top += lane_follows ? lane_heights[i / 2] : i + 1 < layout.rows.size() ? kRowGap : 0;
  }
  lanes.push_back(top);
  auto move = [&layout](Box& box, size_t column) { box.y += layout.rows[layout.columns[column].row].box.y; };
  for (Frame& frame : layout.frames) move(frame.box, frame.first);
  for (Bar& bar : layout.bars) {
    move(bar.box, bar.first);
    for (Bar::Part& part : bar.parts) move(part.box, bar.first);
  }
  for (size_t i = 0; i < layout.columns.size(); ++i) move(layout.columns[i].box, i);
  for (Line& line : layout.lines) {
    line.y1 += layout.rows[line.row].box.y;
    line.y2 += layout.rows[line.row].box.y;
  }
  return lanes;
}

Layout MakeLayout(const Inventory& inventory, const Graph& graph, const std::vector<size_t>& nics, bool wired,
                  bool in_use) {
  return Geometry(inventory, graph, nics, wired, in_use).Make();
}

}  // namespace cleave
