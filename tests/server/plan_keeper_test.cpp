// SPDX-License-Identifier: Apache-2.0
#include "plan_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/host_root.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"
#include "policy/plan.h"
#include "server/metrics.h"
#include "tests/hanging_root.h"
#include "tests/server/gizmo_machine.h"

namespace cleave {
namespace {

using std::chrono::milliseconds;
using testing::GizmoMachine;
using testing::HangingRoot;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class PlanKeeperTest : public ::testing::Test {
 protected:
  PlanKeeperTest() : root_(std::make_shared<HangingRoot>(testing::OpenRoot(machine_))) {
    machine_.WriteConfig("profiles = [\"gizmo\"]\n");
  }
  ~PlanKeeperTest() override { root_->Release(); }

  PlanKeeper Keeper(milliseconds rest = milliseconds(0)) {
    return {root_,
            metrics_,
            {.files = {machine_.config(), {machine_.profile_dir()}, {}},
             .node_name = "node-a",
             .kubelet_dir = "/k",
             .patience = {.one = milliseconds(20), .next = milliseconds(20), .rest = rest}}};
  }
  void Look(PlanKeeper& keeper) { keeper.Look(now_ += std::chrono::seconds(5)); }
  // Why they are not healthy, by id.
  static std::map<std::string, std::string> Units(const PlanKeeper& keeper) {
    std::map<std::string, std::string> units;
    for (const Resource& resource : keeper.plan()->resources) {
      for (const Unit& unit : resource.units)
        units[unit.id] = unit.health == Health::kUnhealthy ? unit.reason : "";
    }
    return units;
  }

  const GizmoMachine machine_{2};
  std::shared_ptr<HangingRoot> root_;
  Metrics metrics_{"test"};
  PlanKeeper::Clock::time_point now_ = PlanKeeper::Clock::now();
};

TEST_F(PlanKeeperTest, ADriverThatDoesNotAnswerCostsItsCardAlone) {
  PlanKeeper keeper = Keeper();
  Diagnostics diagnostics;
  ASSERT_TRUE(keeper.Load(diagnostics)) << diagnostics.Text();
  Look(keeper);
  EXPECT_THAT(Units(keeper), UnorderedElementsAre(Pair("0000:00:00.0", ""), Pair("0000:01:00.0", "")));

  root_->Hang("gizmo1/model");
  Look(keeper);
  EXPECT_THAT(Units(keeper),
              UnorderedElementsAre(Pair("0000:00:00.0", ""),
                                   Pair("0000:01:00.0", HasSubstr("model: the driver does not answer"))));
  machine_.AddCard(2, 2);
  machine_.SetState(0, 0, "bad");
  Look(keeper);
  EXPECT_THAT(Units(keeper),
              UnorderedElementsAre(Pair("0000:00:00.0", HasSubstr("reads bad")),
                                   Pair("0000:01:00.0", HasSubstr("model: the driver does not answer")),
                                   Pair("0000:02:00.0", "")))
      << "what happens to other cards is seen";
  EXPECT_EQ(root_->hung(), 1U);

  root_->Release();
  while (!Units(keeper).at("0000:01:00.0").empty()) Look(keeper);
}

TEST_F(PlanKeeperTest, AHealthFileToo) {
  PlanKeeper keeper = Keeper();
  Diagnostics diagnostics;
  ASSERT_TRUE(keeper.Load(diagnostics)) << diagnostics.Text();
  Look(keeper);
  root_->Hang("gizmo0/state");
  Look(keeper);
  EXPECT_THAT(Units(keeper),
              UnorderedElementsAre(Pair("0000:00:00.0", HasSubstr("state: the driver does not answer")),
                                   Pair("0000:01:00.0", "")));
}

// A daemon that starts beside a card that hangs offers the others.
TEST_F(PlanKeeperTest, AlsoAtTheStart) {
  PlanKeeper keeper = Keeper();
  Diagnostics diagnostics;
  root_->Hang("gizmo1/model");
  ASSERT_TRUE(keeper.Load(diagnostics)) << diagnostics.Text();
  Look(keeper);
  EXPECT_THAT(Units(keeper), UnorderedElementsAre(Pair("0000:00:00.0", "")))
      << "what the other one is, nobody can say";
}

}  // namespace
}  // namespace cleave
