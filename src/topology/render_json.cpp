// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "discovery/inventory.h"
#include "nlohmann/json.hpp"
#include "topology/function_paths.h"
#include "topology/graph.h"
#include "topology/render.h"

namespace cleave {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& value) {
  // Files of a machine may hold anything; what is no UTF-8 is replaced.
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A line for each element of the lists at the top: short for a matrix of 300 x 300, and good to compare.
std::string Lines(const Json& object) {
  std::string out = "{";
  for (auto item = object.begin(); item != object.end(); ++item) {
    if (item != object.begin()) out += ",";
    out += "\n  " + Dump(item.key()) + ": ";
    if (!item->is_array() || item->empty()) {
      out += Dump(*item);
      continue;
    }
    out += "[";
    for (auto element = item->begin(); element != item->end(); ++element) {
      out += (element == item->begin() ? "\n    " : ",\n    ") + Dump(*element);
    }
    out += "\n  ]";
  }
  return out + "\n}\n";
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json HexOrNull(std::optional<int> value, int digits) {
  return value ? Json(fmt::format("0x{:0{}x}", *value, digits)) : Json(nullptr);
}

Json NumaNodes(const Inventory& inventory) {
  Json nodes = Json::array();
  for (const NumaNode& node : inventory.numa_nodes) {
    nodes.push_back({{"id", node.id}, {"distances", node.distances}, {"cpus", node.cpus}});
  }
  return nodes;
}

Json Oddities(const Inventory& inventory) {
  Json oddities = Json::array();
  for (const Oddity& oddity : inventory.oddities)
    oddities.push_back({{"subject", oddity.subject}, {"text", oddity.text}});
  return oddities;
}

Json CardJson(const Card& card, const Inventory& inventory) {
  Json attributes = Json::object();
  for (const auto& [name, value] : card.attributes) {
    std::visit([&, key = name](const auto& plain) { attributes[key] = plain; }, value);
  }
  Json addresses = Json::array();
  if (!card.address.empty()) addresses.push_back(card.address);
  Json device_nodes = Json::array();
  Json nodes = Json::object();
  for (const auto& [role, path] : card.nodes) {
    device_nodes.push_back(path);
    nodes[role] = path;
  }
  const PciFunction* function = inventory.Function(card.address);
  return {{"id", card.id},
          {"profile", card.profile},
          {"address", card.address},
          {"addresses", addresses},
          {"numa_nodes", card.numa_nodes},
          {"attributes", attributes},
          {"device_nodes", device_nodes},
          {"nodes", nodes},
          {"board", TextOrNull(card.board)},
          {"piece_of", TextOrNull(card.piece_of)},
          {"piece", card.piece},
          {"pieces", card.pieces},
          {"link", TextOrNull(function == nullptr ? "" : function->link)},
          {"health", ToString(card.health)},
          {"reason", card.reason},
          {"warnings", card.warnings},
          {"waiting", card.waiting},
          {"present", card.present}};
}

Json NetworkCards(const Inventory& inventory, const Graph& graph, const std::vector<std::string>& kinds) {
  Json found = Json::array();
  for (size_t nic : graph.Nics(kinds)) {
    const PciFunction& function = inventory.functions[nic];
    Json relation = Json::array();
    for (size_t card = 0; card < inventory.cards.size(); ++card)
      relation.push_back(ToString(graph.ToFunction(card, nic)));
    found.push_back({{"address", function.address},
                     {"rdma", function.rdma},
                     {"numa_nodes", function.numa_nodes},
                     {"relation", std::move(relation)}});
  }
  return found;
}

}  // namespace

std::string TopologyJson(const Inventory& inventory, const Graph& graph,
                         const std::vector<std::string>& nics) {
  Json out = {{"numa_nodes", NumaNodes(inventory)}};
  Json& cards = out["cards"] = Json::array();
  for (const Card& card : inventory.cards) cards.push_back(CardJson(card, inventory));
  Json relation = Json::array();
  Json affinity = Json::array();
  for (size_t a = 0; a < inventory.cards.size(); ++a) {
    Json relations = Json::array();
    Json affinities = Json::array();
    for (size_t b = 0; b < inventory.cards.size(); ++b) {
      relations.push_back(ToString(graph.CardRelation(a, b)));
      affinities.push_back(graph.CardAffinity(a, b));
    }
    relation.push_back(std::move(relations));
    affinity.push_back(std::move(affinities));
  }
  out["relation"] = std::move(relation);
  out["affinity"] = std::move(affinity);
  Json links = Json::array();
  for (const Link& link : graph.links()) {
    links.push_back({{"from", inventory.cards[link.from].id},
                     {"to", inventory.cards[link.to].id},
                     {"kind", link.kind},
                     {"width", link.width},
                     {"weight", link.weight}});
  }
  out["links"] = std::move(links);
  out["network_cards"] = NetworkCards(inventory, graph, nics);
  Json not_cards = Json::array();
  for (const NotACard& other : inventory.not_cards) {
    not_cards.push_back({{"address", other.address}, {"profile", other.profile}, {"reason", other.reason}});
  }
  out["not_cards"] = std::move(not_cards);
  out["oddities"] = Oddities(inventory);
  return Lines(out);
}

std::string FunctionsJson(const Inventory& inventory, const Graph& graph) {
  std::map<std::string, std::vector<std::string>> cards;  // by address
  for (const Card& card : inventory.cards) cards[card.address].push_back(card.id);
  Json out = {{"numa_nodes", NumaNodes(inventory)}};
  Json functions = Json::array();
  for (const PciFunction& function : inventory.functions) {
    std::optional<int> node = SingleNode(function.numa_nodes);
    functions.push_back(
        {{"address", function.address},
         {"class", HexOrNull(function.class_code, 6)},
         {"vendor", HexOrNull(function.vendor, 4)},
         {"device", HexOrNull(function.device, 4)},
         {"driver", TextOrNull(function.driver)},
         {"numa_node", node ? Json(*node) : Json(nullptr)},
         {"numa_nodes", function.numa_nodes},
         {"above", function.above},
         {"iommu_group", TextOrNull(function.iommu_group)},
         {"physfn", TextOrNull(function.physfn)},
         {"link", TextOrNull(function.link)},
         {"cards", cards.contains(function.address) ? Json(cards.at(function.address)) : Json::array()}});
  }
  out["functions"] = std::move(functions);
  Json relation = Json::array();
  for (size_t a = 0; a < inventory.functions.size(); ++a) {
    Json row = Json::array();
    for (size_t b = 0; b < inventory.functions.size(); ++b)
      row.push_back(ToString(graph.FunctionRelation(a, b)));
    relation.push_back(std::move(row));
  }
  out["relation"] = std::move(relation);
  out["oddities"] = Oddities(inventory);
  return Lines(out);
}

}  // namespace cleave
