// SPDX-License-Identifier: Apache-2.0
// The event loop behind `cleave serve`.
#ifndef CLEAVE_DAEMON_H_
#define CLEAVE_DAEMON_H_

#include <memory>
#include <string>

#include "node_view.h"

namespace cleave {

// What main() takes from the command line; "" where the configuration decides. (main.cpp uses exactly these names;
// node.config_file, node.profile_dirs, node.profile_files, node.root, node.node_name are in NodeOptions. Facts become a
// plan through PlanFrom() of node_view.h, as for every command.)
struct DaemonOptions {
  NodeOptions node;
  std::string kubelet_dir = "/var/lib/kubelet";
  std::string cdi_dir;
  std::string http_address;
  std::string log_format;
  std::string log_level;
  std::string version;
  std::string notify_socket;  // $NOTIFY_SOCKET, "" when not run by systemd
};

class Daemon {
 public:
  explicit Daemon(DaemonOptions options);
  ~Daemon();
  // Until SIGTERM or SIGINT. Returns the exit code: 0 stopped, 1 could not start.
  int Run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cleave

#endif  // CLEAVE_DAEMON_H_
