// SPDX-License-Identifier: Apache-2.0
#include "server/prefer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/server/gizmo_machine.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using testing::GizmoMachine;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class PreferTest : public ::testing::Test {
 protected:
  PreferTest() : machine_(8), root_(testing::OpenRoot(machine_)), settings_(testing::GizmoSettings()) {
    plan_ = testing::GizmoPlan(*root_, settings_);
  }
  Resource& resource() { return plan_->resources.at(0); }
  std::vector<std::string> Ask(std::vector<std::string> available, std::vector<std::string> must_include,
                               int size) {
    return Prefer(&resource(), {std::move(available), std::move(must_include), size}).ids;
  }
  static std::string Id(int card) { return GizmoMachine::Address(card); }
  static std::vector<std::string> Ids(std::initializer_list<int> cards) {
    std::vector<std::string> ids;
    for (int card : cards) ids.push_back(Id(card));
    return ids;
  }

  GizmoMachine machine_;
  std::unique_ptr<HostRoot> root_;
  Settings settings_;
  std::shared_ptr<Plan> plan_;
};

TEST_F(PreferTest, StaysOnOneNumaNode) {
  EXPECT_THAT(Ask(Ids({7, 0, 5, 4, 3, 6}), {}, 4), UnorderedElementsAre(Id(4), Id(5), Id(6), Id(7)));
  EXPECT_THAT(Ask(Ids({7, 0, 5, 4, 3, 6}), Ids({0}), 2), UnorderedElementsAre(Id(0), Id(3)));
}

TEST_F(PreferTest, MustIncludeNeedNotBeAvailable) {
  EXPECT_THAT(Ask(Ids({1, 2}), Ids({0}), 2), ::testing::Contains(Id(0)));
}

// What the log warns of.
TEST_F(PreferTest, NamesWhatIsMissing) {
  resource().units[1].health = Health::kUnhealthy;
  Preferred answer = Prefer(&resource(), {{Id(0), Id(1), "ghost"}, {"spirit"}, 2});
  EXPECT_THAT(answer.ids, ElementsAre("spirit", Id(0)));
  EXPECT_THAT(answer.unknown, ElementsAre("spirit", "ghost"));
  EXPECT_THAT(answer.unhealthy, ElementsAre(Id(1)));
  EXPECT_THAT(Prefer(&resource(), {Ids({0, 2}), {}, 1}).unknown, ElementsAre());
}

TEST_F(PreferTest, MustIncludeThatIsTooMuchIsCut) {
  EXPECT_EQ(Ask(Ids({0, 1, 2}), Ids({0, 1, 2}), 2).size(), 2);
}

// Ids of an earlier life of the kubelet's list.
TEST_F(PreferTest, UnknownIdsThatMustBeIncludedComeFirst) {
  EXPECT_THAT(Ask(Ids({0, 1}), {"ghost"}, 2), ElementsAre("ghost", Id(0)));
  EXPECT_THAT(Ask(Ids({0, 1}), {"ghost", "spirit"}, 1), ElementsAre("ghost"));
}

TEST_F(PreferTest, UnknownIdsAreTakenWhenNothingElseIsLeft) {
  EXPECT_THAT(Ask({"ghost", Id(0), "spirit", Id(1)}, {}, 3), UnorderedElementsAre(Id(0), Id(1), "ghost"));
}

TEST_F(PreferTest, SickOnesAreTakenBeforeUnknownOnes) {
  resource().units[1].health = Health::kUnhealthy;
  EXPECT_THAT(Ask(Ids({0, 1, 2}), {}, 2), UnorderedElementsAre(Id(0), Id(2)));
  EXPECT_THAT(Ask({"ghost", Id(0), Id(1), Id(2)}, {}, 3), UnorderedElementsAre(Id(0), Id(1), Id(2)));
}

TEST_F(PreferTest, FewerThanAskedIsWhatThereIs) {
  EXPECT_THAT(Ask(Ids({0}), {}, 3), ElementsAre(Id(0)));
  EXPECT_TRUE(Ask({}, {}, 3).empty());
  EXPECT_TRUE(Ask(Ids({0}), {}, 0).empty());
  EXPECT_TRUE(Ask(Ids({0}), Ids({0}), -1).empty());
}

TEST_F(PreferTest, WithoutAResourceEveryIdIsUnknown) {
  EXPECT_THAT(Prefer(nullptr, {{"b", "a"}, {"c"}, 2}).ids, ElementsAre("c", "a"));
}

// Units for ids that pods hold stand behind the topology's.
TEST_F(PreferTest, GhostUnitsAreUnknown) {
  Unit ghost;
  ghost.id = "ghost";
  ghost.health = Health::kUnhealthy;
  ghost.gone = true;
  resource().units.push_back(ghost);
  EXPECT_THAT(Ask({Id(0), "ghost", Id(1)}, {}, 2), UnorderedElementsAre(Id(0), Id(1)));
  EXPECT_THAT(Ask(Ids({0}), {"ghost"}, 2), ElementsAre("ghost", Id(0)));
}

// Any request gets exactly as many ids as it can, each once, none that was not named, and the same when asked
// again.
TEST_F(PreferTest, AnyRequestIsAnsweredWell) {
  std::mt19937 random(1);
  std::vector<std::string> names = Ids({0, 1, 2, 3, 4, 5, 6, 7});
  names.insert(names.end(), {"u", "v", "w"});
  resource().units[6].health = Health::kUnhealthy;
  for (int round = 0; round < 500; ++round) {
    std::shuffle(names.begin(), names.end(), random);
    PreferRequest request;
    request.available.assign(names.begin(), names.begin() + static_cast<long>(random() % (names.size() + 1)));
    for (const std::string& name : names) {
      if (random() % 6 == 0) request.must_include.push_back(name);
    }
    request.size = static_cast<int>(random() % 10);
    std::vector<std::string> ids = Prefer(&resource(), request).ids;
    std::set<std::string> named(request.available.begin(), request.available.end());
    named.insert(request.must_include.begin(), request.must_include.end());
    EXPECT_EQ(ids.size(), std::min(named.size(), static_cast<size_t>(request.size)));
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
    for (const std::string& id : ids) EXPECT_TRUE(named.contains(id)) << id;
    if (request.must_include.size() <= ids.size()) {
      for (const std::string& id : request.must_include) EXPECT_THAT(ids, ::testing::Contains(id));
    }
    std::shuffle(request.available.begin(), request.available.end(), random);
    EXPECT_EQ(Prefer(&resource(), request).ids, ids);
  }
}

// Two switches of four on two NUMA nodes, one card of the first in use.
TEST_F(PreferTest, TheDebugLineSaysWhy) {
  PreferRequest request{Ids({0, 1, 2, 4, 5, 6, 7}), {}, 2};
  Preferred answer = Prefer(&resource(), request);
  SetUpLog(LogFormat::kText, LogLevel::kDebug);
  ::testing::internal::CaptureStderr();
  LogPreferred(*plan_, resource().name, request, answer, std::chrono::microseconds(12));
  std::string line = ::testing::internal::GetCapturedStderr();
  SetUpLog(LogFormat::kText, LogLevel::kInfo);
  EXPECT_THAT(line, HasSubstr("devices=" + Id(0) + "," + Id(1)));
  EXPECT_THAT(line, HasSubstr("shares=\"1 same_host_bridge\" next=\"30 " + Id(1) + "," + Id(2) +
                              "\" leaves_whole=\"NUMA node 1 (4)\""));
}

}  // namespace
}  // namespace cleave
