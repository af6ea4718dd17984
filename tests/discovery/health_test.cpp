// SPDX-License-Identifier: Apache-2.0
#include "discovery/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/discovery/scan.h"

namespace cleave {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::FindById;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LiveMachine;
using testing::LoadMachine;

const std::string kFunction = "sys/devices/pci0000:30/0000:30:02.0/0000:31:00.0";
const std::string kEntry = testing::EntryDir(kFunction, 0);

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() : machine_(LoadMachine("tenstorrent-4x-n300")) {
    // The others would stall: nobody counts up for them.
    for (const std::string& path : machine_.root().Glob("sys/class/tenstorrent/*/tt_heartbeat")) {
      machine_.root().Remove(machine_.root().Resolve(path).value());
    }
  }
  // One look, the heartbeat of the first card set to `beat` before.
  const Card& Look(const std::string& beat, std::chrono::milliseconds later = seconds(2)) {
    if (!beat.empty()) machine_.root().AddFile(kEntry + "/tt_heartbeat", beat + "\n");
    inventory_ = machine_.Scan(later);
    return *FindById(inventory_, "0000:31:00.0");
  }
  // What the last look said of the first card.
  std::vector<std::string> Odd() const {
    std::vector<std::string> texts;
    for (const Oddity& one : inventory_.oddities) {
      if (one.subject == "0000:31:00.0") texts.push_back(one.text);
    }
    return texts;
  }
  LiveMachine machine_;
  Inventory inventory_;
};

TEST_F(HealthTest, OneBadSampleDoesNotWithdrawACard) {
  EXPECT_EQ(Look("1").health, Health::kHealthy);
  std::string config = machine_.root().Read(kFunction + "/config", 4096).value();
  machine_.root().AddFile(kFunction + "/config", std::string(64, '\xff'));
  EXPECT_EQ(Look("2").health, Health::kHealthy);
  EXPECT_TRUE(machine_.scanner().LookAgainIn().has_value()) << "in doubt: look again soon";
  EXPECT_EQ(Look("3").health, Health::kUnhealthy);
  EXPECT_EQ(Look("4").reason, "on the bus: device/config reads ffff");
  EXPECT_EQ(FindById(inventory_, "0000:4b:00.0")->health, Health::kHealthy) << "only the sick card";
  machine_.root().AddFile(kFunction + "/config", config);
  EXPECT_EQ(Look("5").health, Health::kUnhealthy);
  EXPECT_EQ(Look("6").health, Health::kHealthy);
  EXPECT_EQ(Look("7").reason, "");
}

TEST_F(HealthTest, ACardThatIsBadWhenFirstSeenIsNeverOffered) {
  machine_.root().AddFile(kFunction + "/config", std::string(64, '\xff'));
  EXPECT_EQ(Look("1").health, Health::kUnhealthy);
}

TEST_F(HealthTest, AHeartbeatMustChange) {
  EXPECT_EQ(Look("7").health, Health::kHealthy);
  EXPECT_EQ(Look("7", seconds(1)).health, Health::kHealthy) << "too soon to tell";
  EXPECT_EQ(Look("7", seconds(4)).health, Health::kHealthy) << "first strike";
  EXPECT_EQ(Look("7", seconds(1)).health, Health::kUnhealthy);
  EXPECT_THAT(Look("7").reason, HasSubstr("heartbeat: tt_heartbeat has not changed for"));
  EXPECT_EQ(Look("4294967295").health, Health::kUnhealthy);
  EXPECT_EQ(Look("0").health, Health::kHealthy) << "it wraps; any change counts";
}

TEST_F(HealthTest, ReadingOftenIsNotStalling) {
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(Look(i % 10 == 0 ? std::to_string(i) : "", std::chrono::milliseconds(100)).health,
              Health::kHealthy)
        << i;
}

TEST_F(HealthTest, AbsentIsNotUnhealthy) {
  machine_.root().Remove(kEntry + "/tt_heartbeat");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Look("", seconds(10)).health, Health::kHealthy);
}

TEST_F(HealthTest, AStillPictureHasNoHeartbeatToJudge) {
  machine_.root().set_live(false);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Look("", seconds(10)).health, Health::kHealthy);
}

TEST_F(HealthTest, AHotCardIsWarnedOfAndStays) {
  std::string input = machine_.root().Glob(kFunction + "/hwmon/hwmon*/temp1_input").at(0);
  machine_.root().AddFile(input, "80000\n");
  Look("1");
  const Card& card = Look("2");
  EXPECT_EQ(card.health, Health::kHealthy);
  EXPECT_THAT(card.warnings, ElementsAre(HasSubstr("temperature: 80000 is not below 75000")));
  machine_.root().AddFile(input, "60000\n");
  Look("3");
  EXPECT_THAT(Look("4").warnings, IsEmpty());
}

TEST_F(HealthTest, WithoutAnyOpinionItIsUnknown) {
  std::string config = machine_.root().Read(kFunction + "/config", 4096).value();
  machine_.root().Remove(kFunction + "/config");
  EXPECT_EQ(Look("").health, Health::kUnknown);
  EXPECT_THAT(Look("").reason, HasSubstr("no opinion yet: "));
  machine_.root().AddFile(kFunction + "/config", config);
  EXPECT_EQ(Look("").health, Health::kHealthy);
  // What was judged once stays judged: a driver that resets a card hides its files.
  machine_.root().Remove(kFunction + "/config");
  EXPECT_EQ(Look("").health, Health::kHealthy);
}

TEST_F(HealthTest, ASilentCheckIsNamedThoughAnotherSpeaks) {
  machine_.root().AddFile(kFunction + "/config", "");
  EXPECT_EQ(Look("1").health, Health::kUnknown) << "one sample is not yet a beat";
  EXPECT_EQ(Look("1").reason, "no opinion yet: on the bus, heartbeat");
  EXPECT_THAT(Odd(),
              ElementsAre("health check 'on the bus' has no opinion: device/config has 0 bytes, not 2"));
  EXPECT_EQ(Look("2").health, Health::kHealthy);
  EXPECT_EQ(Odd().size(), 1U) << "it beats, and still nobody knows about the bus";
  machine_.root().Remove(kFunction + "/config");
  Look("3");
  EXPECT_THAT(Odd(), ElementsAre("health check 'on the bus' has no opinion: device/config is not there"));
  machine_.root().AddFile(kFunction + "/config", "\x52\x1e");
  Look("4");
  EXPECT_THAT(Odd(), IsEmpty());
}

TEST_F(HealthTest, AnEmptyHeartbeatIsNone) {
  Look("");
  EXPECT_THAT(inventory_.oddities, IsEmpty()) << "a driver without heartbeats: no card has the file";
  Look(" ");
  EXPECT_THAT(Odd(), ElementsAre("health check 'heartbeat' has no opinion: tt_heartbeat is empty"));
  Look("1");
  Look("2");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Look(" ", seconds(10)).health, Health::kHealthy);
  EXPECT_THAT(Odd(), IsEmpty()) << "it was judged before";
}

}  // namespace
}  // namespace cleave
