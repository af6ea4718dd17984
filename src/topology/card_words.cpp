// SPDX-License-Identifier: Apache-2.0
#include "topology/card_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "config/condition.h"
#include "discovery/inventory.h"
#include "topology/svg_text.h"

namespace cleave {
namespace {

constexpr size_t kLongestModel = 24;
constexpr std::string_view kDomain = "0000:";

// Says more than a number: not made of hexadecimal digits and punctuation alone ("0100014611", "19.2.0.0",
// "0x1e52").
bool IsTelling(std::string_view text) {
  return !text.empty() && text.size() <= kLongestModel && !text.starts_with("/") &&
         std::any_of(text.begin(), text.end(), [](unsigned char c) {
           return c >= 0x80 || (std::isalpha(c) != 0 && std::isxdigit(c) == 0 && c != 'x' && c != 'X');
         });
}

}  // namespace

CardState StateOf(const Card& card) {
  if (!card.present) return CardState::kGone;
  if (card.waiting) return CardState::kWaiting;
  switch (card.health) {
    case Health::kHealthy:
      return CardState::kHealthy;
    case Health::kUnhealthy:
      return CardState::kUnhealthy;
    case Health::kUnknown:
      break;
  }
  return CardState::kUnknown;
}

std::string_view ToString(CardState state) {
  switch (state) {
    case CardState::kHealthy:
      return "healthy";
    case CardState::kUnhealthy:
      return "unhealthy";
    case CardState::kUnknown:
      return "unknown";
    case CardState::kWaiting:
      return "waiting";
    case CardState::kGone:
      break;
  }
  return "gone";
}

std::string ModelOf(const Card& card) {
  constexpr std::array<std::string_view, 6> kNames = {"card_type", "model", "product",
                                                      "name",      "type",  "kind"};
  for (std::string_view name : kNames) {
    auto found = card.attributes.find(std::string(name));
    if (found == card.attributes.end()) continue;
    const auto* text = std::get_if<std::string>(&found->second);
    if (text != nullptr && !text->empty()) return *text;
  }
  for (const auto& [name, value] : card.attributes) {
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && IsTelling(*text)) return *text;
  }
  return card.profile;
}

ShortNames::ShortNames(const Inventory& inventory)
    : one_domain_(std::all_of(inventory.functions.begin(), inventory.functions.end(),
                              [](const PciFunction& function) { return function.pci.domain == 0; })) {}

std::string ShortNames::operator()(std::string_view name) const {
  const bool is_address = PciAddress::Parse(name).has_value();
  if (one_domain_ && is_address && name.starts_with(kDomain)) name.remove_prefix(kDomain.size());
  return std::string(name);
}

std::string CardStory(const Inventory& inventory, size_t index) {
  const Card& card = inventory.cards[index];
  std::string story = fmt::format("C{} {}", index, card.id);
  if (!card.address.empty() && card.address != card.id) story += fmt::format(" at {}", card.address);
  story += fmt::format("\n{}", ToString(StateOf(card)));
  if (!card.reason.empty()) story += ": " + CleanText(card.reason);
  for (const std::string& warning : card.warnings) story += "\nwarning: " + CleanText(warning);
  story += fmt::format("\nprofile {}", card.profile);
  if (card.pieces > 1) story += fmt::format(", piece {} of {}", card.piece + 1, card.pieces);
  if (!card.board.empty()) story += "\nboard " + CleanText(card.board);
  const PciFunction* function = inventory.Function(card.address);
  if (function != nullptr && !function->link.empty()) story += "\nPCIe " + CleanText(function->link);
  for (const auto& [name, value] : card.attributes)
    story += fmt::format("\n{}: {}", name, CleanText(ToText(value)));
  for (const auto& [role, path] : card.nodes) story += "\n" + CleanText(path);
  return story;
}

}  // namespace cleave
