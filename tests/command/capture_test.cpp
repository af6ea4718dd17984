// SPDX-License-Identifier: Apache-2.0
// cleave capture: the copy of a machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/host_root.h"
#include "tests/command/run.h"
#include "tests/machine.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;

using testing::Cleave;
using testing::Machine;
using testing::Result;

std::vector<std::string> Machines() {
  std::vector<std::string> names;
  for (const std::string folder : {"", "vendors/"}) {
    for (const auto& file :
         std::filesystem::directory_iterator(testing::SourcePath("tests/machines/" + folder))) {
      const std::string name = file.path().filename().string();
      const bool is_machine = name.find("nccl-xml") == std::string::npos;  // that one holds lists of links
      if (is_machine && name.ends_with(".tar.zst")) names.push_back(folder + name.substr(0, name.size() - 8));
    }
  }
  return names;
}

// What was captured must look as the machine did.
class CaptureOf : public ::testing::TestWithParam<std::string> {};

TEST_P(CaptureOf, IsLikeTheMachine) {
  testing::TempDir dir;
  Result captured = Cleave("capture " + (dir / "copy.tar.zst") + Machine(GetParam()));
  ASSERT_EQ(captured.code, 0) << captured.err;
  for (const char* command :
       {"plan --output json --node-name a", "topology --output json", "topology --functions --output json"}) {
    std::string copy = Cleave(std::string(command) + " --root " + (dir / "copy.tar.zst")).out;
    EXPECT_EQ(copy, Cleave(std::string(command) + Machine(GetParam())).out) << command;
  }
  EXPECT_LT(std::filesystem::file_size(dir / "copy.tar.zst"), 200'000U);
}

INSTANTIATE_TEST_SUITE_P(Every, CaptureOf, ::testing::ValuesIn(Machines()), [](const auto& machine) {
  std::string name = BaseName(machine.param);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Capture, SaysWhatItCannotDo) {
  EXPECT_EQ(Cleave("capture /tmp/x.zip").code, 1);
  testing::TempDir dir;
  std::filesystem::create_directory(dir / "empty");
  Result nothing = Cleave("capture " + (dir / "copy.tar") + " --root " + (dir / "empty"));
  EXPECT_EQ(nothing.code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("there is nothing of a machine in it"));
  EXPECT_FALSE(std::filesystem::exists(dir / "copy.tar"));
  Result nowhere = Cleave("capture /nowhere/copy.tar" + Machine("tt-1numa"));
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_EQ(nowhere.err, "cleave: /nowhere/copy.tar: cannot be written: No such file or directory\n");
}

// A profile's setting that is not in use when a machine is captured can be tried on the copy.
TEST(Capture, ForOtherSettings) {
  testing::TempDir dir;
  ASSERT_EQ(Cleave("capture " + (dir / "copy.tar.zst") + Machine("vendors/qat-4xxx-2s")).code, 0);
  testing::WriteFile(dir / "x.toml", "profiles = [\"vfio\", \"generic\", \"intel-qat\"]\n");
  const std::string plan = "plan --output json --node-name a --config " + (dir / "x.toml");
  EXPECT_EQ(Cleave(plan + " --root " + (dir / "copy.tar.zst")).out,
            Cleave(plan + Machine("vendors/qat-4xxx-2s")).out);
}

}  // namespace
}  // namespace cleave
