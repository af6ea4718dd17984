// SPDX-License-Identifier: Apache-2.0
// What changes on a machine, and what the scanner must remember of it.
#include "discovery/scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "tests/discovery/scan.h"

namespace cleave {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Attribute;
using ::testing::ElementsAre;
using testing::FindById;
using ::testing::HasSubstr;
using testing::Ids;
using ::testing::IsEmpty;
using testing::LiveMachine;
using testing::LoadMachine;

constexpr const char* kFirst = "sys/devices/pci0000:30/0000:30:02.0/0000:31:00.0";
const std::string kFirstEntry = testing::EntryDir(kFirst, 0);

TEST(Scanner, FindsTheCardsOfTheCapturedMachine) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), ElementsAre("0000:31:00.0", "0000:4b:00.0", "0000:b1:00.0", "0000:ca:00.0"));
  EXPECT_THAT(inventory.oddities, IsEmpty());
  EXPECT_THAT(inventory.not_cards, IsEmpty());
  ASSERT_EQ(inventory.numa_nodes.size(), 2U);
  const Card& card = inventory.cards[1];
  EXPECT_EQ(Attribute(card, "card_type"), "n300");
  EXPECT_EQ(Attribute(card, "serial"), "0100014611903099");
  EXPECT_EQ(Attribute(card, "chips"), "2");
  EXPECT_EQ(Attribute(card, "needs_hugepages"), "true");
  EXPECT_THAT(card.numa_nodes, ElementsAre(0));
  EXPECT_EQ(card.nodes.front().second, "/dev/tenstorrent/1");
  EXPECT_EQ(card.health, Health::kHealthy);
  EXPECT_FALSE(card.waiting);
}

// Off the bus every read answers with ones, which the kernel shows as an unknown speed and 63 lanes.
TEST(Scanner, ALinkThatIsNotThereIsNotKnown) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  const auto link = [&] { return machine.Scan().Function("0000:31:00.0")->link; };
  const std::string speed = std::string(kFirst) + "/current_link_speed";
  const std::string width = std::string(kFirst) + "/current_link_width";
  EXPECT_EQ(link(), "16.0 GT/s x16");
  machine.root().AddFile(width, "63\n");
  EXPECT_EQ(link(), "");
  machine.root().AddFile(width, "16\n");
  for (const char* unknown : {"Unknown\n", "Unknown speed\n"}) {
    machine.root().AddFile(speed, unknown);
    EXPECT_EQ(link(), "");
  }
}

TEST(Scanner, WaitsForLateTelemetryAndNeverGivesUp) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  for (const char* name : {"tt_card_type", "tt_serial"}) machine.root().Remove(kFirstEntry + "/" + name);
  Inventory inventory = machine.Scan();
  EXPECT_TRUE(FindById(inventory, "0000:31:00.0")->waiting);
  EXPECT_FALSE(FindById(inventory, "0000:4b:00.0")->waiting);
  EXPECT_EQ(machine.scanner().LookAgainIn(), milliseconds(1000));
  EXPECT_TRUE(FindById(machine.Scan(seconds(118)), "0000:31:00.0")->waiting);
  // After 120 s it counts as absent; it is still looked at with every scan.
  EXPECT_FALSE(FindById(machine.Scan(seconds(3)), "0000:31:00.0")->waiting);
  machine.root().AddFile(kFirstEntry + "/tt_card_type", "n300\n");
  machine.root().AddFile(kFirstEntry + "/tt_serial", "010001461190302B\n");
  EXPECT_EQ(Attribute(*FindById(machine.Scan(seconds(600)), "0000:31:00.0"), "card_type"), "n300");
}

TEST(Scanner, SaysWhatWasReadWhereItStillWaits) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  machine.root().AddFile(kFirstEntry + "/tt_card_type", "4294967295\n");
  Inventory inventory = machine.Scan();
  EXPECT_TRUE(FindById(inventory, "0000:31:00.0")->waiting);
  EXPECT_THAT(
      inventory.oddities,
      ElementsAre(Oddity{"0000:31:00.0", "card_type: '4294967295' was read, which is no value for it"}));
  machine.root().AddFile(kFirstEntry + "/tt_card_type", "n300\n");
  EXPECT_THAT(machine.Scan().oddities, IsEmpty());
  machine.root().AddFile(kFirstEntry + "/tt_card_type", "4294967295\n");
  EXPECT_THAT(machine.Scan().oddities, IsEmpty()) << "a reset: what it is is known";
}

TEST(Scanner, AResetDoesNotForgetWhatTheCardIs) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  machine.Scan();
  for (const char* name : {"tt_card_type", "tt_serial", "tt_heartbeat"}) {
    machine.root().AddFailingFile(kFirstEntry + "/" + name, absl::UnavailableError("No data available"));
  }
  Inventory inventory = machine.Scan();
  const Card* card = FindById(inventory, "0000:31:00.0");
  EXPECT_EQ(Attribute(*card, "card_type"), "n300");
  EXPECT_FALSE(card->waiting);
  EXPECT_EQ(card->health, Health::kHealthy);
  EXPECT_THAT(inventory.oddities.front().text, HasSubstr("No data available"));
}

TEST(Scanner, OrdinalsMayMoveIdsMayNot) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  machine.Scan();
  // The card of ordinal 1 is reset and comes back as 4.
  MemoryRoot& root = machine.root();
  std::string function = "sys/devices/pci0000:4a/0000:4a:02.0/0000:4b:00.0";
  root.Remove("sys/class/tenstorrent/tenstorrent!1");
  root.Remove(function + "/tenstorrent");
  root.Remove("dev/tenstorrent/1");
  Inventory gone = machine.Scan();
  const Card* card = FindById(gone, "0000:4b:00.0");
  ASSERT_NE(card, nullptr);
  EXPECT_FALSE(card->present);
  EXPECT_EQ(card->health, Health::kUnhealthy);
  EXPECT_THAT(card->reason, HasSubstr("shows no entry in /sys/class/tenstorrent"));
  EXPECT_THAT(Ids(gone), ElementsAre("0000:31:00.0", "0000:4b:00.0", "0000:b1:00.0", "0000:ca:00.0"));
  root.AddFile(function + "/tenstorrent/tenstorrent!4/tt_card_type", "n300\n");
  root.AddFile(function + "/tenstorrent/tenstorrent!4/tt_serial", "0100014611903099\n");
  root.AddLink(function + "/tenstorrent/tenstorrent!4/device", "../../../0000:4b:00.0");
  root.AddLink("sys/class/tenstorrent/tenstorrent!4",
               "../../devices/pci0000:4a/0000:4a:02.0/0000:4b:00.0/tenstorrent/tenstorrent!4");
  root.AddFile("dev/tenstorrent/4", "");
  Inventory back = machine.Scan();
  card = FindById(back, "0000:4b:00.0");
  EXPECT_TRUE(card->present);
  EXPECT_EQ(card->health, Health::kHealthy);
  EXPECT_EQ(card->nodes.front().second, "/dev/tenstorrent/4");
}

TEST(Scanner, AGoneCardIsForgottenOnlyWhenTold) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  machine.Scan();
  machine.root().Remove("sys/class/tenstorrent/tenstorrent!0");
  machine.Scan();
  EXPECT_EQ(machine.Scan(seconds(3600)).cards.size(), 4U);
  machine.scanner().Forget("0000:31:00.0");
  machine.scanner().Forget("0000:4b:00.0");  // present: stays
  EXPECT_THAT(Ids(machine.Scan()), ElementsAre("0000:4b:00.0", "0000:b1:00.0", "0000:ca:00.0"));
}

TEST(Scanner, ADeviceNodeThatIsMissingIsAReason) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  machine.root().Remove("dev/tenstorrent/0");
  Inventory inventory = machine.Scan();
  EXPECT_EQ(FindById(inventory, "0000:31:00.0")->reason, "its device node /dev/tenstorrent/0 is not there");
  machine.root().Remove("dev");  // a captured /sys alone
  EXPECT_EQ(FindById(machine.Scan(), "0000:31:00.0")->health, Health::kHealthy);
}

TEST(Scanner, AHalfWrittenSysfsCostsThatCardOnly) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  machine.root().AddFailingFile(std::string(kFirst) + "/vendor",
                                absl::PermissionDeniedError("Operation not permitted"));
  machine.root().AddFile(std::string(kFirst) + "/numa_node", "zwei");
  Inventory inventory = machine.Scan();
  EXPECT_THAT(Ids(inventory), ElementsAre("0000:4b:00.0", "0000:b1:00.0", "0000:ca:00.0"));
}

// Values go into names and onto terminals: no escapes, no page of noise.
TEST(Scanner, WhatIsNoTextIsNoValue) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  const std::string entry = std::string(kFirst) + "/tenstorrent/tenstorrent!0";
  for (const std::string& noise : {std::string("n300\x1b[31mRED\n"), std::string(5000, 'n')}) {
    machine.root().AddFile(entry + "/tt_fw_bundle_ver", noise);
    Inventory inventory = machine.Scan();
    const Card* card = FindById(inventory, "0000:31:00.0");
    ASSERT_NE(card, nullptr);
    EXPECT_FALSE(card->attributes.contains("firmware"));
    ASSERT_THAT(inventory.oddities, ::testing::SizeIs(1));
    EXPECT_EQ(inventory.oddities[0].subject, "0000:31:00.0");
    EXPECT_EQ(inventory.oddities[0].text, "firmware: what was read is no text");
  }
}

TEST(Scanner, TwoEntriesOfOneFunctionAreOneCard) {
  LiveMachine machine(LoadMachine("tenstorrent-4x-n300"));
  machine.root().AddLink("sys/class/tenstorrent/tenstorrent!9",
                         "../../devices/pci0000:30/0000:30:02.0/0000:31:00.0/tenstorrent/tenstorrent!0");
  Inventory inventory = machine.Scan();
  EXPECT_EQ(inventory.cards.size(), 4U);
  EXPECT_THAT(inventory.oddities.front().text, HasSubstr("are the same card"));
}

TEST(Scanner, NoCardIsNoError) {
  LiveMachine machine(std::make_unique<MemoryRoot>());
  Inventory inventory = machine.Scan();
  EXPECT_THAT(inventory.cards, IsEmpty());
  EXPECT_THAT(inventory.oddities, IsEmpty());
}

TEST(Scanner, AnIdThatCannotBeReadIsSaidAndIsNoEvidenceAgainstAKnownCard) {
  auto unreadable = [](MemoryRoot& root) {
    root.AddFailingFile(std::string(kFirst) + "/vendor", absl::PermissionDeniedError("not permitted"));
  };
  auto root = LoadMachine("tenstorrent-4x-n300");
  unreadable(*root);
  LiveMachine unknown(std::move(root));
  Inventory inventory = unknown.Scan();
  EXPECT_THAT(Ids(inventory), ElementsAre("0000:4b:00.0", "0000:b1:00.0", "0000:ca:00.0"));
  EXPECT_THAT(inventory.oddities, ElementsAre(Oddity{"0000:31:00.0", "its vendor cannot be read"}));

  LiveMachine known(LoadMachine("tenstorrent-4x-n300"));
  known.Scan();
  unreadable(known.root());
  inventory = known.Scan();
  EXPECT_THAT(Ids(inventory), ElementsAre("0000:31:00.0", "0000:4b:00.0", "0000:b1:00.0", "0000:ca:00.0"));
  EXPECT_TRUE(FindById(inventory, "0000:31:00.0")->present);
}

TEST(Scanner, ANumaNodeThatIsNoNumberIsSaidOnce) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  root->AddFile(std::string(kFirst) + "/numa_node", "zero\n");
  LiveMachine machine(std::move(root));
  EXPECT_THAT(machine.Scan().oddities,
              ElementsAre(Oddity{"0000:31:00.0", "its numa_node is no number: 'zero'"}));
  machine.root().AddFailingFile(std::string(kFirst) + "/numa_node", absl::UnavailableError("busy"));
  EXPECT_THAT(machine.Scan().oddities, ElementsAre(Oddity{"0000:31:00.0", "its numa_node cannot be read"}));
}

TEST(Scanner, AnEmptyClassIsSaid) {
  auto root = LoadMachine("tenstorrent-4x-n300");
  root->AddFile(std::string(kFirst) + "/class", "");
  LiveMachine machine(std::move(root));
  Inventory inventory = machine.Scan();
  EXPECT_EQ(inventory.cards.size(), 4U);
  EXPECT_THAT(inventory.oddities, ElementsAre(Oddity{"0000:31:00.0", "its class cannot be read"}));
}

}  // namespace
}  // namespace cleave
