// SPDX-License-Identifier: Apache-2.0
// How pictures call a card. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_CARD_WORDS_H_
#define CLEAVE_TOPOLOGY_CARD_WORDS_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "discovery/inventory.h"

namespace cleave {

enum class CardState { kHealthy, kUnhealthy, kUnknown, kWaiting, kGone };
CardState StateOf(const Card& card);
std::string_view ToString(CardState state);

// What the card is, as an attribute with one of the usual names says; else the name of the profile.
std::string ModelOf(const Card& card);

// What sort of piece of a card this is ("1g.10gb"), as an attribute with one of the usual names says; ""
// where none does.
std::string PieceSort(const Card& card);

// "1 card", "2 cards".
std::string Plural(size_t count, std::string_view what);

// "8 cards", "4 cards in 32 pieces", "8 cards, 2 of them in 11 pieces": pieces of one card are one card.
std::string CountCards(const Inventory& inventory);

// How many cards of each model, each once however many pieces it is in.
std::map<std::string, size_t> CountModels(const Inventory& inventory);

// "31:00.0" for "0000:31:00.0" while all addresses of the machine are in domain 0, and so for names of
// bridges and cards.
class ShortNames {
 public:
  explicit ShortNames(const Inventory& inventory);
  std::string operator()(std::string_view name) const;

 private:
  bool one_domain_;
};

// Address of the card that this is a piece of, else its own; "" where there is none.
std::string WholeAddress(const Card& card);

// What a piece is called inside its card: its id without what is said of the card already ("gi7/ci0",
// "01.0").
std::string PieceName(const Card& card, const ShortNames& names);

// Everything known of a card, a line each: for tooltips.
std::string CardStory(const Inventory& inventory, size_t index);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_CARD_WORDS_H_
