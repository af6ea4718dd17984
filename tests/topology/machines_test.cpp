// SPDX-License-Identifier: Apache-2.0
// Every captured machine against its facts file, through what `cleave topology --functions --output json`
// prints.
#include "tests/topology/machines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/machine.h"
#include "topology/render.h"

namespace cleave {
namespace {

using Json = nlohmann::json;
using testing::Captured;
using testing::MachinePath;
using testing::ReadFileOrDie;

std::vector<std::string> MachineNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(MachinePath("expected"))) {
    // Not every archive is a host's /sys.
    Json facts = Json::parse(ReadFileOrDie(entry.path().string()));
    if (facts.contains("all_pair_counts")) names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class MachinesTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    facts_ = Json::parse(ReadFileOrDie(MachinePath("expected/" + GetParam() + ".json")));
    captured_ = testing::Scan(GetParam(), "", true);
    printed_ = Json::parse(FunctionsJson(captured_.inventory, captured_.MakeGraph()));
    for (size_t i = 0; i < printed_["functions"].size(); ++i) index_[printed_["functions"][i]["address"]] = i;
  }

  std::string RelationOf(const Json& pair) const {
    auto a = index_.find(pair["a"].get<std::string>());
    auto b = index_.find(pair["b"].get<std::string>());
    if (a == index_.end() || b == index_.end()) return "missing";
    return printed_["relation"][a->second][b->second];
  }

  Json facts_;
  Captured captured_;
  Json printed_;
  std::map<std::string, size_t> index_;
};

TEST_P(MachinesTest, HasTheNumaNodes) {
  std::vector<int> ids;
  size_t cpus = 0;
  std::vector<int> memory_only;
  for (const Json& node : printed_["numa_nodes"]) {
    ids.push_back(node["id"]);
    cpus += node["cpus"].size();
    if (node["cpus"].empty()) memory_only.push_back(node["id"]);
  }
  EXPECT_EQ(Json(ids), facts_["numa_ids"]);
  EXPECT_EQ(Json(ids.size()), facts_["numa_nodes"]);
  EXPECT_EQ(Json(memory_only), facts_["memory_only_nodes"]);
  EXPECT_GE(cpus, facts_["cpus"].get<size_t>());  // more where the folders of some CPUs were not captured
}

TEST_P(MachinesTest, ListsTheFunctions) {
  size_t dangling = facts_.contains("dangling_links") ? facts_["dangling_links"].size() : 0;
  EXPECT_EQ(printed_["functions"].size() + dangling, facts_["pci_devices"].get<size_t>());
  std::map<std::string, int> values;
  for (const Json& endpoint : facts_["endpoints"]) {
    auto found = index_.find(endpoint["bdf"].get<std::string>());
    ASSERT_NE(found, index_.end()) << endpoint;
    const Json& function = printed_["functions"][found->second];
    EXPECT_EQ(function["numa_nodes"], endpoint["nodes"]) << endpoint;
    if (endpoint.contains("class") && endpoint["class"].is_string()) {
      EXPECT_EQ(function["class"], endpoint["class"]);
    }
  }
}

TEST_P(MachinesTest, HasTheRelations) {
  for (const char* list : {"pairs", "endpoint_pairs"}) {
    if (!facts_.contains(list)) continue;
    for (const Json& pair : facts_[list]) {
      EXPECT_EQ(RelationOf(pair), pair["relation"].get<std::string>()) << pair;
      Json back = {{"a", pair["b"]}, {"b", pair["a"]}};
      EXPECT_EQ(RelationOf(back), pair["relation"].get<std::string>()) << pair;
    }
  }
}

TEST_P(MachinesTest, CountsTheRelationsOfAllPairs) {
  // The counts are of the functions that hwloc shows, too.
  std::set<size_t> absent;
  if (facts_.contains("oracle")) {
    for (const Json& address : facts_["oracle"]["absent_in_hwloc"]) absent.insert(index_.at(address));
  }
  std::map<std::string, int> counts;
  const Json& relation = printed_["relation"];
  for (size_t a = 0; a < relation.size(); ++a) {
    ASSERT_EQ(relation[a].size(), relation.size());
    EXPECT_EQ(relation[a][a], "self");
    for (size_t b = a + 1; b < relation.size(); ++b) {
      if (!absent.contains(a) && !absent.contains(b)) ++counts[relation[a][b]];
    }
  }
  EXPECT_EQ(Json(counts), facts_["all_pair_counts"]);
}

TEST_P(MachinesTest, CardsHaveTheRelationOfTheirFunctions) {
  Json cards = Json::parse(TopologyJson(captured_.inventory, captured_.MakeGraph()));
  for (size_t a = 0; a < cards["cards"].size(); ++a) {
    for (size_t b = a + 1; b < cards["cards"].size(); ++b) {
      std::string relation = cards["relation"][a][b];
      Json pair = {{"a", cards["cards"][a]["address"]}, {"b", cards["cards"][b]["address"]}};
      if (relation != "same_board") {
        EXPECT_EQ(relation, RelationOf(pair)) << pair;
      }
      EXPECT_EQ(cards["affinity"][a][b], cards["affinity"][b][a]);
    }
  }
}

TEST_P(MachinesTest, PrintsText) {
  Graph graph = captured_.MakeGraph();
  EXPECT_THAT(RenderFunctions(captured_.inventory, graph), ::testing::StartsWith("machine: "));
  EXPECT_THAT(RenderTree(captured_.inventory, graph), ::testing::StartsWith("machine: "));
  EXPECT_FALSE(RenderMatrix(captured_.inventory, graph).empty());
}

INSTANTIATE_TEST_SUITE_P(All, MachinesTest, ::testing::ValuesIn(MachineNames()), [](const auto& machine) {
  std::string name = machine.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-'; }, '_');
  return name;
});

}  // namespace
}  // namespace cleave
