// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_wires.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "topology/components.h"
#include "topology/graph.h"
#include "topology/svg_layout.h"
#include "topology/svg_text.h"

namespace cleave {
namespace {

constexpr std::string_view kBoard = "board";
constexpr size_t kFewestOfAClique = 4;
constexpr size_t kMostLabelled = 12;
constexpr double kLaneMargin = 22;
constexpr double kWidestPort = 22;
constexpr Font kLabelFont = {.size = 11};

using Pair = std::pair<size_t, size_t>;

// Links of one kind and width between two columns.
struct Strand {
  std::vector<size_t> cards;
  size_t links = 0;
};
using Strands =
    std::map<std::pair<std::string, double>, std::map<Pair, Strand>>;  // by kind and width, by columns

void Take(const std::vector<size_t>& cards, std::vector<size_t>& into) {
  into.insert(into.end(), cards.begin(), cards.end());
  std::sort(into.begin(), into.end());
  into.erase(std::unique(into.begin(), into.end()), into.end());
}

// Moves what joins every two of several columns in the same way from `strands` to one wire each.
void TakeCliques(const std::string& kind, double width, size_t columns, std::map<Pair, Strand>& strands,
                 std::vector<Wire>& wires) {
  std::vector<Pair> edges;
  for (const auto& [pair, strand] : strands) edges.push_back(pair);
  for (const std::vector<size_t>& members : Components(columns, edges)) {
    if (members.size() < kFewestOfAClique) continue;
    Wire wire{.kind = kind, .width = width, .links = 0, .columns = members, .cards = {}, .label = ""};
    std::set<size_t> counts;
    for (size_t a : members) {
      for (size_t b : members) {
        if (a >= b) continue;
        auto found = strands.find({a, b});
        counts.insert(found == strands.end() ? 0 : found->second.links);
        if (found == strands.end()) continue;
        wire.links += found->second.links;
        Take(found->second.cards, wire.cards);
      }
    }
    if (counts.size() != 1 || counts.contains(0)) continue;
    const std::string many = *counts.begin() == 1 ? "" : fmt::format("{} × ", *counts.begin());
    wire.label = fmt::format("{}{} x{:g}, every two", many, kind, width);
    wires.push_back(std::move(wire));
    std::erase_if(strands, [&members](const auto& entry) {
      return std::binary_search(members.begin(), members.end(), entry.first.first);
    });
  }
}

// The line through `points`, with round corners.
std::string RoundedPath(const std::vector<std::pair<double, double>>& points, double radius) {
  std::string path = fmt::format("M{} {}", Number(points.front().first), Number(points.front().second));
  for (size_t i = 1; i < points.size(); ++i) {
    const auto [x, y] = points[i];
    if (i + 1 == points.size()) return path + fmt::format("L{} {}", Number(x), Number(y));
    const auto [from_x, from_y] = points[i - 1];
    const auto [to_x, to_y] = points[i + 1];
    const double before = std::hypot(x - from_x, y - from_y);
    const double after = std::hypot(to_x - x, to_y - y);
    const double r = std::min({radius, before / 2, after / 2});
    if (r < 0.1) continue;
    path += fmt::format("L{} {}Q{} {} {} {}", Number(x - (x - from_x) / before * r),
                        Number(y - (y - from_y) / before * r), Number(x), Number(y),
                        Number(x + (to_x - x) / after * r), Number(y + (to_y - y) / after * r));
  }
  return path;
}

// The first of `tracks` where low .. high is free, or a new one.
size_t FreeTrack(double low, double high, std::vector<std::vector<std::pair<double, double>>>& tracks) {
  constexpr double kApart = 6;
  size_t track = 0;
  for (; track < tracks.size(); ++track) {
    const bool taken =
        std::any_of(tracks[track].begin(), tracks[track].end(), [low, high](const auto& other) {
          return low < other.second + kApart && other.first < high + kApart;
        });
    if (!taken) break;
  }
  if (track == tracks.size()) tracks.emplace_back();
  tracks[track].emplace_back(low, high);
  return track;
}

}  // namespace

bool IsCrowded(size_t wires) { return wires > kMostLabelled; }

double StrokeOf(double width, size_t wires) {
  const double narrow = IsCrowded(wires) ? 1.2 : 1.6;
  return std::min(narrow + std::log2(std::max(width, 1.0)) * (IsCrowded(wires) ? 1 : 1.2), 8.0);
}

std::vector<Wire> MakeWires(const Graph& graph, const Layout& layout) {
  Strands strands;
  for (const Link& link : graph.links()) {
    if (link.kind == kBoard) continue;
    const size_t a = layout.column_of[link.from];
    const size_t b = layout.column_of[link.to];
    if (a == b) continue;
    Strand& strand = strands[{link.kind, link.width}][std::minmax(a, b)];
    Take({link.from, link.to}, strand.cards);
    ++strand.links;
  }
  std::vector<Wire> wires;
  std::map<std::pair<Pair, std::string>, Wire> plain;
  for (auto& [key, pairs] : strands) {
    const auto& [kind, width] = key;
    TakeCliques(kind, width, layout.columns.size(), pairs, wires);
    for (const auto& [pair, strand] : pairs) {
      Wire& wire = plain[{pair, kind}];
      wire.kind = kind;
      wire.width = std::max(wire.width, width);
      wire.links += strand.links;
      wire.columns = {pair.first, pair.second};
      Take(strand.cards, wire.cards);
      const std::string many = strand.links == 1 ? "" : fmt::format("{} × ", strand.links);
      wire.label += fmt::format("{}{}{} x{:g}", wire.label.empty() ? "" : " + ", many, kind, width);
    }
  }
  for (auto& [key, wire] : plain) wires.push_back(std::move(wire));
  return wires;
}

Router::Router(const Layout& layout, const std::vector<Wire>& wires)
    : layout_(layout),
      wires_(wires),
      ports_(wires.size()),
      trunks_(wires.size()),
      gutter_x_(wires.size(), 0),
      lane_heights_(layout.lanes(), 0) {
  MakePorts();
  MakeTrunks();
  for (size_t lane = 0; lane < lane_heights_.size(); ++lane) SetTracks(lane);
  SetGutter();
}

double Router::pitch() const {
  if (!IsCrowded(wires_.size())) return 24;
  double widest = 0;
  for (const Wire& wire : wires_) widest = std::max(widest, StrokeOf(wire.width, wires_.size()));
  return widest + 6;
}

void Router::MakePorts() {
  // By column: how deep its wire runs, to the left side first; wire; number of the port. Wires that run
  // deeper have ports nearer to the middle, so that a card's own wires do not cross.
  std::map<size_t, std::vector<std::tuple<bool, double, size_t, size_t>>> by_column;
  for (size_t w = 0; w < wires_.size(); ++w) {
    std::set<size_t> lanes;
    std::set<size_t> rows;
    double sum = 0;
    for (size_t column : wires_[w].columns) {
      rows.insert(layout_.columns[column].row);
      lanes.insert(layout_.columns[column].row / 2);
      sum += layout_.columns[column].box.center();
    }
    for (size_t column : wires_[w].columns) {
      const double own = layout_.columns[column].box.center();
      const double others = (sum - own) / static_cast<double>(wires_[w].columns.size() - 1);
      const bool right = lanes.size() > 1 || others >= own;
      const double depth =
          std::abs(others - own) + (rows.size() > 1 ? 1e5 : 0) + (lanes.size() > 1 ? 1e6 : 0);
      by_column[column].emplace_back(right, right ? -depth : depth, w, ports_[w].size());
      const size_t row = layout_.columns[column].row;
      ports_[w].push_back({.column = column, .lane = row / 2, .below = row % 2 == 1, .x = own});
    }
  }
  double apart = kWidestPort;
  for (const auto& [column, ports] : by_column) {
    apart = std::min(apart, (layout_.columns[column].box.width - 14) / static_cast<double>(ports.size()));
  }
  for (auto& [column, ports] : by_column) {
    std::sort(ports.begin(), ports.end());
    const double middle = (static_cast<double>(ports.size()) - 1) / 2;
    for (size_t i = 0; i < ports.size(); ++i) {
      Port& port = ports_[std::get<2>(ports[i])][std::get<3>(ports[i])];
      const double steps = layout_.columns[column].box.center() / apart + static_cast<double>(i) - middle;
      if (layout_.rows.size() > 1 &&
          wires_.size() > 1) {  // those of the row below stand between those of the row above
        port.x = (std::floor(steps + 0.01) + (port.below ? 0.5 : 0)) * apart;
      } else {
        port.x = steps * apart;
      }
    }
  }
}

void Router::MakeTrunks() {
  for (size_t w = 0; w < wires_.size(); ++w) {
    std::map<size_t, Trunk> by_lane;
    for (const Port& port : ports_[w]) {
      Trunk fresh{.wire = w,
                  .lane = port.lane,
                  .low = port.x,
                  .high = port.x,
                  .above = false,
                  .below = false,
                  .y = 0};
      Trunk& trunk = by_lane.try_emplace(port.lane, fresh).first->second;
      trunk.low = std::min(trunk.low, port.x);
      trunk.high = std::max(trunk.high, port.x);
      (port.below ? trunk.below : trunk.above) = true;
    }
    if (by_lane.size() > 1) {
      for (auto& [lane, trunk] : by_lane) trunk.high = layout_.width;
    }
    for (const auto& [lane, trunk] : by_lane) trunks_[w].push_back(trunk);
  }
}

void Router::SetTracks(size_t lane) {
  std::vector<Trunk*> trunks;
  for (std::vector<Trunk>& of_wire : trunks_) {
    for (Trunk& trunk : of_wire) {
      if (trunk.lane == lane) trunks.push_back(&trunk);
    }
  }
  if (trunks.empty()) return;
  std::stable_sort(trunks.begin(), trunks.end(), [](const Trunk* a, const Trunk* b) {
    return std::make_tuple(std::round(a->high - a->low), a->low) <
           std::make_tuple(std::round(b->high - b->low), b->low);
  });
  // From above: wires of the upper row, wires between the rows, wires of the lower row.
  std::vector<std::vector<std::pair<double, double>>> upper, across, lower;
  std::vector<size_t> tracks;
  for (const Trunk* trunk : trunks) {
    tracks.push_back(FreeTrack(trunk->low, trunk->high,
                               !trunk->below  ? upper
                               : trunk->above ? across
                                              : lower));
  }
  const size_t count = upper.size() + across.size() + lower.size();
  for (size_t i = 0; i < trunks.size(); ++i) {
    const size_t track = !trunks[i]->below  ? tracks[i]
                         : trunks[i]->above ? upper.size() + tracks[i]
                                            : count - 1 - tracks[i];
    trunks[i]->y = kLaneMargin + static_cast<double>(track) * pitch();
  }
  const bool both = 2 * lane + 1 < layout_.rows.size();
  lane_heights_[lane] = kLaneMargin + static_cast<double>(count - 1) * pitch() + (both ? kLaneMargin : 12);
}

// The lower a wire comes out of its lane, the nearer it stays to the rows: so wires between two lanes do not
// cross.
void Router::SetGutter() {
  std::vector<std::pair<double, size_t>> order;
  for (size_t w = 0; w < wires_.size(); ++w) {
    if (trunks_[w].size() > 1) order.emplace_back(-trunks_[w].front().y, w);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [y, w] : order) {
    gutter_ += pitch();
    gutter_x_[w] = layout_.width + gutter_;
    for (Trunk& trunk : trunks_[w]) trunk.high = gutter_x_[w];
  }
}

// As near to the middle as it can be without lying on a vertical part of any wire; from the left of the rows
// and the top of the lane.
Box Router::LabelPlace(const Trunk& trunk, double width) const {
  constexpr double kAside = 14;
  std::vector<double> verticals = {trunk.low, trunk.high};
  for (const std::vector<Port>& ports : ports_) {
    const auto& trunks = trunks_[static_cast<size_t>(&ports - ports_.data())];
    for (const Port& port : ports) {
      auto own =
          std::find_if(trunks.begin(), trunks.end(), [&port](const Trunk& t) { return t.lane == port.lane; });
      const bool passes = port.below ? own->y <= trunk.y : own->y >= trunk.y;
      if (port.lane == trunk.lane && passes && port.x > trunk.low && port.x < trunk.high)
        verticals.push_back(port.x);
    }
  }
  std::sort(verticals.begin(), verticals.end());
  const double middle = (trunk.low + trunk.high) / 2;
  double best = trunk.high;
  for (size_t i = 1; i < verticals.size(); ++i) {
    const double low = verticals[i - 1] + kAside + width / 2;
    const double high = verticals[i] - kAside - width / 2;
    if (low > high) continue;
    const double center = std::clamp(middle, low, high);
    if (std::abs(center - middle) < std::abs(best - middle)) best = center;
  }
  if (best == trunk.high) return {};
  return {.x = best - width / 2, .y = trunk.y - 9, .width = width, .height = 18};
}

std::vector<Route> Router::Routes(const std::vector<double>& lane_tops, double left) const {
  const bool labelled = !IsCrowded(wires_.size());
  const double radius = labelled ? 12 : 7;
  std::vector<Route> routes;
  for (size_t w = 0; w < wires_.size(); ++w) {
    Route route;
    auto trunk_y = [this, w, &lane_tops](size_t lane) {
      const auto& trunks = trunks_[w];
      auto found = std::find_if(trunks.begin(), trunks.end(),
                                [lane](const Trunk& trunk) { return trunk.lane == lane; });
      return lane_tops[lane] + found->y;
    };
    auto edge = [this](const Port& port) {
      const Box& box = layout_.columns[port.column].box;
      return port.below ? box.y : box.bottom();
    };
    if (ports_[w].size() == 2) {
      const Port& a = ports_[w][0];
      const Port& b = ports_[w][1];
      std::vector<std::pair<double, double>> points = {{left + a.x, edge(a)}, {left + a.x, trunk_y(a.lane)}};
      if (a.lane != b.lane) {
        points.emplace_back(left + gutter_x_[w], trunk_y(a.lane));
        points.emplace_back(left + gutter_x_[w], trunk_y(b.lane));
      }
      points.emplace_back(left + b.x, trunk_y(b.lane));
      points.emplace_back(left + b.x, edge(b));
      route.path = RoundedPath(points, radius);
    } else {
      for (const Trunk& trunk : trunks_[w]) {
        const double y = trunk_y(trunk.lane);
        route.path +=
            fmt::format("M{} {}H{}", Number(left + trunk.low), Number(y), Number(left + trunk.high));
      }
      for (const Port& port : ports_[w]) {
        const double y = trunk_y(port.lane);
        route.path += fmt::format("M{} {}V{}", Number(left + port.x), Number(edge(port)), Number(y));
        route.joints.push_back({.x = left + port.x, .y = y, .width = 0, .height = 0});
      }
      if (trunks_[w].size() > 1) {
        route.path +=
            fmt::format("M{} {}V{}", Number(left + gutter_x_[w]), Number(trunk_y(trunks_[w].front().lane)),
                        Number(trunk_y(trunks_[w].back().lane)));
      }
    }
    const Trunk& longest =
        *std::max_element(trunks_[w].begin(), trunks_[w].end(),
                          [](const Trunk& a, const Trunk& b) { return a.high - a.low < b.high - b.low; });
    const double width = TextWidth(CleanText(wires_[w].label), kLabelFont) + 12;
    if (labelled) route.label = LabelPlace(longest, width);
    if (route.label.width > 0) {
      route.label.x += left;
      route.label.y += lane_tops[longest.lane];
    }
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace cleave
