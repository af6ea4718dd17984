// SPDX-License-Identifier: Apache-2.0
// `cleave serve`: what its one thread does.
#ifndef CLEAVE_DAEMON_H_
#define CLEAVE_DAEMON_H_

#include <chrono>
#include <memory>
#include <string>

#include "node_view.h"

namespace cleave {

// What main() takes from the command line; "" where the configuration decides.
struct DaemonOptions {
  NodeOptions node;
  std::string kubelet_dir = "/var/lib/kubelet";
  std::string cdi_dir = "/var/run/cdi";
  std::string http_address;
  std::string log_format;
  std::string log_level;
  std::string version;
  std::string notify_socket;  // $NOTIFY_SOCKET, "" when not run by systemd
  // How long a device that is gone stays listed at least, and how often the kubelet is asked whether a pod
  // holds one.
  std::chrono::milliseconds linger{60'000};
  std::chrono::milliseconds ask_every{10'000};
};

// One thread owns everything: the plan, the servers' life, the registrations. gRPC's threads answer from
// immutable snapshots and post tasks; whatever happens takes the same way: look at the machine, make a plan,
// publish it.
//
// Threads: Run() once, on a thread that blocks the signals it takes before any other thread exists; Quit()
// from any.
class Daemon {
 public:
  explicit Daemon(DaemonOptions options);
  ~Daemon();
  // Until SIGTERM, SIGINT or Quit(). Returns the exit code: 0 stopped, 1 could not start (and the log says
  // why).
  int Run();
  void Quit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cleave

#endif  // CLEAVE_DAEMON_H_
