// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_style.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>

namespace cleave {
namespace {

struct Colour {
  std::string_view name;
  std::string_view light;
  std::string_view dark;
};

// Kinds of links (k0 ...) and states after Okabe and Ito, "Color Universal Design" (2008), darker on white
// and lighter on black.
constexpr std::array kColours = {
    Colour{"bg", "#ffffff", "#0f1419"},          Colour{"panel", "#f2f5f9", "#171e26"},
    Colour{"panel-line", "#cfd7e2", "#2f3a47"},  Colour{"socket", "#fafbfd", "#131920"},
    Colour{"text", "#16202c", "#e8edf3"},        Colour{"muted", "#566274", "#98a5b5"},
    Colour{"card", "#ffffff", "#1f2832"},        Colour{"line", "#9aa7b8", "#55647a"},
    Colour{"bridge", "#3f5068", "#8ba3c2"},      Colour{"on-bridge", "#ffffff", "#0f1419"},
    Colour{"port", "#cdd8e6", "#33445a"},        Colour{"on-port", "#16202c", "#e2eaf4"},
    Colour{"switch", "#ded4f4", "#45366b"},      Colour{"on-switch", "#33215f", "#e9e0ff"},
    Colour{"ok", "#00785a", "#3fcf9f"},          Colour{"bad", "#b93c00", "#ff8a4c"},
    Colour{"bad-fill", "#fdeee6", "#3a2117"},    Colour{"unsure", "#8a6200", "#f0c040"},
    Colour{"unsure-fill", "#fff7df", "#332a12"}, Colour{"gone", "#6b7685", "#8593a4"},
    Colour{"used", "#1d2a3a", "#dbe4ee"},        Colour{"on-used", "#ffffff", "#0f1419"},
    Colour{"board", "#8a97a8", "#64748a"},       Colour{"k0", "#0072b2", "#5cb8f0"},
    Colour{"k1", "#b36b00", "#ffb84d"},          Colour{"k2", "#a63d83", "#e79ccb"},
    Colour{"k3", "#00785a", "#3fcf9f"},          Colour{"k4", "#5546b5", "#aea3fa"},
    Colour{"k5", "#6b5d4d", "#cbbda8"},
};
constexpr size_t kKinds = 6;
constexpr std::array<std::string_view, kKinds> kDashes = {"", "9 4", "3 3", "14 4 3 4", "9 3 2 3 2 3", "1 4"};
constexpr size_t kMostPointed = 128;

// $name is a colour.
constexpr std::string_view kRules =
    R"(.ct text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:11px;fill:$text}
.ct .mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:10.5px}
.ct .h1{font-size:18px;font-weight:650}
.ct .h2{font-size:13px;font-weight:650}
.ct .model{font-size:12px;font-weight:600}
.ct .muted{fill:$muted}
.ct .small{font-size:10px}
.ct .bg{fill:$bg}
.ct .socket{fill:$socket;stroke:$panel-line}
.ct .panel{fill:$panel;stroke:$panel-line}
.ct .tree{stroke:$line;fill:none}
.ct .board{fill:none;stroke:$board;stroke-dasharray:5 3}
.ct .plate{fill:$panel}
.ct .bridge{fill:$bridge}.ct .on-bridge{fill:$on-bridge}
.ct .port{fill:$port}.ct .on-port{fill:$on-port}
.ct .switch{fill:$switch}.ct .on-switch{fill:$on-switch}
.ct .function{fill:$card;stroke:$line}.ct .on-function{fill:$text}
.ct .card{fill:$card;stroke:$line}
.ct .ok{stroke:$ok}.ct .bad{stroke:$bad;fill:$bad-fill}.ct .unsure{stroke:$unsure;fill:$unsure-fill}
.ct .gone{stroke:$gone;fill:none;stroke-dasharray:4 3}
.ct .idle{stroke:$gone;fill:$panel;stroke-dasharray:2 3}
.ct .nic{fill:$panel;stroke:$line;stroke-width:.8}
.ct .f-ok{fill:$ok}.ct .f-bad{fill:$bad}.ct .f-unsure{fill:$unsure}.ct .f-gone{fill:$gone}
.ct .glyph{stroke:$card;stroke-width:1.6;fill:none;stroke-linecap:round;stroke-linejoin:round}
.ct .used{fill:$used}.ct .on-used{fill:$on-used}.ct .mark{font-size:10px;font-weight:600}
.ct .w{fill:none;stroke-linejoin:round}
.ct .joint{fill:$line}
.ct .halo{stroke:$bg;fill:none}
.ct .label{fill:$bg}
.ct .w,.ct .wl{transition:opacity .12s}
)";

std::string_view ColourNamed(std::string_view name) {
  const auto* found =
      std::find_if(kColours.begin(), kColours.end(), [name](const Colour& c) { return c.name == name; });
  return found == kColours.end() ? "" : found->light;
}

// Declarations with a variable are preceded by the same with the light colour, for programs that know no
// variables.
std::string Expand(std::string_view rules) {
  std::string out;
  while (!rules.empty()) {
    const size_t dollar = std::min(rules.find('$'), rules.size());
    out += rules.substr(0, dollar);
    rules.remove_prefix(dollar);
    if (rules.empty()) break;
    size_t end = 1;
    while (end < rules.size() &&
           (std::isalnum(static_cast<unsigned char>(rules[end])) != 0 || rules[end] == '-'))
      ++end;
    const std::string name(rules.substr(1, end - 1));
    rules.remove_prefix(end);
    const size_t property = out.find_last_of("{;") + 1;
    const std::string declared = out.substr(property);  // "fill:"
    out += fmt::format("{};{}var(--cleave-{})", ColourNamed(name), declared, name);
  }
  return out;
}

}  // namespace

std::string StyleSheet(size_t cards) {
  std::string light;
  std::string dark;
  for (const Colour& colour : kColours) {
    light += fmt::format("--cleave-{}:{};", colour.name, colour.light);
    dark += fmt::format("--cleave-{}:{};", colour.name, colour.dark);
  }
  std::string out =
      fmt::format(":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n", light, dark);
  out += Expand(kRules);
  for (size_t i = 0; i < kKinds; ++i)
    out += Expand(fmt::format(".ct .k{}{{stroke:$k{}}}.ct .f-k{}{{fill:$k{}}}\n", i, i, i, i));
  for (size_t i = 0; i < std::min(cards, kMostPointed); ++i) {
    out += fmt::format(".ct:has(.c{}:hover) .wire:not(.l{}){{opacity:.08}}\n", i, i);
  }
  return out;
}

size_t KindColour(size_t n) { return n % kKinds; }

std::string KindDashes(size_t n) { return std::string(kDashes[n % kKinds]); }

}  // namespace cleave
