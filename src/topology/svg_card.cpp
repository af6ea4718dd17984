// SPDX-License-Identifier: Apache-2.0
#include "topology/svg_card.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "discovery/inventory.h"
#include "topology/card_words.h"
#include "topology/render.h"
#include "topology/render_svg.h"
#include "topology/svg_canvas.h"
#include "topology/svg_layout.h"
#include "topology/svg_text.h"

namespace cleave {
namespace {

constexpr Font kMono = {.size = 10.5, .mono = true};
constexpr Font kSmall = {.size = 10};
constexpr Font kModel = {.size = 12, .bold = true};
constexpr double kPad = 9;
constexpr double kBand = 18;
constexpr double kLeastName = 26;  // less of a name tells nothing

// The whole path, or "…/0".
std::string NodeText(const Card& card, double width) {
  if (card.nodes.empty()) return "";
  const std::string more = card.nodes.size() > 1 ? fmt::format(" +{}", card.nodes.size() - 1) : "";
  const std::string path = CleanText(card.nodes.front().second);
  if (TextWidth(path + more, kMono) <= width) return path + more;
  return Ellipsize("…" + path.substr(std::min(path.rfind('/'), path.size())) + more, kMono, width);
}

class CardDrawer {
 public:
  CardDrawer(const Inventory& inventory, const CardLook& look, const SvgOptions& options, Canvas& canvas)
      : inventory_(inventory), look_(look), options_(options), canvas_(canvas), names_(inventory) {}

  void Whole(size_t index, const Box& box) {
    const Card& card = inventory_.cards[index];
    const CardState state = StateOf(card);
    const bool used = options_.in_use.contains(card.id);
    const double room = box.width - 2 * kPad;
    const double x = box.x + kPad;
    double y = box.y + 19;
    canvas_.Open(fmt::format("c{}", index), Story(index, used));
    const bool offered = NotOfferedText(options_, card).empty();
    canvas_.Rect("card " + std::string(StateClass(state)) + (offered ? "" : " idle"), box, 6);
    const std::string name = fmt::format("C{}", index);
    canvas_.Text("h2", x, y, name);
    canvas_.StateSign(state, box.right() - 15, y - 4);
    const double word_room = room - TextWidth(name, {.size = 13, .bold = true}) - 22;
    const std::string_view word = offered ? ToString(state) : kNotOffered;
    if (TextWidth(word, kSmall) <= word_room) {
      canvas_.Text(offered ? fmt::format("small f-{}", StateClass(state)) : "small muted", box.right() - 26,
                   y, word, Anchor::kEnd);
    }
    if (look_.model) canvas_.Text("model", x, y += 17, Ellipsize(Model(card), kModel, room));
    canvas_.Text("mono", x, y += 16, EllipsizeFront(names_(card.id), kMono, room));
    if (look_.address) canvas_.Text("mono muted", x, y += 14, Address(card, room));
    if (look_.node) canvas_.Text("mono muted", x, y += 14, NodeText(card, room));
    if (look_.speed) canvas_.Text("small muted", x, y += 14, Speed(card, room));
    for (const std::string& line : WrapText(card.reason, kSmall, room, look_.reason_lines))
      canvas_.Text(fmt::format("small f-{}", StateClass(state)), x, y += 14, line);
    if (used) Band(box);
    canvas_.Close();
  }

  void Nics(const std::vector<size_t>& all, const Column& column) {
    const double count = static_cast<double>(column.nics.size());
    Box box = column.box;
    box.height = (column.box.height + 4) / count - 4;
    for (size_t nic : column.nics) {
      const PciFunction& function = inventory_.functions[nic];
      const auto number = std::find(all.begin(), all.end(), nic) - all.begin();
      const double room = box.width - 12;
      const double x = box.x + 6;
      canvas_.Open("nics", fmt::format("N{} network card {}{}{}", number, function.address,
                                       function.rdma.empty() ? "" : "\n", Join(function.rdma, " ")));
      canvas_.Rect("nic", box, 5);
      canvas_.Text("model", x, box.y + 14, fmt::format("N{}", number));
      canvas_.Text("small muted", x, box.y + 27, EllipsizeFront(names_(function.address), kSmall, room));
      canvas_.Text(
          "small muted", x, box.y + 40,
          Ellipsize(function.rdma.empty() ? function.driver : Join(function.rdma, " "), kSmall, room));
      canvas_.Close();
      box.y += box.height + 4;
    }
  }

  void Pieces(const Column& column) {
    canvas_.Rect("card", column.box, 6);
    const size_t abreast = PiecesAbreast(column);
    const size_t down = (column.cards.size() + abreast - 1) / abreast;
    const double width =
        (column.box.width - 2 * kPieceSide + kPieceGap) / static_cast<double>(abreast) - kPieceGap;
    double number = 0;
    double words = 0;
    for (size_t card : column.cards) {
      number = std::max(number, TextWidth(fmt::format("C{}", card), kModel));
      words = std::max(words, PieceWords(inventory_.cards[card], names_));
    }
    const bool both = number + words + kPieceSide + 34 <= width;
    PiecesHead(column, !both);
    for (size_t i = 0; i < column.cards.size(); ++i) {
      const size_t column_number = i / down;
      const auto right = static_cast<double>(column_number);
      const auto below = static_cast<double>(i % down);
      Piece(column.cards[i], number, both,
            {.x = column.box.x + kPieceSide + right * (width + kPieceGap),
             .y = column.box.y + PieceHead(look_) + below * (look_.piece_height + kPieceGap),
             .width = width,
             .height = look_.piece_height});
    }
  }

 private:
  // The card that is in pieces: what it is, in how many, of which sort where they do not say it, and where.
  void PiecesHead(const Column& column, bool say_sort) {
    const Card& first = inventory_.cards[column.cards.front()];
    const double x = column.box.x + kPad;
    const double room = column.box.width - 2 * kPad;
    double y = column.box.y + 17;
    if (look_.model) {
      canvas_.Text("model", x, y, Ellipsize(ModelOf(first), kModel, room));
      y += 15;
    }
    const std::string sort = CleanText(PieceSort(first));
    std::string count = fmt::format("{} pieces", column.cards.size());
    const std::string where = names_(WholeAddress(first));
    const double spare = room - TextWidth(where, kMono) - 8;
    const bool one_sort = std::all_of(column.cards.begin(), column.cards.end(), [&](size_t card) {
      return PieceSort(inventory_.cards[card]) == PieceSort(first);
    });
    if (say_sort && one_sort && !sort.empty() && TextWidth(count + ", " + sort, kSmall) <= spare)
      count += ", " + sort;
    canvas_.Text("small muted", x, y, count);
    if (TextWidth(count, kSmall) <= spare)
      canvas_.Text("mono muted", column.box.right() - kPad, y, where, Anchor::kEnd);
  }

  // Of a whole card; of the only piece of one, its sort comes first.
  static std::string Model(const Card& card) {
    const std::string sort = PieceSort(card);
    return sort.empty() ? ModelOf(card) : fmt::format("{} · {}", sort, ModelOf(card));
  }

  std::string Story(size_t index, bool used) const {
    const std::string why = NotOfferedText(options_, inventory_.cards[index]);
    return CardStory(inventory_, index) + (used ? "\nin use" : "") + (why.empty() ? "" : "\n" + why);
  }

  std::string Address(const Card& card, double room) const {
    return card.address == card.id ? "" : EllipsizeFront(names_(card.address), kMono, room);
  }

  std::string Speed(const Card& card, double room) const {
    const PciFunction* function = inventory_.Function(card.address);
    return function == nullptr || function->link.empty() ? ""
                                                         : Ellipsize("PCIe " + function->link, kSmall, room);
  }

  void Piece(size_t index, double number, bool both, const Box& box) {
    const Card& card = inventory_.cards[index];
    const CardState state = StateOf(card);
    const bool used = options_.in_use.contains(card.id);
    const std::string ink = used ? " on-used" : "";
    canvas_.Open(fmt::format("c{}", index), Story(index, used));
    canvas_.Rect("card " + std::string(StateClass(state)) + (used ? " used" : "") +
                     (NotOfferedText(options_, card).empty() ? "" : " idle"),
                 box, 4);
    const double y = box.y + box.height / 2 + 4;
    double x = box.x + kPieceSide;
    canvas_.Text("model" + ink, x, y, fmt::format("C{}", index));
    x += number + 6;
    const double room = box.right() - 22 - x;
    const std::string sort = CleanText(PieceSort(card));
    const std::string name = CleanText(PieceName(card, names_));
    const bool say_sort = !sort.empty() && TextWidth(sort, kSmall) <= room;
    const bool say_name = both || (room >= kLeastName && !(say_sort && TextWidth(name, kMono) > room));
    if (say_sort && (both || !say_name)) {
      canvas_.Text("small" + ink, x, y, sort);
      x += TextWidth(sort, kSmall) + 6;
    }
    if (say_name) canvas_.Text("mono" + ink, x, y, both ? name : EllipsizeFront(name, kMono, room));
    canvas_.StateSign(state, box.right() - 12, box.y + box.height / 2);
    canvas_.Close();
  }

  void Band(const Box& box) {
    const double bottom = box.bottom();
    canvas_.Path("used", fmt::format("M{0} {1}H{2}V{3}a6 6 0 0 1-6 6H{4}a6 6 0 0 1-6-6z", Number(box.x),
                                     Number(bottom - kBand), Number(box.right()), Number(bottom - 6),
                                     Number(box.x + 6)));
    canvas_.Text("mark on-used", box.center(), bottom - 5.5, "in use", Anchor::kMiddle);
  }

  const Inventory& inventory_;
  const CardLook& look_;
  const SvgOptions& options_;
  Canvas& canvas_;
  ShortNames names_;
};

}  // namespace

void DrawColumn(const Inventory& inventory, const std::vector<size_t>& nics, const Column& column,
                const CardLook& look, const SvgOptions& options, Canvas& canvas) {
  CardDrawer drawer(inventory, look, options, canvas);
  if (!column.nics.empty()) {
    drawer.Nics(nics, column);
  } else if (column.cards.size() > 1) {
    drawer.Pieces(column);
  } else if (column.cards.size() == 1) {
    drawer.Whole(column.cards.front(), column.box);
  } else {
    canvas.Text("muted", column.box.center(), column.box.y + column.box.height / 2, "no cards",
                Anchor::kMiddle);
  }
}

}  // namespace cleave
