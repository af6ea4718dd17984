// SPDX-License-Identifier: Apache-2.0
// Texts of a picture stay inside what they stand on, and do not lie on one another.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/topology/machines.h"
#include "topology/render_svg.h"
#include "topology/svg_layout.h"
#include "topology/svg_text.h"

namespace cleave {
namespace {

using testing::Captured;

struct Text {
  std::string text;
  Box box;
};

// Everything in one element <g>, or outside of all.
struct Part {
  std::string css;
  std::vector<Box> boxes;
  std::vector<Text> texts;
};

struct Drawing {
  Box all;
  std::vector<Part> parts;
};

std::string ValueOf(std::string_view element, const std::string& name) {
  const std::string key = " " + name + "=\"";
  size_t at = element.find(key);
  if (at == std::string_view::npos) return "";
  at += key.size();
  return std::string(element.substr(at, element.find('"', at) - at));
}

double NumberOf(std::string_view element, const std::string& name) {
  const std::string value = ValueOf(element, name);
  double number = 0;
  EXPECT_EQ(std::from_chars(value.data(), value.data() + value.size(), number).ec, std::errc()) << element;
  return number;
}

Box BoxOf(std::string_view element) {
  return {.x = NumberOf(element, "x"),
          .y = NumberOf(element, "y"),
          .width = NumberOf(element, "width"),
          .height = NumberOf(element, "height")};
}

// As the style sheet has it.
Font FontOf(const std::string& css) {
  auto has = [&css](const std::string& name) { return (" " + css + " ").find(" " + name + " ") != css.npos; };
  if (has("h1")) return {.size = 18, .bold = true};
  if (has("h2")) return {.size = 13, .bold = true};
  if (has("model")) return {.size = 12, .bold = true};
  if (has("mark")) return {.size = 10, .bold = true};
  if (has("small")) return {.size = 10};
  return has("mono") ? Font{.size = 10.5, .mono = true} : Font{.size = 11};
}

std::string Unescaped(std::string text) {
  for (const auto& [code, sign] : std::vector<std::pair<std::string, std::string>>{
           {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}}) {
    for (size_t at = text.find(code); at != text.npos; at = text.find(code, at + 1))
      text.replace(at, code.size(), sign);
  }
  return text;
}

Text TextOf(std::string_view element, const std::string& text) {
  const Font font = FontOf(ValueOf(element, "class"));
  const double width = TextWidth(text, font);
  const std::string anchor = ValueOf(element, "text-anchor");
  const double x = NumberOf(element, "x") - (anchor == "end" ? width : anchor == "middle" ? width / 2 : 0);
  const double up = font.size * 0.75;
  return {text, {.x = x, .y = NumberOf(element, "y") - up, .width = width, .height = up}};
}

// Of what Canvas writes: groups are not nested.
Drawing Read(std::string_view svg) {
  Drawing drawing;
  const std::string_view top = svg.substr(0, svg.find('>'));
  drawing.all = {.width = NumberOf(top, "width"), .height = NumberOf(top, "height")};
  drawing.parts.push_back({});
  size_t part = 0;  // that is open
  for (size_t at = svg.find('<', 1); at != std::string_view::npos; at = svg.find('<', at + 1)) {
    const std::string_view element = svg.substr(at, svg.find('>', at) - at);
    if (element.starts_with("<g ")) {
      part = drawing.parts.size();
      drawing.parts.push_back({.css = ValueOf(element, "class"), .boxes = {}, .texts = {}});
    } else if (element == "</g") {
      part = 0;
    } else if (element.starts_with("<rect ")) {
      drawing.parts[part].boxes.push_back(BoxOf(element));
    } else if (element.starts_with("<text ")) {
      const size_t begin = at + element.size() + 1;
      drawing.parts[part].texts.push_back(
          TextOf(element, Unescaped(std::string(svg.substr(begin, svg.find('<', begin) - begin)))));
    }
  }
  return drawing;
}

bool Overlap(const Box& a, const Box& b) {
  return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom();
}

bool Contains(const Box& outer, const Box& inner) {
  constexpr double kSlack = 0.11;  // coordinates are rounded
  return outer.x <= inner.x + kSlack && inner.right() <= outer.right() + kSlack &&
         outer.y <= inner.y + kSlack && inner.bottom() <= outer.bottom() + kSlack;
}

std::string ToString(const Text& text) {
  return fmt::format("'{}' at {:.1f} {:.1f}, {:.1f} wide", text.text, text.box.x, text.box.y, text.box.width);
}

void ExpectTidy(const std::string& svg) {
  const Drawing drawing = Read(svg);
  std::vector<Text> texts;
  for (const Part& part : drawing.parts) {
    for (const Box& box : part.boxes) EXPECT_TRUE(Contains(drawing.all, box)) << part.css << " at " << box.x;
    texts.insert(texts.end(), part.texts.begin(), part.texts.end());
    // Of a bar each text stands on a part of it, of a card, a piece or a network card on its first box.
    const bool is_bar = part.css == "bar";
    if (part.boxes.empty() || part.css.empty() || part.css == "node") continue;
    for (size_t i = 0; i < part.texts.size(); ++i) {
      if (is_bar) {
        ASSERT_EQ(part.texts.size(), part.boxes.size());
      }
      const bool is_plate = part.css == "boards";  // after its outline
      const Box& below = part.boxes[is_bar ? i : is_plate ? 1 : 0];
      EXPECT_TRUE(Contains(below, part.texts[i].box)) << part.css << " " << ToString(part.texts[i]);
    }
  }
  EXPECT_GE(texts.size(), 2U);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_TRUE(Contains(drawing.all, texts[i].box)) << ToString(texts[i]);
    for (size_t j = 0; j < i; ++j)
      EXPECT_FALSE(Overlap(texts[i].box, texts[j].box))
          << ToString(texts[i]) << " and " << ToString(texts[j]);
  }
}

// As it is, with all cards in use, and with every card in trouble that takes many words to tell.
void ExpectTidyInAllStates(Inventory inventory, const std::vector<Link>& links) {
  SvgOptions options;
  ExpectTidy(RenderSvg(inventory, Graph(inventory, links, Weights{}), options));
  for (const Card& card : inventory.cards) options.in_use.insert(card.id);
  ExpectTidy(RenderSvg(inventory, Graph(inventory, links, Weights{}), options));
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    Card& card = inventory.cards[i];
    card.health = i % 2 == 0 ? Health::kUnhealthy : Health::kUnknown;
    card.present = i % 3 != 0;
    card.reason =
        "WWWW the card does not answer and nobody knows why, not even who wrote a text as long as this";
    if (i % 3 == 0) options.not_offered[card.id] = fmt::format("{}, for the {}. time", card.reason, i % 5);
    card.attributes["model"] = fmt::format("MODEL WITH A NAME AS LONG AS NO MAKER WOULD CHOOSE {}", i);
  }
  options.title = "a node with a name that is not short";
  ExpectTidy(RenderSvg(inventory, Graph(inventory, links, Weights{}), options));
}

TEST(SvgBounds, TextsOfEveryMachineHaveRoom) {
  for (const std::string& name : testing::MachineNames()) {
    SCOPED_TRACE(name);
    const Captured machine = testing::Scan(name);
    ExpectTidyInAllStates(machine.inventory, machine.links);
  }
}

TEST(SvgBounds, TextsOfLinkedMachinesHaveRoom) {
  for (const auto& [name, descriptor] : std::vector<std::pair<std::string, std::string>>{
           {"tenstorrent-4x-n300", "t3k_cluster_desc"}, {"tt-galaxy-bh", "blackhole_galaxy"}}) {
    SCOPED_TRACE(name);
    const Captured machine = testing::Scan(
        name,
        fmt::format("[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"cluster-descriptors/{}.yaml\"\n",
                    descriptor));
    ASSERT_FALSE(machine.links.empty());
    ExpectTidyInAllStates(machine.inventory, machine.links);
  }
}

// In pieces of all numbers, too.
TEST(SvgBounds, TextsOfAnyNumberOfCardsHaveRoom) {
  for (int count = 1; count <= 70; count += 3) {
    SCOPED_TRACE(count);
    Inventory inventory;
    testing::AddNode(inventory, 0, 4, {10, 21});
    testing::AddNode(inventory, 1, 4, {21, 10});
    for (int i = 0; i < count; ++i) {
      Card& card = testing::AddCard(
          inventory, {"pci0000:00", "0000:00:01.0", fmt::format("0000:{:02x}:00.0", i + 1)}, i % 2);
      card.nodes = {{"main", fmt::format("/dev/folder/card{}", i)}};
      if (i % 4 == 3) continue;
      card.piece_of = fmt::format("card-{}", i % 2);
      card.attributes["partition"] = fmt::format("{}g.{}gb", i % 7, 10 * (i % 7));
    }
    ExpectTidyInAllStates(std::move(inventory), {});
  }
}

}  // namespace
}  // namespace cleave
