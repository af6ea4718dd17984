// SPDX-License-Identifier: Apache-2.0
// Keeps every resource registered with the kubelet.
#ifndef CLEAVE_SERVER_REGISTRAR_H_
#define CLEAVE_SERVER_REGISTRAR_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/event_loop.h"
#include "server/kubelet_client.h"
#include "server/metrics.h"

namespace cleave {

// Pauses that double, each up to a quarter longer or shorter by chance, so that many nodes and resources do
// not knock at the same time.
class Backoff {
 public:
  using Duration = std::chrono::milliseconds;
  Backoff(Duration first, Duration most) : first_(first), most_(most), next_(first) {}
  Duration Next(std::minstd_rand& random);
  void Reset() { next_ = first_; }

 private:
  Duration first_;
  Duration most_;
  Duration next_;
};

// A resource is registered when the kubelet has accepted it and watches its list. The kubelet never dials by
// itself, so whenever that is not so, it is registered again:
//   * a kubelet appeared: at once, and every 10 ms, 20 ms, ... while its socket refuses connections
//   * the kubelet refused: after 100 ms, 200 ms, ... up to 5 s
//   * the stream ended: after 250 ms, 500 ms, ... up to 5 s, until one stays open for more than 10 s. Never
//     sooner: the kubelet forgets a lost plugin by name a moment after the stream's end, and would take the
//     new one with it. (device manager, plugin/v1beta1/handler.go, runClient; kubernetes PR 135437.) For the
//     same reason the end of another instance's stream ends ours.
//   * no stream came within 10 s of a registration
//
// Ownership: keeps references; destroy the client first. Threads: the loop's only.
class Registrar {
 public:
  // `changed` is called whenever what NotReady() says may have changed.
  Registrar(EventLoop& loop, KubeletClient& client, Metrics& metrics, std::function<void()> changed);
  Registrar(const Registrar&) = delete;
  Registrar& operator=(const Registrar&) = delete;
  ~Registrar();

  // The server of `resource` serves at `endpoint` already.
  void Add(const std::string& resource, const std::string& endpoint);
  void Remove(const std::string& resource);

  // Until this is called nothing is registered. Idempotent.
  void Start();

  // A new socket of the kubelet is there; or none any more.
  void KubeletAppeared();
  void KubeletGone();

  void StreamOpened(const std::string& resource, uint64_t stream);
  void StreamClosed(const std::string& resource, uint64_t stream, std::chrono::milliseconds was_open);

  // A line for each resource that is not registered: "example.com/gpu: refused: ...".
  std::vector<std::string> NotReady() const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string endpoint;
    uint64_t call = 0;                     // the one under way; 0: none
    bool accepted = false;                 // by this kubelet
    bool lost = false;                     // a stream ended while a call was under way
    std::map<uint64_t, uint64_t> streams;  // open ones, and the epoch in which each was opened
    EventLoop::TimerId timer = 0;
    std::string problem = "not registered yet";
    Backoff connect{std::chrono::milliseconds(10), std::chrono::seconds(5)};
    Backoff refused{std::chrono::milliseconds(100), std::chrono::seconds(5)};
    Backoff reopen{std::chrono::milliseconds(250), std::chrono::seconds(5)};
  };
  bool Watched(const Entry& entry) const;
  void Attempt(const std::string& resource);
  void AttemptAfter(const std::string& resource, EventLoop::Clock::duration delay);
  void Ended(const std::string& resource, uint64_t call, const absl::Status& status);
  void Tell(const std::string& resource);

  EventLoop& loop_;
  KubeletClient& client_;
  Metrics& metrics_;
  const std::function<void()> changed_;
  std::minstd_rand random_;
  bool started_ = false;
  bool kubelet_there_ = false;
  uint64_t epoch_ = 0;  // counts kubelets
  uint64_t last_call_ = 0;
  std::map<std::string, Entry> entries_;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_REGISTRAR_H_
