// SPDX-License-Identifier: Apache-2.0
#include "server/allocate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "server/cdi_specs.h"
#include "server/snapshot.h"
#include "tests/server/gizmo_machine.h"

namespace cleave {
namespace {

using ::testing::ElementsAre;
using testing::GizmoMachine;
using ::testing::HasSubstr;

class AllocateTest : public ::testing::Test {
 protected:
  AllocateTest() : machine_(4), root_(testing::OpenRoot(machine_)), settings_(testing::GizmoSettings()) {
    Look();
  }
  void Look() { snapshot_ = MakeSnapshot(1, testing::GizmoPlan(*root_, settings_), "example.com/gizmo"); }
  absl::StatusOr<ContainerEdits> Ask(const std::vector<std::string>& ids) {
    return AllocateContainer(*snapshot_, *root_, ids);
  }
  static std::string Id(int card) { return GizmoMachine::Address(card); }
  void Expect(const absl::Status& status, absl::StatusCode code, const std::string& unit,
              const std::string& reason) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr(unit));
    EXPECT_THAT(MessageOf(status), HasSubstr(reason));
  }

  GizmoMachine machine_;
  std::unique_ptr<HostRoot> root_;
  Settings settings_;
  std::shared_ptr<const Snapshot> snapshot_;
};

TEST_F(AllocateTest, GivesNodesAndEnvironment) {
  for (int again = 0; again < 2; ++again) {
    auto edits = Ask({Id(2), Id(0)});
    ASSERT_TRUE(edits.ok()) << edits.status();
    EXPECT_THAT(edits->devices, ::testing::UnorderedElementsAre("/dev/gizmo/0", "/dev/gizmo/2"));
    EXPECT_EQ(edits->env.size(), 1);
    EXPECT_TRUE(edits->mounts.empty()) << "optional, and not there";
  }
}

TEST_F(AllocateTest, OptionalMountsAreGivenWhenTheHostHasThem) {
  std::filesystem::create_directories(machine_.Path("opt/gizmo"));
  std::filesystem::create_directories(machine_.Path("dev/hugepages"));
  auto edits = Ask({Id(0)});
  ASSERT_TRUE(edits.ok()) << edits.status();
  ASSERT_EQ(edits->mounts.size(), 1) << "a directory is no hugetlbfs";
  EXPECT_EQ(edits->mounts[0].host, "/opt/gizmo");
  machine_.Write("proc/mounts", "none /dev/hugepages hugetlbfs rw 0 0\n");
  edits = Ask({Id(0)});
  ASSERT_TRUE(edits.ok()) << edits.status();
  EXPECT_EQ(edits->mounts.size(), 2);
}

TEST_F(AllocateTest, AMountThatIsNotOptionalMustBeThere) {
  settings_ = testing::GizmoSettings(R"(
    [[resource]]
    name = "example.com/gizmo"
    [resource.container]
    mounts = [{ host = "/opt/needed", container = "/opt/needed" },
              { host = "/opt/huge", container = "/opt/huge", file_system = "hugetlbfs" }]
  )");
  Look();
  Expect(Ask({Id(1)}).status(), absl::StatusCode::kFailedPrecondition, Id(1), "/opt/needed");
  std::filesystem::create_directories(machine_.Path("opt/needed"));
  std::filesystem::create_directories(machine_.Path("opt/huge"));
  Expect(Ask({Id(1)}).status(), absl::StatusCode::kFailedPrecondition, Id(1), "no hugetlbfs");
  EXPECT_FALSE(IsWorthARescan(Ask({Id(1)}).status()));
}

TEST_F(AllocateTest, UnknownAndSickDevicesAreRefused) {
  Expect(Ask({Id(0), "ghost"}).status(), absl::StatusCode::kNotFound, "ghost", "example.com/gizmo");
  machine_.SetState(3, 3, "dead");
  Look();
  Expect(Ask({Id(3)}).status(), absl::StatusCode::kFailedPrecondition, Id(3), "state");
  EXPECT_TRUE(Ask({Id(2)}).ok());
}

TEST_F(AllocateTest, AResourceThatIsGoneIsNotFound) {
  snapshot_ = MakeSnapshot(2, snapshot_->plan, "example.com/other");
  Expect(Ask({Id(0)}).status(), absl::StatusCode::kNotFound, "example.com/other", "not offered");
}

// The kubelet names the same devices in another order each time (it walks a Go map), and asks again after a
// restart.
TEST_F(AllocateTest, TheOrderOfTheIdsDoesNotMatter) {
  for (const std::string by : {"field", "annotation"}) {
    settings_ = testing::GizmoSettings(R"(
      [[resource]]
      name = "example.com/gizmo"
      [resource.container]
      cdi = { kind = "example.com/gizmo", by = ")" +
                                       by + R"(" }
    )");
    Look();
    auto cdi = std::make_shared<CdiSpecs>(*snapshot_->plan, machine_.Path("cdi"));
    snapshot_ = MakeSnapshot(1, snapshot_->plan, "example.com/gizmo", cdi);
    auto edits = Ask({Id(0), Id(1), Id(2)});
    ASSERT_TRUE(edits.ok()) << edits.status();
    EXPECT_EQ(edits->cdi_devices.size() + edits->annotations.size(), by == "field" ? 3 : 1);
    auto again = Ask({Id(2), Id(0), Id(1)});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->cdi_devices, edits->cdi_devices);
    EXPECT_EQ(again->annotations, edits->annotations);
    EXPECT_EQ(again->env, edits->env);
  }
}

// The driver was loaded again and numbers the cards in another order; the plan is from before.
TEST_F(AllocateTest, ARenumberedCardIsNoticed) {
  machine_.RemoveCard(0);
  machine_.RemoveCard(1);
  machine_.AddCard(0, 1);
  machine_.AddCard(1, 0);
  absl::Status status = Ask({Id(0)}).status();
  Expect(status, absl::StatusCode::kAborted, Id(0), "does not lead to");
  EXPECT_TRUE(IsWorthARescan(status));
  Look();
  EXPECT_THAT(Ask({Id(0)})->devices, ElementsAre("/dev/gizmo/1"));
  EXPECT_THAT(Ask({Id(1)})->devices, ElementsAre("/dev/gizmo/0"));
}

TEST_F(AllocateTest, ACardThatIsGoneIsNoticed) {
  machine_.RemoveCard(2);
  Expect(Ask({Id(2)}).status(), absl::StatusCode::kAborted, Id(2), "is not there");
  EXPECT_TRUE(Ask({Id(1)}).ok());
}

TEST_F(AllocateTest, ADeviceNodeThatIsGoneIsNoticed) {
  std::filesystem::remove(machine_.Path("dev/gizmo/2"));
  Expect(Ask({Id(2)}).status(), absl::StatusCode::kAborted, Id(2), "/dev/gizmo/2");
}

TEST_F(AllocateTest, CardsThatAreFunctionsThemselves) {
  Card card;
  card.id = card.address = Id(1);
  card.entry = "sys/bus/pci/devices/" + Id(1);
  EXPECT_TRUE(CheckCard(*root_, card).ok());
  machine_.RemoveCard(1);
  Expect(CheckCard(*root_, card), absl::StatusCode::kAborted, Id(1), "is not there");
}

}  // namespace
}  // namespace cleave
