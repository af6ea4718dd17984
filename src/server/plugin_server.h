// SPDX-License-Identifier: Apache-2.0
// One device plugin: the gRPC server of one resource on its own unix socket.
#ifndef CLEAVE_SERVER_PLUGIN_SERVER_H_
#define CLEAVE_SERVER_PLUGIN_SERVER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "server/event_loop.h"
#include "server/metrics.h"
#include "server/snapshot.h"

namespace cleave {

// Answers from the snapshot that was published last. State is published by generation: every ListAndWatch
// stream sends the list whenever it has sent another one before, so a second stream after a reconnect is
// right without further code.
//
// Connections are accepted by the loop and handed to gRPC, which therefore knows nothing of the file: a
// socket that somebody removes is bound again without any stream being lost, and stopping takes away no file
// but our own.
//
// Ownership: keeps references to loop, root and metrics. Threads: the loop's only, but for the hooks.
class PluginServer {
 public:
  // Called on gRPC's threads; must return at once, that is, post a task.
  struct Hooks {
    std::function<void(uint64_t stream)> stream_opened;
    std::function<void(uint64_t stream, std::chrono::milliseconds was_open)> stream_closed;
    // An Allocate found that the machine has changed: scan it, Publish(), then call AnswerWaiting(). After a
    // second it is refused.
    std::function<void()> rescan;
    // An Allocate of a resource with overlap = "exclusive" waits: ask the kubelet what pods hold, Publish(),
    // then call AnswerClaims(). After a second it is refused.
    std::function<void()> ask;
  };
  // How to answer those.
  struct Claims {
    std::chrono::steady_clock::time_point asked;  // calls that came later have to wait for the next answer
    std::string problem;                          // not empty: why nothing can be given
    std::function<void()> look;                   // looks at the machine and publishes
    // Devices are about to be given: withholds other shapes of their cards and publishes.
    std::function<void(const std::string& resource, const std::vector<std::string>& ids)> give;
  };

  // Serves from when this returns. The first list is sent at once, even an empty one.
  static absl::StatusOr<std::unique_ptr<PluginServer>> Start(EventLoop& loop, const std::string& socket_path,
                                                             std::shared_ptr<const Snapshot> snapshot,
                                                             const HostRoot& root, Metrics& metrics,
                                                             Hooks hooks);
  PluginServer(const PluginServer&) = delete;
  PluginServer& operator=(const PluginServer&) = delete;
  ~PluginServer();  // Stop()

  // Streams send the list if it differs from the one before; nothing is sent otherwise.
  void Publish(std::shared_ptr<const Snapshot> snapshot);

  // Answers the Allocate calls that waited for a new snapshot.
  void AnswerWaiting();
  // ... and those that waited for what pods hold, one after the other.
  void AnswerClaims(const Claims& claims);

  const std::string& socket_path() const;
  bool SocketIsThere() const;
  // Makes the socket anew after somebody removed it. Open streams stay.
  absl::Status BindAgain();

  // Ends streams and calls, then the server, within `patience`, and removes the socket. Idempotent.
  void Stop(std::chrono::milliseconds patience = std::chrono::milliseconds(200));
  // The first half of it, so that several servers can end at the same time.
  void BeginStop();

 private:
  struct Impl;
  explicit PluginServer(std::unique_ptr<Impl> impl);
  void Accept();
  std::unique_ptr<Impl> impl_;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_PLUGIN_SERVER_H_
