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
    const bool offered = IsOffered(options_, card);
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
    if (look_.model) canvas_.Text("model", x, y += 17, Ellipsize(ModelOf(card), kModel, room));
    canvas_.Text("mono", x, y += 16, EllipsizeFront(names_(card.id), kMono, room));
    if (look_.address) canvas_.Text("mono muted", x, y += 14, Address(card, room));
    if (look_.node) canvas_.Text("mono muted", x, y += 14, NodeText(card, room));
    if (look_.speed) canvas_.Text("small muted", x, y += 14, Speed(card, room));
    if (look_.reason)
      canvas_.Text(fmt::format("small f-{}", StateClass(state)), x, y + 14,
                   Ellipsize(card.reason, kSmall, room));
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
    const Card& first = inventory_.cards[column.cards.front()];
    canvas_.Rect("card", column.box, 6);
    const std::string count = fmt::format("{} pieces", column.cards.size());
    const double x = column.box.x + kPad;
    const double y = column.box.y + 17;
    canvas_.Text("model", x, y, count);
    const double room = column.box.width - 2 * kPad - TextWidth(count, kModel) - 6;
    const std::string where = names_(first.address.empty() ? first.piece_of : first.address);
    if (TextWidth(where, kMono) <= room)
      canvas_.Text("mono muted", column.box.right() - kPad, y, where, Anchor::kEnd);
    const size_t abreast = PiecesAbreast(column);
    const size_t down = (column.cards.size() + abreast - 1) / abreast;
    const double width =
        (column.box.width - 12 - 4 * static_cast<double>(abreast - 1)) / static_cast<double>(abreast);
    for (size_t i = 0; i < column.cards.size(); ++i) {
      const size_t right = i / down;
      Piece(column.cards[i],
            {.x = column.box.x + 6 + static_cast<double>(right) * (width + 4),
             .y = column.box.y + 26 + static_cast<double>(i % down) * (look_.piece_height + 4),
             .width = width,
             .height = look_.piece_height});
    }
  }

 private:
  std::string Story(size_t index, bool used) const {
    return CardStory(inventory_, index) + (used ? "\nin use" : "") +
           (IsOffered(options_, inventory_.cards[index]) ? "" : "\nnot offered by any resource");
  }

  std::string Address(const Card& card, double room) const {
    return card.address == card.id ? "" : EllipsizeFront(names_(card.address), kMono, room);
  }

  std::string Speed(const Card& card, double room) const {
    const PciFunction* function = inventory_.Function(card.address);
    return function == nullptr || function->link.empty() ? ""
                                                         : Ellipsize("PCIe " + function->link, kSmall, room);
  }

  void Piece(size_t index, const Box& box) {
    const Card& card = inventory_.cards[index];
    const CardState state = StateOf(card);
    const bool used = options_.in_use.contains(card.id);
    const std::string ink = used ? " on-used" : "";
    canvas_.Open(fmt::format("c{}", index), Story(index, used));
    canvas_.Rect("card " + std::string(StateClass(state)) + (used ? " used" : "") +
                     (IsOffered(options_, card) ? "" : " idle"),
                 box, 4);
    const std::string name = fmt::format("C{}", index);
    const double y = box.y + box.height / 2 + 4;
    const double name_width = std::max(24.0, TextWidth(name, {.size = 12, .bold = true}));
    canvas_.Text("model" + ink, box.x + 6, y, name);
    const double room = box.width - name_width - 30;
    const std::string id = names_(card.id);
    if (TextWidth(id, kMono) <= room) {
      canvas_.Text("mono" + ink, box.x + 10 + name_width, y, id);
    } else if (TextWidth(ModelOf(card), kSmall) <= room) {
      canvas_.Text("small" + ink, box.x + 10 + name_width, y, CleanText(ModelOf(card)));
    }
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
