// SPDX-License-Identifier: Apache-2.0
// The whole daemon on a thread of this process, a machine below it and a kubelet stand-in above.
#ifndef CLEAVE_TESTS_SERVER_DAEMON_FIXTURE_H_
#define CLEAVE_TESTS_SERVER_DAEMON_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "daemon.h"
#include "server/kubelet_standin.h"
#include "tests/server/gizmo_machine.h"
#include "tests/server/http_get.h"
#include "tests/server/loop_thread.h"

namespace cleave::testing {

// A port that was free a moment ago.
inline std::string FreeAddress() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

// What is still checked again and again, where no event tells: files and pages.
template <typename Condition>
bool Eventually(Condition condition) {
  auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class RunningDaemon {
 public:
  explicit RunningDaemon(DaemonOptions options)
      : address_(options.http_address), daemon_(std::make_unique<Daemon>(std::move(options))) {
    thread_ = std::thread([this] { exit_code_ = daemon_->Run(); });
  }
  ~RunningDaemon() { Stop(); }
  int Stop() {
    if (thread_.joinable()) {
      daemon_->Quit();
      thread_.join();
    }
    return exit_code_;
  }
  HttpAnswer Get(const std::string& path) const { return HttpAsk(address_, path); }
  bool AwaitReady(int status) const {
    return Eventually([&] { return Get("/readyz").status == status; });
  }
  bool AwaitMetric(const std::string& line) const {
    return Eventually([&] { return Get("/metrics").body.find(line + "\n") != std::string::npos; });
  }

 private:
  std::string address_;
  std::unique_ptr<Daemon> daemon_;
  std::thread thread_;
  int exit_code_ = -1;
};

class DaemonFixture : public ::testing::Test {
 protected:
  static constexpr const char* kGizmo = "example.com/gizmo";

  explicit DaemonFixture(int cards = 4) : machine_(cards), kubelet_(machine_.kubelet_dir()) {
    machine_.WriteConfig("rescan = \"1s\"\n");
  }

  DaemonOptions Options() const {
    DaemonOptions options;
    options.node.config_file = machine_.config();
    options.node.profile_dirs = {machine_.profile_dir()};
    options.node.root = machine_.root();
    options.node.node_name = "node-a";
    options.kubelet_dir = machine_.kubelet_dir();
    options.http_address = FreeAddress();
    options.log_level = "error";
    options.version = "test";
    options.linger = std::chrono::milliseconds(300);
    options.ask_every = std::chrono::milliseconds(50);
    return options;
  }
  void StartKubelet() { ASSERT_TRUE(kubelet_.Start().ok()); }
  void StartDaemon() { daemon_ = std::make_unique<RunningDaemon>(Options()); }
  // Kubelet, daemon, and all cards healthy.
  void StartBoth(size_t cards = 4) {
    StartKubelet();
    StartDaemon();
    ASSERT_TRUE(kubelet_.AwaitDevices(kGizmo, cards));
    ASSERT_TRUE(daemon_->AwaitReady(200));
  }
  bool Await(size_t healthy, size_t unhealthy = 0) {
    return kubelet_.AwaitDevices(kGizmo, healthy, unhealthy, kPatience);
  }
  std::set<std::string> Sick() {
    std::set<std::string> ids;
    KubeletStandIn::Resources resources = kubelet_.resources();
    for (const auto& [id, device] : resources[kGizmo]) {
      if (!device.healthy) ids.insert(id);
    }
    return ids;
  }
  // The plugins' sockets.
  std::set<std::string> Sockets() const {
    std::set<std::string> names;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator(machine_.kubelet_dir() + "/device-plugins", ignored)) {
      std::string name = entry.path().filename();
      if (name.starts_with("cleave-")) names.insert(name);
    }
    return names;
  }
  static std::string Id(int card) { return GizmoMachine::Address(card); }

  GizmoMachine machine_;
  KubeletStandIn kubelet_;
  std::unique_ptr<RunningDaemon> daemon_;
};

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_SERVER_DAEMON_FIXTURE_H_
