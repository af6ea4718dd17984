// SPDX-License-Identifier: Apache-2.0
// How pictures call a card. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_CARD_WORDS_H_
#define CLEAVE_TOPOLOGY_CARD_WORDS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "discovery/inventory.h"

namespace cleave {

enum class CardState { kHealthy, kUnhealthy, kUnknown, kWaiting, kGone };
CardState StateOf(const Card& card);
std::string_view ToString(CardState state);

// A short attribute that tells what the card is, as no number, serial or version does; else the name of the
// profile.
std::string ModelOf(const Card& card);

// "31:00.0" for "0000:31:00.0" while all addresses of the machine are in domain 0, and so for names of
// bridges and cards.
class ShortNames {
 public:
  explicit ShortNames(const Inventory& inventory);
  std::string operator()(std::string_view name) const;

 private:
  bool one_domain_;
};

// Everything known of a card, a line each: for tooltips.
std::string CardStory(const Inventory& inventory, size_t index);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_CARD_WORDS_H_
