// SPDX-License-Identifier: Apache-2.0
// SVG elements as text. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_SVG_CANVAS_H_
#define CLEAVE_TOPOLOGY_SVG_CANVAS_H_

#include <string>
#include <string_view>

#include "topology/card_words.h"
#include "topology/svg_layout.h"

namespace cleave {

enum class Anchor { kStart, kMiddle, kEnd };

// Classes are those of svg_style.cpp and are written as they are; texts are escaped.
class Canvas {
 public:
  // A group with a tooltip of one or more lines ("": none).
  void Open(std::string_view css, std::string_view tooltip);
  void Close();
  void Rect(std::string_view css, const Box& box, double radius);
  // `y` is the base line.
  void Text(std::string_view css, double x, double y, std::string_view text, Anchor anchor = Anchor::kStart);
  // `attributes` as written in the element, "" or with a blank before: " stroke-width=\"2\"".
  void Path(std::string_view css, std::string_view data, std::string_view attributes = "");
  void Circle(std::string_view css, double x, double y, double radius);
  // A sign whose shape tells the state without its colour.
  void StateSign(CardState state, double x, double y);

  const std::string& text() const { return out_; }

 private:
  std::string out_;
};

// "ok", "bad", "unsure", "gone": the end of a class.
std::string_view StateClass(CardState state);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_SVG_CANVAS_H_
