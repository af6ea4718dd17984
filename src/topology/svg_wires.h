// SPDX-License-Identifier: Apache-2.0
// Links as wires that run in lanes between rows of cards. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_WIRES_H_
#define CLEAVE_TOPOLOGY_SVG_WIRES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "topology/graph.h"
#include "topology/svg_layout.h"

namespace cleave {

// All links of one kind between two columns, or one kind and width between every two of several columns.
struct Wire {
  std::string kind;
  double width = 1;  // the widest
  size_t links = 0;
  std::vector<size_t> columns;  // sorted
  std::vector<size_t> cards;    // sorted
  std::string label;            // "ethernet x4", "2 × ethernet x4", "fabric x1, every two"
};

// How a wire is drawn.
struct Route {
  std::string path;         // SVG path data
  std::vector<Box> joints;  // dots, where more than two cards meet; width and height 0
  Box label;                // where its label has room; width 0: nowhere
};

// Board links and links between the pieces of one card aside.
std::vector<Wire> MakeWires(const Graph& graph, const Layout& layout);

// So many wires that they are drawn thinner and without labels.
bool IsCrowded(size_t wires);

// Stroke width in pixels of a link of `width` where there are `wires`.
double StrokeOf(double width, size_t wires);

// Channel routing: each wire has a port of its own on each card and a track of its own, so that no two wires
// run on the same line; shorter ones are nearer to the cards. Wires between lanes go round the right side of
// the rows.
class Router {
 public:
  // Horizontal places must be known; vertical ones only for Routes(). Both arguments must outlive this.
  Router(const Layout& layout, const std::vector<Wire>& wires);

  const std::vector<double>& lane_heights() const { return lane_heights_; }
  double gutter() const { return gutter_; }  // what it needs on the right side

  // `lane_tops` as from PlaceRows(), `left` where rows begin. One for each wire.
  std::vector<Route> Routes(const std::vector<double>& lane_tops, double left) const;

 private:
  struct Port {
    size_t column = 0;
    size_t lane = 0;
    bool below = false;  // on a row below its lane
    double x = 0;
  };
  struct Trunk {  // the horizontal part of a wire in one lane
    size_t wire = 0;
    size_t lane = 0;
    double low = 0;
    double high = 0;
    bool above = false;  // has ports on the row above
    bool below = false;
    double y = 0;  // from the top of the lane
  };

  void MakePorts();
  void MakeTrunks();
  void SetTracks(size_t lane);
  void SetGutter();
  Box LabelPlace(const Trunk& trunk, double width) const;
  double pitch() const;

  const Layout& layout_;
  const std::vector<Wire>& wires_;
  std::vector<std::vector<Port>> ports_;    // by wire, in the order of its columns
  std::vector<std::vector<Trunk>> trunks_;  // by wire, in the order of lanes
  std::vector<double> gutter_x_;            // by wire, where it changes lanes
  std::vector<double> lane_heights_;
  double gutter_ = 0;
};

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_WIRES_H_
