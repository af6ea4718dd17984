// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_canvas.h"

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "base/strings.h"
#include "topology/card_words.h"
#include "topology/svg_layout.h"
#include "topology/svg_text.h"

namespace cleave {

std::string_view StateClass(CardState state) {
  switch (state) {
    case CardState::kHealthy:
      return "ok";
    case CardState::kUnhealthy:
      return "bad";
    case CardState::kUnknown:
    case CardState::kWaiting:
      return "unsure";
    case CardState::kGone:
      break;
  }
  return "gone";
}

void Canvas::Open(std::string_view css, std::string_view tooltip) {
  out_ += fmt::format("<g class=\"{}\">", css);
  if (tooltip.empty()) return;
  std::string lines;
  for (const std::string& line : Split(tooltip, '\n')) lines += (lines.empty() ? "" : "\n") + EscapeXml(line);
  out_ += fmt::format("<title>{}</title>", lines);
}

void Canvas::Close() { out_ += "</g>\n"; }

void Canvas::Rect(std::string_view css, const Box& box, double radius) {
  out_ += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>", css,
                      Number(box.x), Number(box.y), Number(box.width), Number(box.height), Number(radius));
}

void Canvas::Text(std::string_view css, double x, double y, std::string_view text, Anchor anchor) {
  if (text.empty()) return;
  const std::string_view where = anchor == Anchor::kStart    ? ""
                                 : anchor == Anchor::kMiddle ? " text-anchor=\"middle\""
                                                             : " text-anchor=\"end\"";
  const std::string of_class = css.empty() ? "" : fmt::format(" class=\"{}\"", css);
  out_ += fmt::format("<text{} x=\"{}\" y=\"{}\"{}>{}</text>", of_class, Number(x), Number(y), where,
                      EscapeXml(text));
}

void Canvas::Path(std::string_view css, std::string_view data, std::string_view attributes) {
  out_ += fmt::format("<path class=\"{}\" d=\"{}\"{}/>", css, data, attributes);
}

void Canvas::Circle(std::string_view css, double x, double y, double radius) {
  out_ += fmt::format("<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>", css, Number(x), Number(y),
                      Number(radius));
}

void Canvas::StateSign(CardState state, double x, double y) {
  const std::string at = fmt::format(" transform=\"translate({} {})\"", Number(x), Number(y));
  const std::string fill = fmt::format("f-{}", StateClass(state));
  constexpr std::string_view kSquare =
      "M-6-4.5a1.5 1.5 0 0 1 1.5-1.5h9a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5h-9a1.5 1.5 0 0 "
      "1-1.5-1.5z";
  switch (state) {
    case CardState::kHealthy:
      Circle(fill, x, y, 6.5);
      return Path("glyph", "M-2.8 .2L-.8 2.4L3-2.2", at);
    case CardState::kUnhealthy:
      Path(fill, "M0-8L8 0L0 8L-8 0z", at);
      return Path("glyph", "M-2.4-2.4L2.4 2.4M2.4-2.4L-2.4 2.4", at);
    case CardState::kUnknown:
      Path(fill, kSquare, at);
      return Path("glyph", "M-2-1.8C-2-4.3 2.3-4.1 2.1-1.6C1.9-.2 0-.2 0 1.3M0 3.6V3.7", at);
    case CardState::kWaiting:
      Path(fill, kSquare, at);
      return Path("glyph", "M-3 0V.1M0 0V.1M3 0V.1", at);
    case CardState::kGone:
      break;
  }
  Path("gone", kSquare, at);
  Path("gone", "M-3 0H3", at);
}

}  // namespace cleave
