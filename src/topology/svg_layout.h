// SPDX-License-Identifier: Apache-2.0
// Where everything of a machine's picture stands. Private to src/topology.
//
// The leaves of the tree are columns, from left to right, broken into rows that are not too wide. What holds
// them (panels, bars) stands above. Every second row hangs upside down, so that the cards of two rows face
// each other across one lane, where the wires are.
#ifndef CLEAVE_TOPOLOGY_SVG_LAYOUT_H_
#define CLEAVE_TOPOLOGY_SVG_LAYOUT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "discovery/inventory.h"
#include "topology/card_words.h"
#include "topology/graph.h"

namespace cleave {

struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
  double center() const { return x + width / 2; }
};

// One card, the pieces of one, network cards that hang on the same, or a NUMA node that holds none.
struct Column {
  std::vector<size_t> cards = {};
  std::vector<size_t> nics = {};  // entries of Inventory::functions
  size_t vertex = 0;              // what it hangs on
  size_t row = 0;
  Box box = {};
};

// A panel or an outline around columns of one row.
struct Frame {
  enum class Kind { kSocket, kNumaNode, kUnknownNode, kBoard };
  Kind kind = Kind::kNumaNode;
  size_t vertex = 0;  // of a socket or NUMA node
  std::string board;  // of a board
  size_t first = 0;   // columns, inclusive
  size_t last = 0;
  bool continued = false;  // began in a row above
  Box box;
};

// A bridge above columns of one row, or a chain of bridges that hold the same ones.
struct Bar {
  struct Part {
    size_t vertex = 0;
    Box box;
  };
  std::vector<Part> parts;
  size_t first = 0;
  size_t last = 0;
  size_t level = 0;
  bool continued = false;
  Box box;
};

struct Line {
  double x = 0;
  double y1 = 0;
  double y2 = 0;
  size_t row = 0;
};

struct Row {
  size_t first = 0;
  size_t last = 0;
  bool flipped = false;
  Box box;
};

// What cards look like: less is said where many share the width.
struct CardLook {
  bool compact = false;
  double width = 0;
  double height = 0;
  double piece_height = 22;
  double piece_width = 0;
  // Lines below the first, where any card has something to say there.
  bool model = false;
  bool address = false;
  bool node = false;
  bool speed = false;
  size_t reason_lines = 0;
  bool in_use = false;
};

struct Layout {
  std::vector<Column> columns;
  std::vector<size_t> column_of;  // by card
  std::vector<Row> rows;
  std::vector<Frame> frames;  // outer before inner
  std::vector<Bar> bars;
  std::vector<Line> lines;  // from what holds to what is held
  CardLook look;
  double width = 0;  // of the widest row

  // Wires of rows 2 i and 2 i + 1 share lane i.
  size_t lanes() const { return (rows.size() + 1) / 2; }
};

// All but the vertical places of rows. `nics`: network cards to be drawn, entries of Inventory::functions.
// `wired`: there are wires to be drawn.
Layout MakeLayout(const Inventory& inventory, const Graph& graph, const std::vector<size_t>& nics, bool wired,
                  bool in_use);

// Puts the rows below `top`, with lanes of these heights between them. Returns the tops of the lanes and, as
// the last, the bottom of it all.
std::vector<double> PlaceRows(Layout& layout, double top, const std::vector<double>& lane_heights);

// How many pieces stand side by side in a column.
size_t PiecesAbreast(const Column& column);
inline constexpr double kPieceGap = 4;
inline constexpr double kPieceSide = 6;  // between a piece and the outline of its card
// Width of the sort and the name of a piece.
double PieceWords(const Card& card, const ShortNames& names);
// Of what stands above the pieces.
double PieceHead(const CardLook& look);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_LAYOUT_H_
