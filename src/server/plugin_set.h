// SPDX-License-Identifier: Apache-2.0
// The servers of all resources of a plan.
#ifndef CLEAVE_SERVER_PLUGIN_SET_H_
#define CLEAVE_SERVER_PLUGIN_SET_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/host_root.h"
#include "policy/plan.h"
#include "server/cdi_specs.h"
#include "server/event_loop.h"
#include "server/metrics.h"
#include "server/plugin_server.h"
#include "server/registrar.h"

namespace cleave {

// Starts a server for each resource and hands it to the registrar, publishes plans to all of them, stops
// those whose resource is gone.
//
// Ownership: keeps references; stop it before the registrar goes. Threads: the loop's only.
class PluginSet {
 public:
  struct Options {
    std::string kubelet_dir;
    std::string instance;  // of the sockets' names, see NewInstanceId()
    std::string cdi_dir;   // "": CDI is not served
    // An Allocate waits for a new look at the machine; AnswerWaiting() must follow.
    std::function<void()> rescan;
    // An Allocate waits for what pods hold; AnswerClaims() must follow.
    std::function<void()> ask;
  };
  PluginSet(EventLoop& loop, const HostRoot& root, Metrics& metrics, Registrar& registrar, Options options);
  PluginSet(const PluginSet&) = delete;
  PluginSet& operator=(const PluginSet&) = delete;
  ~PluginSet();  // Stop()

  void Apply(std::shared_ptr<const Plan> plan);
  void AnswerWaiting();
  void AnswerClaims(const PluginServer::Claims& claims);

  // Makes sockets anew that somebody removed, and starts servers whose directory was not there.
  void CheckSockets();

  // Writes CDI files anew that somebody removed or that could not be written before.
  void WriteCdi();

  // "example.com/gpu: /var/lib/kubelet/device-plugins: no such file", a line for each that could not start.
  std::vector<std::string> NotServing() const;

  void Stop();

 private:
  void Remove(const std::string& resource);
  void Start(const std::string& resource);
  PluginServer::Hooks HooksFor(const std::string& resource);

  EventLoop& loop_;
  const HostRoot& root_;
  Metrics& metrics_;
  Registrar& registrar_;
  const Options options_;
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<const CdiSpecs> cdi_;
  std::string cdi_problem_;
  uint64_t generation_ = 0;
  uint64_t last_server_ = 0;
  std::map<std::string, std::unique_ptr<PluginServer>> servers_;
  std::map<std::string, std::string> problems_;  // of resources without a server
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_PLUGIN_SET_H_
