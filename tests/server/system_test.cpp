// SPDX-License-Identifier: Apache-2.0
// The small things between cleave and the system it runs on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include "server/machine_watch.h"
#include "server/service_manager.h"
#include "server/uevents.h"
#include "tests/server/gizmo_machine.h"

namespace cleave {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::string_literals;

TEST(Uevent, IsParsed) {
  Uevent event =
      ParseUevent("add@/devices/pci0000:00/0000:01:00.0\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=pci\0SEQNUM=7\0"s);
  EXPECT_EQ(event.action, "add");
  EXPECT_EQ(event.device, "/devices/pci0000:00/0000:01:00.0");
  EXPECT_EQ(event.subsystem, "pci");
}

TEST(Uevent, AnythingElseIsNone) {
  for (const std::string& text : {""s, "\0"s, "libudev\0\xfe\xed\xca\xfe"s, "add"s, "\0\0\0"s}) {
    EXPECT_EQ(ParseUevent(text).action, "") << text;
  }
  EXPECT_EQ(ParseUevent("bind@/d\0SUBSYSTEM=pci"s).subsystem, "pci") << "cut off";
  EXPECT_EQ(ParseUevent("bind@/d"s).subsystem, "");
}

TEST(ServiceManager, IsTold) {
  testing::TempDir dir;
  for (const std::string& name : {dir / "notify", "@cleave-test-" + std::to_string(getpid())}) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
    NotifyServiceManager(name, "READY=1");
    std::array<char, 64> buffer;
    ssize_t length = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    EXPECT_EQ(std::string(buffer.data(), static_cast<size_t>(std::max<ssize_t>(length, 0))), "READY=1")
        << name;
    close(fd);
  }
}

TEST(ServiceManager, MayBeAbsent) {
  NotifyServiceManager("", "READY=1");
  NotifyServiceManager("/no/such/socket", "READY=1");
  NotifyServiceManager(std::string(500, 'x'), "READY=1");
}

std::vector<std::string> DirectoriesOf(const std::vector<FileWatcher::Want>& wants) {
  std::vector<std::string> directories;
  for (const FileWatcher::Want& want : wants) directories.push_back(want.directory);
  return directories;
}

TEST(MachineWatch, ClassesFunctionsAndNodes) {
  testing::GizmoMachine machine(2);
  auto root = testing::OpenRoot(machine);
  Settings settings = testing::GizmoSettings("profiles = [\"gizmo\"]");
  auto wants = MachineWants(*root, settings, *testing::GizmoPlan(*root, settings)->inventory);
  EXPECT_THAT(DirectoriesOf(wants),
              ElementsAre(machine.Path("dev/gizmo"), machine.Path("sys/bus/pci/devices"),
                          machine.Path("sys/class/gizmo")));
  EXPECT_THAT(Subsystems(settings), ElementsAre("gizmo", "pci"));
}

TEST(MachineWatch, AStillPictureIsNotWatched) {
  MemoryRoot root;
  EXPECT_THAT(MachineWants(root, testing::GizmoSettings(), {}), IsEmpty());
}

TEST(MachineWatch, FilesOfTheOperator) {
  Settings settings;
  settings.config.profile_dirs = {"/etc/cleave/profiles"};
  settings.config.links.emplace_back().path = "/run/links.yaml";
  auto wants = ConfigWants(settings, {.config_file = "/etc/cleave/own.toml",
                                      .profile_dirs = {"/opt/p"},
                                      .profile_files = {"/opt/one.toml"}});
  EXPECT_THAT(DirectoriesOf(wants),
              ElementsAre("/etc/cleave", "/etc/cleave/profiles", "/opt", "/opt/p", "/run"));
  EXPECT_THAT(wants[0].prefixes, ElementsAre("..data", "own.toml"));
  EXPECT_THAT(wants[1].prefixes, IsEmpty());
  EXPECT_TRUE(wants[0].contents);
  EXPECT_THAT(DirectoriesOf(ConfigWants({}, {})), ElementsAre("/etc/cleave"));
}

}  // namespace
}  // namespace cleave
