// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/server/gizmo_machine.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, ShowsThePlanOfNow) {
  testing::GizmoMachine machine(3);
  auto root = testing::OpenRoot(machine);
  Settings settings = testing::GizmoSettings();
  machine.SetState(1, 1, "dead");
  Metrics metrics("1.2.3");
  metrics.SetPlan(*testing::GizmoPlan(*root, settings));
  EXPECT_THAT(metrics.Text(), HasSubstr("cleave_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(metrics.Text(),
              HasSubstr("cleave_units{health=\"healthy\",resource=\"example.com/gizmo\"} 2\n"));
  EXPECT_THAT(metrics.Text(),
              HasSubstr("cleave_units{health=\"unhealthy\",resource=\"example.com/gizmo\"} 1\n"));
  EXPECT_THAT(metrics.Text(), HasSubstr("cleave_card_health{card=\"0000:01:00.0\",profile=\"gizmo\"} 0\n"));
  machine.RemoveCard(1);
  metrics.SetPlan(*testing::GizmoPlan(*root, settings));
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("0000:01:00.0")));
  machine.RemoveCard(0);
  machine.RemoveCard(2);
  metrics.SetPlan(*testing::GizmoPlan(*root, settings));
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("example.com/gizmo")));
}

TEST(Metrics, CountsAndMeasures) {
  Metrics metrics("test");
  metrics.SetKubeletUp(true);
  metrics.CountRegistration("r", true);
  metrics.CountRegistration("r", false);
  metrics.CountRegistration("r", false);
  metrics.CountList("r");
  metrics.ObserveAllocate("r", std::chrono::microseconds(70));
  metrics.ObservePreferred("r", std::chrono::milliseconds(2));
  metrics.SetPreferredGap("r", 0.25);
  metrics.CountAllocateFailure("r", "NOT_FOUND");
  metrics.SetReloadFailed(true);
  metrics.SetRegistered("r", true);
  std::string text = metrics.Text();
  for (const char* line :
       {"cleave_kubelet_up 1", "cleave_registrations_total{resource=\"r\",result=\"failure\"} 2",
        "cleave_registrations_total{resource=\"r\",result=\"success\"} 1",
        "cleave_listandwatch_messages_total{resource=\"r\"} 1",
        "cleave_allocate_duration_seconds_bucket{resource=\"r\",le=\"5e-05\"} 0",
        "cleave_allocate_duration_seconds_bucket{resource=\"r\",le=\"0.0001\"} 1",
        "cleave_preferred_allocation_duration_seconds_count{resource=\"r\"} 1",
        "cleave_preferred_allocation_gap_ratio{resource=\"r\"} 0.25",
        "cleave_allocate_failures_total{code=\"NOT_FOUND\",resource=\"r\"} 1",
        "cleave_config_reload_failed 1", "cleave_registered{resource=\"r\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
  metrics.DropRegistered("r");
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("cleave_registered{")));
}

// The rules of `promtool check metrics`: every family has help and a type, counters and only they end in
// _total, names carry base units and our prefix.
TEST(Metrics, NamesFollowTheConventions) {
  Metrics metrics("test");
  metrics.CountRegistration("r", true);
  metrics.CountList("r");
  metrics.ObserveAllocate("r", std::chrono::microseconds(70));
  metrics.ObservePreferred("r", std::chrono::microseconds(70));
  metrics.CountAllocateFailure("r", "NOT_FOUND");
  metrics.SetRegistered("r", true);
  std::istringstream lines(metrics.Text());
  std::set<std::string> helped;
  std::set<std::string> names;
  const std::regex type("# TYPE (\\S+) (\\S+)");
  const std::regex help("# HELP (\\S+) (.+)");
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, help)) helped.insert(match[1]);
    if (!std::regex_match(line, match, type)) continue;
    std::string name = match[1];
    EXPECT_TRUE(names.insert(name).second) << name << " twice";
    EXPECT_TRUE(helped.contains(name)) << name;
    EXPECT_TRUE(name.starts_with("cleave_")) << name;
    EXPECT_EQ(name.ends_with("_total"), match[2] == "counter") << name;
    EXPECT_EQ(name.find("milliseconds"), std::string::npos) << name;
    EXPECT_TRUE(match[2] != "histogram" || name.ends_with("_seconds")) << name;
  }
  EXPECT_GE(names.size(), 9);
}

}  // namespace
}  // namespace cleave
