// SPDX-License-Identifier: Apache-2.0
// What cleave asks of the kubelet: to register a resource, and which devices pods hold.
#ifndef CLEAVE_SERVER_KUBELET_CLIENT_H_
#define CLEAVE_SERVER_KUBELET_CLIENT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/event_loop.h"

namespace cleave {

// By resource and device id the pod that holds it: "namespace/name".
using HeldIds = std::map<std::string, std::map<std::string, std::string>>;

// Threads: the loop's only; so are the answers, which come later and never after the client has gone.
class KubeletClient {
 public:
  KubeletClient() = default;
  KubeletClient(const KubeletClient&) = delete;
  KubeletClient& operator=(const KubeletClient&) = delete;
  virtual ~KubeletClient() = default;

  // `endpoint` is the name of the socket beside the kubelet's. The kubelet dials it before it answers, so
  // this may take a while; 15 seconds are the limit. UNAVAILABLE: nobody listens at the kubelet's socket.
  virtual void Register(const std::string& resource, const std::string& endpoint,
                        std::function<void(absl::Status)> done) = 0;

  // The next Register() opens a connection of its own: another kubelet is there.
  virtual void ForgetConnection() = 0;

  // The devices of all pods, from the pod-resources API, within 200 ms.
  virtual void ListHeld(std::function<void(absl::StatusOr<HeldIds>)> done) = 0;
};

// Over gRPC, to the sockets below `kubelet_dir`. Its destructor waits until every call has ended.
std::unique_ptr<KubeletClient> NewKubeletClient(EventLoop& loop, const std::string& kubelet_dir);

// Sends what gRPC has to say to our own log.
void RedirectGrpcLog();

}  // namespace cleave

#endif  // CLEAVE_SERVER_KUBELET_CLIENT_H_
