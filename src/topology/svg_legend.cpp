// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_legend.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/inventory.h"
#include "topology/card_words.h"
#include "topology/graph.h"
#include "topology/render.h"
#include "topology/svg_canvas.h"
#include "topology/svg_layout.h"
#include "topology/svg_style.h"
#include "topology/svg_text.h"
#include "topology/svg_wires.h"

namespace cleave {
namespace {

constexpr size_t kMostWidths = 10;  // of links, told apart
constexpr double kLine = 24;

struct Item {
  double sample = 0;                             // width
  std::function<void(double x, double y)> draw;  // y: the middle
  std::string text;
};

std::string SpanText(double least, double most) {
  return least == most ? fmt::format("{:g}", least) : fmt::format("{:g}–{:g}", least, most);
}

class LegendDrawer {
 public:
  explicit LegendDrawer(Canvas& canvas) : canvas_(canvas) {}

  void States(const Inventory& inventory, const LegendMarks& marks) {
    std::set<CardState> states;
    for (const Card& card : inventory.cards) states.insert(StateOf(card));
    for (CardState state : states) {
      items_.push_back({16, [this, state](double x, double y) { canvas_.StateSign(state, x + 8, y); },
                        std::string(ToString(state))});
    }
    if (marks.used) AddSample("used", "in use");
    if (marks.not_offered) AddSample("card idle", std::string(kNotOffered));
  }

  void Places(const Graph& graph, const Layout& layout) {
    std::map<VertexKind, std::pair<std::string_view, std::string_view>> names = {
        {VertexKind::kHostBridge, {"bridge", "host bridge"}},
        {VertexKind::kRootPort, {"port", "root port"}},
        {VertexKind::kSwitch, {"switch", "switch"}},
        {VertexKind::kFunction, {"function", "function"}}};
    std::set<VertexKind> kinds;
    for (const Bar& bar : layout.bars) {
      for (const Bar::Part& part : bar.parts) kinds.insert(graph.tree()[part.vertex].kind);
    }
    for (VertexKind kind : kinds) {
      const auto [css, text] = names[kind];
      AddSample(std::string(css), std::string(text));
    }
    if (std::any_of(layout.columns.begin(), layout.columns.end(),
                    [](const Column& column) { return !column.nics.empty(); })) {
      AddSample("nic", "network card");
    }
    if (std::any_of(layout.frames.begin(), layout.frames.end(),
                    [](const Frame& f) { return f.kind == Frame::Kind::kBoard; })) {
      items_.push_back({24,
                        [this](double x, double y) {
                          canvas_.Rect("board", {.x = x, .y = y - 8, .width = 24, .height = 16}, 5);
                        },
                        "cards of one board"});
    }
  }

  void Links(const Graph& graph, const Layout& layout, const LegendLinks& links) {
    wires_ = links.wires;
    LinkWidths(graph, layout, links.kinds);
    if (links.every_two) {
      items_.push_back({36,
                        [this](double x, double y) {
                          canvas_.Path("tree", fmt::format("M{} {}h32m-28 -6v6m12 -6v6m12 -6v6",
                                                           Number(x + 2), Number(y + 3)));
                          for (double joint : {6, 18, 30}) canvas_.Circle("joint", x + joint, y + 3, 2.5);
                        },
                        "a link between every two"});
    }
  }

  // Where cards have no room for whole paths.
  void Nodes(const Inventory& inventory) {
    std::set<std::string> folders;
    for (const Card& card : inventory.cards) {
      if (!card.nodes.empty())
        folders.insert(card.nodes.front().second.substr(0, card.nodes.front().second.rfind('/')));
    }
    if (folders.size() == 1)
      items_.push_back({0, [](double, double) {}, fmt::format("… is {}", *folders.begin())});
  }

  double Draw(const Box& place) {
    double x = place.x;
    double y = place.y + kLine / 2;
    for (const Item& item : items_) {
      const double width = item.sample + 8 + TextWidth(CleanText(item.text), {.size = 11});
      if (x > place.x && x + width > place.right()) {
        x = place.x;
        y += kLine;
      }
      item.draw(x, y);
      canvas_.Text("", x + item.sample + (item.sample > 0 ? 6 : 0), y + 4, item.text);
      x += width + 16;
    }
    return items_.empty() ? place.y : y + kLine / 2;
  }

 private:
  void AddSample(std::string css, std::string text) {
    items_.push_back({24,
                      [this, css = std::move(css)](double x, double y) {
                        canvas_.Rect(css, {.x = x, .y = y - 7, .width = 24, .height = 14}, 3);
                      },
                      std::move(text)});
  }

  void LinkWidths(const Graph& graph, const Layout& layout, const LinkKinds& kinds) {
    using Span = std::pair<double, double>;
    std::map<std::pair<std::string, double>, Span> weights;  // by kind and width
    for (const Link& link : graph.links()) {
      if (!kinds.contains(link.kind) || layout.column_of[link.from] == layout.column_of[link.to]) continue;
      Span& span = weights.try_emplace({link.kind, link.width}, Span{link.weight, link.weight}).first->second;
      span = {std::min(span.first, link.weight), std::max(span.second, link.weight)};
    }
    if (weights.size() <= kMostWidths) {
      for (const auto& [key, span] : weights) {
        AddLink(kinds.at(key.first), key.second,
                fmt::format("{} x{:g}, weight {}", key.first, key.second, SpanText(span.first, span.second)));
      }
      return;
    }
    for (const auto& [kind, number] : kinds) {
      auto first = weights.lower_bound({kind, 0});
      if (first == weights.end() || first->first.first != kind) continue;
      auto last = first;
      for (auto i = first; i != weights.end() && i->first.first == kind; ++i) last = i;
      AddLink(number, last->first.second,
              fmt::format("{} x{}", kind, SpanText(first->first.second, last->first.second)));
    }
  }

  void AddLink(size_t kind, double width, std::string text) {
    items_.push_back({36,
                      [this, kind, width](double x, double y) {
                        canvas_.Path(fmt::format("w k{}", KindColour(kind)),
                                     fmt::format("M{} {}h36", Number(x), Number(y)),
                                     StrokeAttributes(kind, width, wires_));
                      },
                      std::move(text)});
  }

  Canvas& canvas_;
  std::vector<Item> items_;
  size_t wires_ = 0;
};

}  // namespace

std::string StrokeAttributes(size_t kind, double width, size_t wires) {
  const std::string dashes = KindDashes(kind);
  return fmt::format(" stroke-width=\"{}\"{}", Number(StrokeOf(width, wires)),
                     dashes.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dashes));
}

double DrawLegend(const Inventory& inventory, const Graph& graph, const Layout& layout,
                  const LegendLinks& links, const LegendMarks& marks, const Box& place, Canvas& canvas) {
  LegendDrawer legend(canvas);
  legend.States(inventory, marks);
  legend.Places(graph, layout);
  legend.Links(graph, layout, links);
  if (layout.look.compact && layout.look.node) legend.Nodes(inventory);
  return legend.Draw(place);
}

}  // namespace cleave
