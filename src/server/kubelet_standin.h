// SPDX-License-Identifier: Apache-2.0
// A kubelet to play with: what its device manager does with device plugins, for the demo, tests and
// benchmarks.
#ifndef CLEAVE_SERVER_KUBELET_STANDIN_H_
#define CLEAVE_SERVER_KUBELET_STANDIN_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cleave {

// Serves Registration on <dir>/device-plugins/kubelet.sock and the pod-resources API on
// <dir>/pod-resources/kubelet.sock. Like the real one it dials back inside Register, removes every socket in
// its directory when it starts, never dials a plugin again by itself, knows plugins by resource name only (so
// that the end of an old one's stream disconnects the new one), and remembers over a restart what pods hold.
//
// Ownership: threads of its own, ended by the destructor. Threads: every method from any.
class KubeletStandIn {
 public:
  using Clock = std::chrono::steady_clock;

  struct Device {
    bool healthy = false;
    std::vector<int> numa_nodes;
  };
  using Devices = std::map<std::string, Device>;

  // What one container would get.
  struct Grant {
    struct Mount {
      std::string host;
      std::string container;
      bool read_only = false;
    };
    std::string pod;
    std::vector<std::string> ids;
    std::vector<std::string> preferred;  // what the plugin answered, as it did
    std::vector<std::string> devices;    // "/dev/x rw", and "host:container rw" where the two differ
    std::vector<Mount> mounts;
    std::map<std::string, std::string> env;
    std::map<std::string, std::string> annotations;
    Clock::duration prefer_took{};
    Clock::duration allocate_took{};
  };

  struct Counters {
    int registrations = 0;  // refused ones too
    int refused = 0;
    int lists = 0;  // messages of ListAndWatch
    int streams_ended = 0;
    int pod_lists = 0;  // questions to the pod-resources API
  };

  explicit KubeletStandIn(std::string dir);
  KubeletStandIn(const KubeletStandIn&) = delete;
  KubeletStandIn& operator=(const KubeletStandIn&) = delete;
  ~KubeletStandIn();  // Stop()

  absl::Status Start();
  // Ends all streams and removes its sockets. Pods keep what they hold.
  void Stop();
  absl::Status Restart();

  // Waits until a condition over the resources and their devices holds, at most so long. Devices of a
  // resource whose stream has ended are unhealthy.
  using Resources = std::map<std::string, Devices>;
  bool Await(std::chrono::milliseconds patience, const std::function<bool(const Resources&)>& condition);
  // ... until `resource` has exactly so many healthy and unhealthy devices.
  bool AwaitDevices(const std::string& resource, size_t healthy, size_t unhealthy = 0,
                    std::chrono::milliseconds patience = std::chrono::seconds(10));
  Resources resources();

  // Gives `count` devices to a new container of `pod`: asks what is preferred among the free healthy ones, in
  // random order, then allocates. RESOURCE_EXHAUSTED when there are too few; the plugin's error when it
  // refuses.
  absl::StatusOr<Grant> Admit(const std::string& pod, const std::string& resource, size_t count,
                              const std::vector<std::string>& must_include = {});
  void Release(const std::string& pod);

  // Cancels the kubelet's ListAndWatch of a resource; kubelet.sock stays and nobody dials again.
  void DropStream(const std::string& resource);
  // The next `count` registrations fail.
  void RefuseNext(int count);
  // From now on Register answers only after so long.
  void DelayRegister(std::chrono::milliseconds delay);
  // Whether Start() serves the pod-resources API; true at first.
  void ServePodResources(bool serve);

  Counters counters();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_KUBELET_STANDIN_H_
