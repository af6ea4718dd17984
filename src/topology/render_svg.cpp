// SPDX-License-Identifier: Apache-2.0
#include "topology/render_svg.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/card_words.h"
#include "topology/graph.h"
#include "topology/render.h"
#include "topology/svg_canvas.h"
#include "topology/svg_card.h"
#include "topology/svg_layout.h"
#include "topology/svg_legend.h"
#include "topology/svg_style.h"
#include "topology/svg_text.h"
#include "topology/svg_wires.h"
#include "topology/text_tree.h"

namespace cleave {
namespace {

constexpr double kMargin = 24;
constexpr double kTop = 84;
constexpr double kNarrowest = 560;
constexpr Font kPlain = {.size = 11};
constexpr Font kHead = {.size = 13, .bold = true};
constexpr Font kBarFont = {.size = 10.5, .mono = true};
constexpr size_t kMostModels = 4;
constexpr size_t kMostWires = 400;
constexpr size_t kMostReasons = 6;
constexpr size_t kMostRuns = 6;
constexpr std::string_view kBoard = "board";

bool SamePieces(const Card& a, const Card& b) {
  return !a.piece_of.empty() && a.piece_of == b.piece_of && a.profile == b.profile;
}

bool HasWires(const Inventory& inventory, const Graph& graph) {
  return std::any_of(graph.links().begin(), graph.links().end(), [&inventory](const Link& link) {
    return link.kind != kBoard && !SamePieces(inventory.cards[link.from], inventory.cards[link.to]);
  });
}

// "C1, C4–C6, C9", or how many there are.
std::string CardNames(const std::vector<size_t>& cards) {
  std::vector<std::string> runs;
  for (size_t i = 0; i < cards.size(); ++i) {
    size_t end = i;
    while (end + 1 < cards.size() && cards[end + 1] == cards[end] + 1) ++end;
    runs.push_back(end > i + 1 ? fmt::format("C{}–C{}", cards[i], cards[end]) : fmt::format("C{}", cards[i]));
    if (end > i + 1) i = end;
  }
  return runs.size() <= kMostRuns ? Join(runs, ", ") : Plural(cards.size(), "card");
}

class Picture {
 public:
  Picture(const Inventory& inventory, const Graph& graph, const SvgOptions& options)
      : inventory_(inventory),
        graph_(graph),
        options_(options),
        names_(inventory),
        used_(std::any_of(inventory.cards.begin(), inventory.cards.end(),
                          [&options](const Card& card) { return options.in_use.contains(card.id); })),
        nics_(graph.Nics(options.nics)),
        layout_(MakeLayout(inventory, graph, nics_, HasWires(inventory, graph), used_)),
        wires_(MakeWires(graph, layout_)) {
    if (wires_.size() > kMostWires) {
      for (const Wire& wire : wires_) too_many_ += wire.links;
      wires_.clear();
    }
    for (const Wire& wire : wires_) kinds_.try_emplace(wire.kind, 0);
    size_t number = 0;
    for (auto& [kind, value] : kinds_) value = number++;
  }

  std::string Draw() {
    const Router router(layout_, wires_);
    const std::vector<double> lanes = PlaceRows(layout_, kTop, router.lane_heights());
    for (Column& column : layout_.columns) column.box.x += kMargin;
    for (Frame& frame : layout_.frames) DrawFrame(frame);
    for (const Line& line : layout_.lines) {
      canvas_.Path("tree",
                   fmt::format("M{} {}V{}", Number(line.x + kMargin), Number(line.y1), Number(line.y2)));
    }
    for (Bar& bar : layout_.bars) DrawBar(bar);
    DrawBoards();
    DrawWires(router.Routes(lanes, kMargin));
    for (const Column& column : layout_.columns)
      DrawColumn(inventory_, nics_, column, layout_.look, options_, canvas_);
    const double gutter = router.gutter() > 0 ? router.gutter() + 8 : 0;
    const double width = std::max(kNarrowest, layout_.width + gutter + 2 * kMargin);
    return Finish(width, lanes.back());
  }

 private:
  void DrawFrame(Frame& frame) {
    frame.box.x += kMargin;
    if (frame.kind == Frame::Kind::kBoard) return;
    const bool flipped = layout_.rows[layout_.columns[frame.first].row].flipped;
    const double room = frame.box.width - 20;
    const double x = frame.box.x + 12;
    const std::string more = frame.continued ? " (continued)" : "";
    if (frame.kind == Frame::Kind::kSocket) {
      canvas_.Rect("socket", frame.box, 12);
      const std::string& nodes = graph_.tree()[frame.vertex].name;
      const std::string text =
          frame.continued ? fmt::format("NUMA nodes {}{}", nodes, more) : "Socket of NUMA nodes " + nodes;
      canvas_.Text("muted", x, flipped ? frame.box.bottom() - 11 : frame.box.y + 20,
                   Ellipsize(text, kPlain, room));
      return;
    }
    canvas_.Open("node", "");
    canvas_.Rect("panel", frame.box, 10);
    const double y = flipped ? frame.box.bottom() - 24 : frame.box.y + 20;
    if (frame.kind == Frame::Kind::kUnknownNode) {
      canvas_.Text("h2", x, y, Ellipsize("NUMA node unknown" + more, kHead, room));
    } else {
      const std::string& name = graph_.tree()[frame.vertex].name;
      canvas_.Text("h2", x, y, Ellipsize(fmt::format("NUMA node {}{}", name, more), kHead, room));
      canvas_.Text("muted", x, y + 15, CpuText(name, room));
    }
    canvas_.Close();
  }

  std::string CpuText(const std::string& name, double room) const {
    const NumaNode* node = inventory_.Node(static_cast<int>(ParseInt(name).value_or(-1)));
    if (node == nullptr) return "";
    if (node->cpus.empty()) return Ellipsize("memory only", kPlain, room);
    const std::string ranges = "CPUs " + FormatRanges(node->cpus);
    return TextWidth(ranges, kPlain) <= room ? ranges
                                             : Ellipsize(Plural(node->cpus.size(), "CPU"), kPlain, room);
  }

  void DrawBar(Bar& bar) {
    std::string story;
    for (const Bar::Part& part : bar.parts) {
      const Vertex& v = graph_.tree()[part.vertex];
      story += fmt::format("{}{} {}", story.empty() ? "" : "\n", KindName(v.kind).second, CleanText(v.name));
    }
    canvas_.Open("bar", story);
    for (Bar::Part& part : bar.parts) {
      const Vertex& v = graph_.tree()[part.vertex];
      const std::string css(KindName(v.kind).first);
      Box box = part.box;
      box.x += kMargin + 0.5;
      box.width -= 1;
      box.y += 0.5;
      box.height -= 1;
      canvas_.Rect(css, box, 4);
      const std::string text = names_(v.name) + (bar.continued && &part == &bar.parts.front() ? " …" : "");
      canvas_.Text("mono on-" + css, box.center(), box.y + 12.5, Ellipsize(text, kBarFont, box.width - 4),
                   Anchor::kMiddle);
    }
    canvas_.Close();
  }

  // Class and word.
  static std::pair<std::string_view, std::string_view> KindName(VertexKind kind) {
    switch (kind) {
      case VertexKind::kHostBridge:
        return {"bridge", "host bridge"};
      case VertexKind::kRootPort:
        return {"port", "root port"};
      case VertexKind::kSwitch:
        return {"switch", "switch"};
      default:
        return {"function", "function"};
    }
  }

  void DrawBoards() {
    for (const Frame& frame : layout_.frames) {
      if (frame.kind != Frame::Kind::kBoard) continue;
      const bool flipped = layout_.rows[layout_.columns[frame.first].row].flipped;
      canvas_.Open("boards", "board " + CleanText(frame.board));
      canvas_.Rect("board", frame.box, 9);
      const std::string text = Ellipsize("board " + frame.board, {.size = 10}, frame.box.width - 28);
      const double y = flipped ? frame.box.bottom() : frame.box.y;
      const double width = TextWidth(text, {.size = 10});
      canvas_.Rect("plate", {.x = frame.box.x + 10, .y = y - 7, .width = width + 8, .height = 14}, 3);
      canvas_.Text("small muted", frame.box.x + 14, y + 3.5, text);
      canvas_.Close();
    }
  }

  void DrawWires(const std::vector<Route>& routes) {
    for (size_t i = 0; i < wires_.size(); ++i) {
      const Wire& wire = wires_[i];
      std::string css = "wire";
      std::string ends;
      for (size_t card : wire.cards) {
        css += fmt::format(" l{}", card);
        ends += fmt::format("{}C{}", ends.empty() ? "" : ", ", card);
      }
      const size_t kind = kinds_.at(wire.kind);
      canvas_.Open(css, fmt::format("{}: {}", CleanText(wire.label), ends));
      canvas_.Path("halo", routes[i].path,
                   fmt::format(" stroke-width=\"{}\"", Number(StrokeOf(wire.width, wires_.size()) +
                                                              (IsCrowded(wires_.size()) ? 1.2 : 3))));
      canvas_.Path(fmt::format("w k{}", KindColour(kind)), routes[i].path,
                   StrokeAttributes(kind, wire.width, wires_.size()));
      for (const Box& joint : routes[i].joints) {
        canvas_.Circle(fmt::format("f-k{}", KindColour(kind)), joint.x, joint.y,
                       StrokeOf(wire.width, wires_.size()) / 2 + 2);
      }
      canvas_.Close();
    }
    for (size_t i = 0; i < wires_.size(); ++i) {
      const Box& box = routes[i].label;
      if (box.width <= 0) continue;
      std::string css = "wire";
      for (size_t card : wires_[i].cards) css += fmt::format(" l{}", card);
      canvas_.Open(css, "");
      canvas_.Rect("label", box, 9);
      canvas_.Text(fmt::format("f-k{}", KindColour(kinds_.at(wires_[i].kind))), box.center(), box.y + 13,
                   wires_[i].label, Anchor::kMiddle);
      canvas_.Close();
    }
  }

  std::string Subtitle() const {
    std::string text = CountCards(inventory_);
    const std::map<std::string, size_t> models = CountModels(inventory_);
    if (!models.empty() && models.size() <= kMostModels) {
      std::string list;
      for (const auto& [model, count] : models)
        list += fmt::format("{}{} × {}", list.empty() ? "" : ", ", count, CleanText(model));
      text += fmt::format(" ({})", list);
    }
    size_t cpus = 0;
    for (const NumaNode& node : inventory_.numa_nodes) cpus += node.cpus.size();
    return text +
           fmt::format(" · {} · {}", Plural(inventory_.numa_nodes.size(), "NUMA node"), Plural(cpus, "CPU"));
  }

  // What the picture leaves out.
  std::vector<std::string> Notes() const {
    std::vector<std::string> notes;
    if (too_many_ > 0) notes.push_back(Plural(too_many_, "link") + " (the matrix has them)");
    const auto memory =
        static_cast<size_t>(std::count_if(inventory_.numa_nodes.begin(), inventory_.numa_nodes.end(),
                                          [](const NumaNode& node) { return node.cpus.empty(); }));
    if (memory > 0) notes.push_back(Plural(memory, "NUMA node") + " of memory only");
    const auto inner = static_cast<size_t>(
        std::count_if(graph_.links().begin(), graph_.links().end(), [this](const Link& link) {
          return link.kind != kBoard && layout_.column_of[link.from] == layout_.column_of[link.to];
        }));
    if (inner > 0) notes.push_back(Plural(inner, "link") + " between pieces of one card");
    size_t drawn = 0;
    for (const Column& column : layout_.columns) drawn += column.nics.size();
    if (drawn < nics_.size()) notes.push_back(Plural(nics_.size() - drawn, "network card") + " elsewhere");
    if (!inventory_.not_cards.empty())
      notes.push_back(Plural(inventory_.not_cards.size(), "function") + " that cannot be offered");
    if (!inventory_.oddities.empty())
      notes.push_back(fmt::format("{} {}", inventory_.oddities.size(),
                                  inventory_.oddities.size() == 1 ? "oddity" : "oddities"));
    return notes;
  }

  // Why cards are not offered: a line for each reason.
  std::vector<std::string> Reasons() const {
    std::vector<std::pair<std::string, std::vector<size_t>>> cards;  // by reason
    for (size_t i = 0; i < inventory_.cards.size(); ++i) {
      const std::string why = NotOfferedText(options_, inventory_.cards[i]);
      if (why.empty()) continue;
      auto known =
          std::find_if(cards.begin(), cards.end(), [&why](const auto& one) { return one.first == why; });
      if (known == cards.end()) known = cards.insert(cards.end(), {why, {}});
      known->second.push_back(i);
    }
    std::vector<std::string> lines;
    for (const auto& [why, which] : cards) {
      if (lines.size() == kMostReasons) {
        lines.push_back(Plural(cards.size() - kMostReasons, "more reason") + " (the tree has them)");
        break;
      }
      lines.push_back(fmt::format("{} {}", CardNames(which), why));
    }
    return lines;
  }

  std::string Description() const {
    std::string text = Subtitle() + ".";
    for (size_t i = 0; i < inventory_.cards.size(); ++i) {
      const Card& card = inventory_.cards[i];
      text += fmt::format(" C{}: {}, {}, {}{}.", i, card.id, ModelOf(card), ToString(StateOf(card)),
                          options_.in_use.contains(card.id)        ? ", in use"
                          : NotOfferedText(options_, card).empty() ? ""
                                                                   : ", not offered");
    }
    return text;
  }

  std::string Finish(double width, double bottom) {
    Canvas frame;
    const std::string title = options_.title.empty() ? "this node" : options_.title;
    frame.Text("h1", kMargin, 36, title);
    frame.Text("muted", kMargin, 58, Ellipsize(Subtitle(), kPlain, width - 2 * kMargin));
    const bool every_two =
        std::any_of(wires_.begin(), wires_.end(), [](const Wire& wire) { return wire.columns.size() > 2; });
    const LegendLinks links = {.kinds = kinds_, .wires = wires_.size(), .every_two = every_two};
    double y = DrawLegend(inventory_, graph_, layout_, links,
                          {.used = used_, .not_offered = !options_.not_offered.empty()},
                          {.x = kMargin, .y = bottom + 16, .width = width - 2 * kMargin, .height = 0}, frame);
    for (const std::string& line : Reasons())
      frame.Text("small muted", kMargin, y += 18, Ellipsize(line, {.size = 10}, width - 2 * kMargin));
    const std::vector<std::string> notes = Notes();
    if (!notes.empty()) {
      std::string text = "Not drawn: " + Join(notes, ", ") + ".";
      frame.Text("small muted", kMargin, y += 18, Ellipsize(text, {.size = 10}, width - 2 * kMargin));
    }
    const double height = y + 20;
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"ct\" role=\"img\" aria-labelledby=\"cleave-title "
        "cleave-desc\" "
        "width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n<title id=\"cleave-title\">{2}</title>\n"
        "<desc id=\"cleave-desc\">{3}</desc>\n<style>\n{4}</style>\n",
        Number(width), Number(height), EscapeXml(title), EscapeXml(Description()),
        StyleSheet(wires_.empty() ? 0 : inventory_.cards.size()));
    Canvas back;
    back.Rect("bg", {.x = 0, .y = 0, .width = width, .height = height}, 0);
    return out + back.text() + "\n" + canvas_.text() + frame.text() + "\n</svg>\n";
  }

  const Inventory& inventory_;
  const Graph& graph_;
  const SvgOptions& options_;
  ShortNames names_;
  bool used_;
  const std::vector<size_t> nics_;  // entries of inventory_.functions
  Layout layout_;
  std::vector<Wire> wires_;
  size_t too_many_ = 0;  // links that nobody could follow
  LinkKinds kinds_;
  Canvas canvas_;
};

}  // namespace

std::string NotOfferedText(const SvgOptions& options, const Card& card) {
  auto found = options.not_offered.find(card.id);
  return found == options.not_offered.end() ? ""
                                            : fmt::format("{}: {}", kNotOffered, CleanText(found->second));
}

std::string RenderSvg(const Inventory& inventory, const Graph& graph, const SvgOptions& options) {
  return Picture(inventory, graph, options).Draw();
}

}  // namespace cleave
