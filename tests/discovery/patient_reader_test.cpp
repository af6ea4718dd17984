// SPDX-License-Identifier: Apache-2.0
#include "discovery/patient_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/memory_root.h"
#include "tests/hanging_root.h"

namespace cleave {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using testing::HangingRoot;
using ::testing::HasSubstr;

constexpr const char* kOne = "sys/devices/pci0000:00/0000:01:00.0";
constexpr const char* kTwo = "sys/devices/pci0000:00/0000:02:00.0";

class PatientReaderTest : public ::testing::Test {
 protected:
  PatientReaderTest() {
    auto memory = std::make_unique<MemoryRoot>();
    for (const std::string device : {kOne, kTwo}) {
      memory->AddFile(device + "/vendor", "0x1af4\n");
      memory->AddFile(device + "/power", "7\n");
      memory->AddFile(device + "/gizmo/gizmo0/state", "ok\n");
    }
    memory->AddLink("sys/class/gizmo/gizmo0", "../../devices/pci0000:00/0000:01:00.0/gizmo/gizmo0");
    root_ = std::make_shared<HangingRoot>(std::move(memory));
  }
  ~PatientReaderTest() override { root_->Release(); }

  // What reading the files one after the other gives, or why it does not.
  static std::vector<std::string> ReadAll(PatientReader& reader, const std::vector<std::string>& paths) {
    return reader.Run([paths](const HostRoot& root) {
      std::vector<std::string> texts;
      for (const std::string& path : paths) {
        absl::StatusOr<std::string> text = root.ReadText(path);
        texts.push_back(text.ok()                                 ? *text
                        : absl::IsDeadlineExceeded(text.status()) ? std::string(text.status().message())
                                                                  : text.status().ToString());
      }
      return texts;
    });
  }

  std::shared_ptr<HangingRoot> root_;
  const std::string one_ = kOne;
  const std::string two_ = kTwo;
};

TEST_F(PatientReaderTest, OnlyTheDeviceIsLeftAlone) {
  PatientReader reader(root_, {.one = milliseconds(20), .next = milliseconds(20)});
  root_->Hang("gizmo0/state");
  const std::string why = "/" + one_ + "/power: the driver does not answer";
  root_->Hang("0000:01:00.0/power");
  EXPECT_THAT(ReadAll(reader, {two_ + "/power", one_ + "/power", one_ + "/gizmo/gizmo0/state",
                               "sys/class/gizmo/gizmo0/state", one_ + "/vendor", two_ + "/vendor"}),
              ElementsAre("7", why, why, why, "0x1af4", "0x1af4"))
      << "the PCI core answers without the driver";
  EXPECT_EQ(root_->hung(), 1U);
  EXPECT_THAT(ReadAll(reader, {one_ + "/power", two_ + "/power"}), ElementsAre(why, "7"));
  EXPECT_EQ(root_->hung(), 1U) << "it is not asked again";
}

TEST_F(PatientReaderTest, EveryDeviceThatHangsIsFound) {
  PatientReader reader(root_, {.one = milliseconds(20), .next = milliseconds(20)});
  root_->Hang("/power");
  EXPECT_THAT(
      ReadAll(reader, {one_ + "/power", two_ + "/power", two_ + "/vendor"}),
      ElementsAre(HasSubstr("01:00.0/power: the driver"), HasSubstr("02:00.0/power: the driver"), "0x1af4"));
  EXPECT_EQ(root_->hung(), 2U);
}

TEST_F(PatientReaderTest, OneThatAnswersAgainIsReadAgain) {
  PatientReader reader(root_, {.one = milliseconds(20), .next = milliseconds(20), .rest = milliseconds(0)});
  root_->Hang("/power");
  EXPECT_THAT(ReadAll(reader, {one_ + "/power"}), ElementsAre(HasSubstr("does not answer")));
  root_->Release();
  while (ReadAll(reader, {one_ + "/power"}).front() != "7") {
  }
}

TEST_F(PatientReaderTest, AndNotBeforeItHadItsRest) {
  PatientReader reader(root_, {.one = milliseconds(20), .next = milliseconds(20)});
  root_->Hang("/power");
  EXPECT_THAT(ReadAll(reader, {one_ + "/power"}), ElementsAre(HasSubstr("does not answer")));
  root_->Release();
  for (int i = 0; i < 100; ++i)
    EXPECT_THAT(ReadAll(reader, {one_ + "/power"}), ElementsAre(HasSubstr("does not answer")));
}

TEST_F(PatientReaderTest, ASlowAnswerIsWaitedFor) {
  PatientReader reader(root_, {.one = std::chrono::minutes(1)});
  root_->Hang("/power");
  std::thread releaser([this] {
    while (root_->hung() == 0) std::this_thread::yield();
    root_->Release();
  });
  EXPECT_THAT(ReadAll(reader, {one_ + "/power"}), ElementsAre("7"));
  releaser.join();
}

TEST_F(PatientReaderTest, AFolderWithoutAFunctionIsADeviceOfItsOwn) {
  auto memory = std::make_unique<MemoryRoot>();
  for (const std::string name : {"a", "b"}) {
    memory->AddFile("sys/devices/virtual/kfd/" + name + "/properties", name);
    memory->AddFile("sys/devices/virtual/kfd/" + name + "/gpu_id", name);
  }
  auto root = std::make_shared<HangingRoot>(std::move(memory));
  PatientReader reader(root, {.one = milliseconds(20), .next = milliseconds(20)});
  root->Hang("a/properties");
  const std::string kfd = "sys/devices/virtual/kfd/";
  EXPECT_THAT(ReadAll(reader, {kfd + "a/properties", kfd + "a/gpu_id", kfd + "b/properties"}),
              ElementsAre(HasSubstr("a/properties: the driver"), HasSubstr("a/properties: the driver"), "b"));
  root->Release();
}

}  // namespace
}  // namespace cleave
