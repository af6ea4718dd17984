// SPDX-License-Identifier: Apache-2.0
#include "topology/card_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/condition.h"
#include "discovery/inventory.h"
#include "topology/svg_text.h"

namespace cleave {
namespace {

constexpr std::string_view kDomain = "0000:";

// The first of these attributes that is a text.
template <size_t N>
std::string FirstText(const Card& card, const std::array<std::string_view, N>& names) {
  for (std::string_view name : names) {
    auto found = card.attributes.find(std::string(name));
    if (found == card.attributes.end()) continue;
    const auto* text = std::get_if<std::string>(&found->second);
    if (text != nullptr && !text->empty()) return *text;
  }
  return "";
}

// Cards by what makes them one: pieces of one card are one entry.
std::vector<std::vector<size_t>> WholeCards(const Inventory& inventory) {
  std::vector<std::vector<size_t>> whole;
  std::map<std::pair<std::string_view, std::string_view>, size_t> known;  // by profile and card
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    const Card& card = inventory.cards[i];
    if (!card.piece_of.empty()) {
      auto [at, is_new] = known.try_emplace({card.profile, card.piece_of}, whole.size());
      if (!is_new) {
        whole[at->second].push_back(i);
        continue;
      }
    }
    whole.push_back({i});
  }
  return whole;
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
  const std::string model = FirstText(card, kNames);
  return model.empty() ? card.profile : model;
}

std::string PieceSort(const Card& card) {
  constexpr std::array<std::string_view, 5> kNames = {"profile-name", "profile_name", "partition", "compute",
                                                      "services"};
  return card.piece_of.empty() ? "" : FirstText(card, kNames);
}

std::string Plural(size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string CountCards(const Inventory& inventory) {
  const std::vector<std::vector<size_t>> whole = WholeCards(inventory);
  size_t cut = 0;
  size_t pieces = 0;
  for (const std::vector<size_t>& cards : whole) {
    if (cards.size() < 2) continue;
    ++cut;
    pieces += cards.size();
  }
  std::string text = Plural(whole.size(), "card");
  if (cut == 0) return text;
  return cut == whole.size() ? fmt::format("{} in {} pieces", text, pieces)
                             : fmt::format("{}, {} of them in {} pieces", text, cut, pieces);
}

std::map<std::string, size_t> CountModels(const Inventory& inventory) {
  std::map<std::string, size_t> models;
  for (const std::vector<size_t>& cards : WholeCards(inventory))
    ++models[ModelOf(inventory.cards[cards.front()])];
  return models;
}

ShortNames::ShortNames(const Inventory& inventory)
    : one_domain_(std::all_of(inventory.functions.begin(), inventory.functions.end(),
                              [](const PciFunction& function) { return function.pci.domain == 0; })) {}

std::string ShortNames::operator()(std::string_view name) const {
  const bool is_address = PciAddress::Parse(name).has_value();
  if (one_domain_ && is_address && name.starts_with(kDomain)) name.remove_prefix(kDomain.size());
  return std::string(name);
}

std::string WholeAddress(const Card& card) {
  return PciAddress::Parse(card.piece_of).has_value() ? card.piece_of : card.address;
}

std::string PieceName(const Card& card, const ShortNames& names) {
  const std::string whole = WholeAddress(card);
  if (!whole.empty() && card.id.starts_with(whole + "/")) return card.id.substr(whole.size() + 1);
  const std::optional<PciAddress> of = PciAddress::Parse(whole);
  const std::optional<PciAddress> own = PciAddress::Parse(card.id);
  if (of && own && of != own && of->domain == own->domain && of->bus == own->bus)
    return fmt::format("{:02x}.{:x}", own->device, own->function);
  return names(card.id);
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
