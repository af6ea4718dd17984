// SPDX-License-Identifier: Apache-2.0
#include "topology/render_svg.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/machine.h"
#include "tests/topology/machines.h"
#include "topology/card_words.h"
#include "topology/svg_text.h"
#include "topology/xml_reader.h"

namespace cleave {
namespace {

using ::testing::AllOf;
using testing::Captured;
using ::testing::HasSubstr;
using ::testing::Not;

// Bytes that are no UTF-8 in all ways, controls, what XML and dot give a meaning, and a turn of the direction
// of writing.
constexpr std::string_view kHostile =
    "<b a=\"1\" c='2'>&amp;]]>--><!-- \\N "
    "\x01\x1b[31m\x7f\xff\xc3(\xed\xa0\x80\xf8\xc0\xaf\xef\xbf\xbf\xe2\x80\xae\n\t";

std::string LinksOf(const std::string& descriptor) {
  return fmt::format(
      "[[links]]\nsource = \"tt-cluster-descriptor\"\npath = \"cluster-descriptors/{}.yaml\"\n", descriptor);
}

std::string SvgOf(const Captured& machine, const SvgOptions& options = {}) {
  return RenderSvg(machine.inventory, machine.MakeGraph(), options);
}

std::string SvgOf(const Inventory& inventory, const std::vector<Link>& links,
                  const SvgOptions& options = {}) {
  return RenderSvg(inventory, Graph(inventory, links, Weights{}), options);
}

// One document, and the words for every card.
void ExpectGood(const Inventory& inventory, const std::string& svg) {
  auto xml = ParseXml(svg);
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_EQ(xml->name, "svg");
  EXPECT_EQ(xml->Attribute("role"), "img");
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("=\"-"), std::string::npos) << "a negative place or size";
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    EXPECT_THAT(svg, HasSubstr(fmt::format("<title>C{} {}", i, EscapeXml(inventory.cards[i].id))));
    EXPECT_THAT(svg, HasSubstr(fmt::format(">C{}</text>", i)));
  }
}

// Where everything has to run, a test without Graphviz fails.
bool HasDot() {
  const bool found = std::system("command -v dot >/dev/null 2>&1") == 0;  // NOLINT: one thread
  const char* ci = std::getenv("CI");                                     // NOLINT: one thread
  EXPECT_TRUE(found || ci == nullptr || std::string_view(ci) != "true") << "Graphviz is missing, and CI=true";
  return found;
}

// What Graphviz says to it, warnings too; "" when it is content.
std::string DotSays(const std::string& dot) {
  testing::TempDir dir;
  testing::WriteFile(dir / "in.dot", dot);
  const std::string command =
      fmt::format("timeout 60 dot -Tsvg -o {0}/out.svg {0}/in.dot >{0}/says 2>&1", dir.path());
  const int code = std::system(command.c_str());  // NOLINT: one thread
  return testing::ReadFileOrDie(dir / "says") + (code == 0 ? "" : " failed");
}

TEST(Svg, IsWellFormedForEveryMachine) {
  const std::vector<std::string> names = testing::MachineNames();
  EXPECT_GT(names.size(), 30U);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const Captured machine = testing::Scan(name);
    ExpectGood(machine.inventory, SvgOf(machine));
  }
}

TEST(Svg, ShowsLinksByKindAndWidth) {
  const Captured machine = testing::Scan("tenstorrent-4x-n300", LinksOf("t3k_cluster_desc"));
  const std::string svg = SvgOf(machine, {.title = "T3000", .in_use = {}});
  ExpectGood(machine.inventory, svg);
  EXPECT_THAT(svg, AllOf(HasSubstr("<title id=\"cleave-title\">T3000</title>"), HasSubstr("NUMA node 1"),
                         HasSubstr("CPUs 0-27,56-83"), HasSubstr("<title>ethernet x4: C0, C1</title>"),
                         HasSubstr("ethernet x2, weight 200"), HasSubstr("n300")));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
}

TEST(Svg, SaysWhatAppearsAndNothingElse) {
  Inventory inventory = testing::SmallMachine();
  const std::string plain = SvgOf(inventory, {});
  EXPECT_THAT(
      plain, AllOf(HasSubstr(">healthy<"), HasSubstr(">switch<"), Not(HasSubstr(">unhealthy<")),
                   Not(HasSubstr(">in use<")), Not(HasSubstr("class=\"board\"")), Not(HasSubstr("weight "))));
  inventory.cards[0].health = Health::kUnhealthy;
  inventory.cards[0].reason = "too hot";
  inventory.cards[1].health = Health::kUnknown;
  inventory.cards[2].waiting = true;
  inventory.cards[3].present = false;
  inventory.cards[5].board = inventory.cards[6].board = "B7";
  const std::string marked = SvgOf(inventory, {}, {.title = "", .in_use = {inventory.cards[4].id, "nobody"}});
  ExpectGood(inventory, marked);
  for (const char* text : {"unhealthy", "unknown", "waiting", "gone", "in use", "too hot", "board B7"}) {
    EXPECT_THAT(marked, HasSubstr(fmt::format(">{}<", text)));
  }
}

TEST(Svg, PiecesStandInsideTheirCard) {
  Inventory inventory = testing::SmallMachine();
  for (size_t i : {0U, 1U}) {
    inventory.cards[i].piece_of = "one";
    inventory.cards[i].pieces = 2;
  }
  const std::string svg =
      SvgOf(inventory, {{0, 1, "inner", 1, 0}, {0, 2, "outer", 2, 0}, {1, 2, "outer", 2, 0}});
  ExpectGood(inventory, svg);
  EXPECT_THAT(svg, AllOf(HasSubstr(">2 pieces<"), HasSubstr("7 cards, 1 of them in 2 pieces"),
                         HasSubstr("<title>2 × outer x2: C0, C1, C2</title>"),
                         HasSubstr("1 link between pieces of one card")));
}

TEST(Svg, PiecesSayWhatTheyAre) {
  const Captured mig = testing::Scan("vendors/nvidia-hgx8-mig");
  EXPECT_THAT(SvgOf(mig), AllOf(HasSubstr("8 cards, 2 of them in 11 pieces (8 × NVIDIA H100 80GB HBM3)"),
                                HasSubstr(">1g.10gb</text>"), HasSubstr(">3g.40gb</text>"),
                                HasSubstr(">gi7/ci0</text>"), HasSubstr("profile-name: 2g.20gb")));
  const Captured functions = testing::Scan("vendors/qat-4xxx-2s");
  EXPECT_THAT(SvgOf(functions), AllOf(HasSubstr(">6b:00.0</text>"), HasSubstr(">00.1</text>"),
                                      HasSubstr(">cy</text>"), Not(HasSubstr(">up</text>"))))
      << "the address of the card, and not of its first function";
}

TEST(Svg, ForeignBytesStayText) {
  Inventory inventory = testing::SmallMachine();
  const std::string text(kHostile);
  for (Card& card : inventory.cards) {
    card.id += text;
    card.profile = card.board = card.reason = text;
    card.attributes = {{text, text}, {"model", text}};
    card.nodes = {{text, "/dev/" + text}};
    card.warnings = {text};
    card.health = Health::kUnknown;
  }
  inventory.functions[0].link = text;
  const std::vector<Link> links = {{0, 7, text, 1.5, 0}};
  const std::string svg = SvgOf(inventory, links, {.title = text, .in_use = {inventory.cards[1].id}});
  auto xml = ParseXml(svg);
  ASSERT_TRUE(xml.ok()) << xml.status();
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;b a=&quot;1&quot;"), Not(HasSubstr("<b ")), Not(HasSubstr("\x1b")),
                         Not(HasSubstr("\xff")), Not(HasSubstr("\xe2\x80\xae")), HasSubstr("\uFFFD")));
  if (!HasDot()) GTEST_SKIP() << "Graphviz is missing";
  EXPECT_EQ(DotSays(RenderDot(inventory, Graph(inventory, links, Weights{}))), "");
}

TEST(Svg, AFewCardsMoreOrLessAreFine) {
  for (int cards = 0; cards <= 70; ++cards) {
    SCOPED_TRACE(cards);
    Inventory inventory;
    testing::AddNode(inventory, 0, 4, {10, 21});
    testing::AddNode(inventory, 1, 4, {21, 10});
    std::vector<Link> links;
    for (int i = 0; i < cards; ++i) {
      testing::AddCard(inventory, {"pci0000:00", "0000:00:01.0", fmt::format("0000:{:02x}:00.0", i + 1)},
                       i % 2);
      for (int other = i % 7; other < i; other += 11) {
        links.push_back({static_cast<size_t>(other), static_cast<size_t>(i), "ring", 1.0 + i % 3, 0});
      }
    }
    ExpectGood(inventory, SvgOf(inventory, links));
  }
}

TEST(Svg, LinksBetweenEveryTwoAreOneBar) {
  Inventory inventory = testing::SmallMachine();
  std::vector<Link> links;
  for (size_t a = 0; a < 5; ++a) {
    for (size_t b = a + 1; b < 5; ++b) links.push_back({a, b, "fabric", 1, 0});
  }
  EXPECT_THAT(SvgOf(inventory, links),
              AllOf(HasSubstr("<title>fabric x1, every two: C0, C1, C2, C3, C4</title>"),
                    HasSubstr("a link between every two")));
  links.pop_back();
  EXPECT_THAT(SvgOf(inventory, links), Not(HasSubstr("every two")));
}

TEST(Svg, TheSameMachineGivesTheSamePicture) {
  Captured machine = testing::Scan("tt-galaxy-bh", LinksOf("blackhole_galaxy"));
  const std::string svg = SvgOf(machine);
  const std::string dot = RenderDot(machine.inventory, machine.MakeGraph());
  EXPECT_EQ(SvgOf(machine), svg);
  std::reverse(machine.links.begin(), machine.links.end());
  EXPECT_EQ(SvgOf(machine), svg);
  EXPECT_EQ(RenderDot(machine.inventory, machine.MakeGraph()), dot);
  EXPECT_LT(svg.size(), 100000U);
}

TEST(Svg, NetworkCardsAndWhatIsNotOffered) {
  Inventory inventory = testing::SmallMachine();
  testing::AddFunction(inventory, {"pci0000:10", "0000:10:01.0", "0000:12:00.0"}, 0);
  auto nic = std::find_if(inventory.functions.begin(), inventory.functions.end(),
                          [](const PciFunction& function) { return function.address == "0000:12:00.0"; });
  ASSERT_NE(nic, inventory.functions.end());
  nic->class_code = 0x020000;
  nic->rdma = {"mlx5_7"};
  const Graph graph(inventory, {}, Weights{});
  const SvgOptions options = {
      .title = "", .in_use = {}, .not_offered = {{inventory.cards[2].id, "it is <old>"}}};
  const std::string svg = RenderSvg(inventory, graph, options);
  ExpectGood(inventory, svg);
  EXPECT_THAT(
      svg, AllOf(HasSubstr("N0 network card 0000:12:00.0\nmlx5_7"), HasSubstr(">network card</text>"),
                 HasSubstr("card ok idle"), HasSubstr("\nnot offered: it is &lt;old&gt;</title>"),
                 HasSubstr(">not offered</text>"), HasSubstr(">C2 not offered: it is &lt;old&gt;</text>")));
  EXPECT_THAT(RenderSvg(inventory, graph, {.title = "", .in_use = {}, .not_offered = {}, .nics = {}}),
              Not(HasSubstr("mlx5_7")));
  const std::string dot = RenderDot(inventory, graph, options);
  EXPECT_THAT(dot, AllOf(HasSubstr("n0 [label=\"N0 network card\\n12:00.0\\nmlx5_7\""), HasSubstr(" -- n0;"),
                         HasSubstr("not offered: it is <old>")));
  EXPECT_THAT(RenderDot(inventory, graph), Not(HasSubstr("not offered")));
}

TEST(Svg, ReasonsAreSaidOnce) {
  Inventory inventory;
  SvgOptions options;
  for (int i = 0; i < 30; ++i) {
    const Card& card =
        testing::AddCard(inventory, {"pci0000:00", fmt::format("0000:{:02x}:00.0", i + 1)}, std::nullopt);
    if (i < 3 || i == 4 || i == 5) options.not_offered[card.id] = "it is small";
    if (i > 8 && i % 2 == 1) options.not_offered[card.id] = "it is odd";
    if (i > 14 && i % 2 == 0) options.not_offered[card.id] = fmt::format("it is number {}", i);
  }
  const std::string svg = SvgOf(inventory, {}, options);
  EXPECT_THAT(svg, AllOf(HasSubstr(">C0–C2, C4, C5 not offered: it is small</text>"),
                         HasSubstr(">11 cards not offered: it is odd</text>"),
                         HasSubstr(">C22 not offered: it is number 22</text>"),
                         HasSubstr(">3 more reasons (the tree has them)</text>")));
  EXPECT_THAT(svg, Not(HasSubstr(">C24 not offered: it")));
}

TEST(Dot, GraphvizReadsIt) {
  if (!HasDot()) GTEST_SKIP() << "Graphviz is missing";
  for (const std::string& name : testing::MachineNames()) {
    const Captured machine = testing::Scan(name);
    EXPECT_EQ(DotSays(RenderDot(machine.inventory, machine.MakeGraph())), "") << name;
  }
  const Captured linked = testing::Scan("tenstorrent-4x-n300", LinksOf("t3k_cluster_desc"));
  EXPECT_EQ(DotSays(RenderDot(linked.inventory, linked.MakeGraph())), "");
}

TEST(Dot, NamesPlacesCardsAndLinks) {
  const Captured machine = testing::Scan("tenstorrent-4x-n300", LinksOf("t3k_cluster_desc"));
  const std::string dot = RenderDot(machine.inventory, machine.MakeGraph());
  EXPECT_THAT(dot, AllOf(HasSubstr("label=\"NUMA node 0\\nCPUs 0-27,56-83\""),
                         HasSubstr("label=\"pci0000:30\\n30:02.0\""), HasSubstr("C0 n300\\n31:00.0"),
                         HasSubstr("c0 -- c1 ["), HasSubstr("\"ethernet x4\"")));
  for (const Card& card : machine.inventory.cards) EXPECT_THAT(dot, HasSubstr(card.id));
}

TEST(SvgText, CleanTextIsWellFormed) {
  EXPECT_EQ(CleanText("a é 中 😀"), "a é 中 😀");
  EXPECT_EQ(CleanText("a\tb\nc"), "a b c");
  for (const char* wrong :
       {"\x01", "\x7f", "\x80", "\xff", "\xc2", "\xc0\x80", "\xe2\x82", "\xef\xbf\xbe", "\u202e"}) {
    EXPECT_THAT(CleanText(wrong), ::testing::StartsWith("\uFFFD"));
  }
  EXPECT_EQ(CleanText("\xf4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD") << "beyond U+10FFFF";
  EXPECT_EQ(CleanText(std::string_view("a\0b", 3)), "a\uFFFDb");
  EXPECT_EQ(EscapeXml("<&>\"'"), "&lt;&amp;&gt;&quot;&#39;");
}

TEST(SvgText, WrapsBetweenWords) {
  const Font mono{.size = 10, .mono = true};
  const double room = TextWidth("seven77", mono) + 0.1;
  EXPECT_EQ(WrapText("", mono, room, 2), std::vector<std::string>());
  EXPECT_EQ(WrapText("one two", mono, room, 2), (std::vector<std::string>{"one two"}));
  EXPECT_EQ(WrapText("one two three", mono, room, 2), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(WrapText("one two three four", mono, room, 2), (std::vector<std::string>{"one two", "three …"}));
  EXPECT_EQ(WrapText("seventeen two", mono, room, 2), (std::vector<std::string>{"sevent…"}));
}

TEST(SvgText, FitsTheRoom) {
  const Font font{.size = 10};
  EXPECT_EQ(Ellipsize("short", font, 100), "short");
  const std::string cut = Ellipsize("ééééééééééééééééééééé", font, 60);
  EXPECT_THAT(cut, ::testing::EndsWith("é…"));
  EXPECT_LE(TextWidth(cut, font), 60);
  EXPECT_EQ(Ellipsize("wide", font, 3), "");
  EXPECT_EQ(Number(12.04), "12");
  EXPECT_EQ(Number(-0.01), "0");
}

TEST(CardWords, TheModelHasAUsualName) {
  Card card;
  card.profile = "maker";
  card.attributes = {
      {"asic", std::string("0123456789ABCDEF")}, {"firmware", std::string("19.2.0.0")}, {"n", int64_t{3}}};
  card.attributes["state"] = std::string("up");
  EXPECT_EQ(ModelOf(card), "maker") << "no word will do";
  card.attributes["model"] = std::string("X-1");
  EXPECT_EQ(ModelOf(card), "X-1");
}

TEST(CardWords, CardsAreCountedAndNotTheirPieces) {
  Inventory inventory = testing::SmallMachine();
  EXPECT_EQ(CountCards(inventory), "8 cards");
  for (size_t i : {0U, 1U, 4U}) inventory.cards[i].piece_of = "one";
  inventory.cards[7].piece_of = "whole";
  EXPECT_EQ(CountCards(inventory), "6 cards, 1 of them in 3 pieces");
  EXPECT_EQ(CountModels(inventory), (std::map<std::string, size_t>{{"test", 6}}));
  for (size_t i : {2U, 3U, 5U, 6U, 7U}) inventory.cards[i].piece_of = "two";
  EXPECT_EQ(CountCards(inventory), "2 cards in 8 pieces");
  inventory.cards[4].profile = "other";
  EXPECT_EQ(CountCards(inventory), "3 cards, 2 of them in 7 pieces") << "of another vendor";
  inventory.cards.clear();
  EXPECT_EQ(CountCards(inventory), "0 cards");
}

TEST(CardWords, APieceIsCalledByWhatItsCardDoesNotSay) {
  const ShortNames names(testing::SmallMachine());
  Card card;
  card.id = "0000:3a:00.0/gi7/ci0";
  card.address = card.piece_of = "0000:3a:00.0";
  EXPECT_EQ(PieceName(card, names), "gi7/ci0");
  EXPECT_EQ(PieceSort(card), "");
  card.attributes["profile-name"] = std::string("1g.10gb");
  EXPECT_EQ(PieceSort(card), "1g.10gb");
  card.id = card.address = "0000:3a:02.7";
  EXPECT_EQ(PieceName(card, names), "02.7");
  EXPECT_EQ(WholeAddress(card), "0000:3a:00.0");
  card.id = "0000:3b:00.0";
  EXPECT_EQ(PieceName(card, names), "3b:00.0") << "on another bus";
  card.piece_of = "board-7";
  EXPECT_EQ(WholeAddress(card), "0000:3a:02.7");
  card.piece_of = "";
  EXPECT_EQ(PieceSort(card), "") << "a whole card";
}

TEST(CardWords, DomainsAreSaidWhereThereIsMoreThanOne) {
  Inventory inventory = testing::SmallMachine();
  EXPECT_EQ(ShortNames(inventory)("0000:05:00.0"), "05:00.0");
  EXPECT_EQ(ShortNames(inventory)("pci0000:00"), "pci0000:00");
  testing::AddFunction(inventory, {"pci0001:00", "0001:00:01.0"}, 0);
  EXPECT_EQ(ShortNames(inventory)("0000:05:00.0"), "0000:05:00.0");
}

TEST(SvgText, AnAddressKeepsItsEnd) {
  const Font mono{.size = 10, .mono = true};
  EXPECT_EQ(EllipsizeFront("0000:03:00.0", mono, 1000), "0000:03:00.0");
  const double room = TextWidth("…03:00.0", mono);
  EXPECT_EQ(EllipsizeFront("0000:03:00.0", mono, room), "…03:00.0");
  EXPECT_EQ(EllipsizeFront("0000:03:00.0", mono, 1), "");
}

}  // namespace
}  // namespace cleave
