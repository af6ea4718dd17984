// SPDX-License-Identifier: Apache-2.0
// Lists that are too long for a kubelet are found before it finds them.
#include "server/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "proto/deviceplugin_v1beta1.pb.h"
#include "server/snapshot.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;

Plan Counted(int count, UnitKind kind = UnitKind::kCount, int cards = 1) {
  Plan plan;
  Resource resource;
  resource.name = "example.com/x";
  resource.unit = kind;
  resource.pos = {"cleave.toml", 3, 1};
  for (int card = 0; card < cards; ++card) {
    for (int i = 0; i < count; ++i) {
      Unit unit;
      unit.id = kind == UnitKind::kShare ? "card-" + std::to_string(card) + "::" + std::to_string(i)
                                         : "slot-" + std::to_string(i);
      unit.numa_nodes = kind == UnitKind::kShare ? std::vector<int>{card} : std::vector<int>{};
      if (kind == UnitKind::kShare) {
        unit.cards = {static_cast<size_t>(card)};
        unit.share = Share{i, count};
      }
      resource.units.push_back(unit);
    }
  }
  plan.resources.push_back(resource);
  return plan;
}

// Of the list as it is really sent, all unhealthy.
size_t RealBytes(const Plan& plan) {
  std::vector<ListedDevice> devices;
  for (const Unit& unit : plan.resources[0].units) devices.push_back({unit.id, false, unit.numa_nodes});
  v1beta1::ListAndWatchResponse message;
  FillList(devices, message);
  return message.SerializeAsString().size();
}

std::string Errors(const Plan& plan) {
  Diagnostics diagnostics;
  CheckListSizes(plan, diagnostics);
  return diagnostics.Text();
}

// The number after "at most".
int Most(const std::string& error) {
  size_t at = error.find("at most ");
  return at == std::string::npos ? -1 : std::stoi(error.substr(at + 8));
}

TEST(Messages, TheLargestCountThatFitsIsSaid) {
  std::string error = Errors(Counted(200'000));
  EXPECT_THAT(error, HasSubstr("cleave.toml:3:1: the list of the 200000 devices of example.com/x has " +
                               std::to_string(RealBytes(Counted(200'000))) + " bytes"));
  int most = Most(error);
  ASSERT_GT(most, 1000);
  EXPECT_LE(RealBytes(Counted(most)), kLongestMessage);
  EXPECT_GT(RealBytes(Counted(most + 1)), kLongestMessage);
  EXPECT_EQ(Errors(Counted(most)), "");
  EXPECT_NE(Errors(Counted(most + 1)), "");
}

TEST(Messages, OfSharesTheLargestNumberForEachCard) {
  std::string error = Errors(Counted(30'000, UnitKind::kShare, 7));
  EXPECT_THAT(error, HasSubstr("shares of each of its 7 cards fit"));
  int most = Most(error);
  EXPECT_LE(RealBytes(Counted(most, UnitKind::kShare, 7)), kLongestMessage);
  EXPECT_GT(RealBytes(Counted(most + 1, UnitKind::kShare, 7)), kLongestMessage);
}

TEST(Messages, ListsSayHealthAndNumaNodes) {
  v1beta1::ListAndWatchResponse message;
  FillList({{"a", true, {}}, {"b", false, {0, 2}}}, message);
  ASSERT_EQ(message.devices_size(), 2);
  EXPECT_EQ(message.devices(0).health(), "Healthy");
  EXPECT_FALSE(message.devices(0).has_topology());
  EXPECT_EQ(message.devices(1).health(), "Unhealthy");
  EXPECT_EQ(message.devices(1).topology().nodes_size(), 2);
}

}  // namespace
}  // namespace cleave
