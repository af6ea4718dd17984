// SPDX-License-Identifier: Apache-2.0
#include "server/plugin_set.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/log.h"
#include "base/status.h"
#include "policy/plan.h"
#include "server/cdi_specs.h"
#include "server/event_loop.h"
#include "server/metrics.h"
#include "server/plugin_server.h"
#include "server/registrar.h"
#include "server/snapshot.h"
#include "server/socket.h"

namespace cleave {

PluginSet::PluginSet(EventLoop& loop, const HostRoot& root, Metrics& metrics, Registrar& registrar,
                     Options options)
    : loop_(loop), root_(root), metrics_(metrics), registrar_(registrar), options_(std::move(options)) {}

PluginSet::~PluginSet() {
  Stop();
  *alive_ = false;
}

void PluginSet::Apply(std::shared_ptr<const Plan> plan) {
  const std::shared_ptr<const Plan> before = std::exchange(plan_, std::move(plan));
  cdi_ = std::make_shared<CdiSpecs>(*plan_, options_.cdi_dir);
  WriteCdi();  // before anything is offered
  ++generation_;
  if (before != nullptr) {
    for (const Resource& resource : before->resources) {
      if (plan_->Find(resource.name) == nullptr) Remove(resource.name);
    }
  }
  // Also where the list is the same: what Allocate answers may have changed.
  for (const auto& [resource, server] : servers_)
    server->Publish(MakeSnapshot(generation_, plan_, resource, cdi_));
  for (const Resource& resource : plan_->resources) {
    if (!servers_.contains(resource.name)) Start(resource.name);
  }
}

void PluginSet::Remove(const std::string& resource) {
  Log(LogLevel::kInfo, "resource is not offered any more", {{"resource", resource}});
  registrar_.Remove(resource);
  servers_.erase(resource);
  problems_.erase(resource);
}

void PluginSet::Start(const std::string& resource) {
  absl::StatusOr<std::string> path = SocketPath(options_.kubelet_dir, resource, options_.instance);
  absl::StatusOr<std::unique_ptr<PluginServer>> server =
      path.ok() ? PluginServer::Start(loop_, *path, MakeSnapshot(generation_, plan_, resource, cdi_), root_,
                                      metrics_, HooksFor(resource))
                : path.status();
  if (!server.ok()) {
    // The directory comes with the kubelet, and that it is not there is said elsewhere.
    bool absent = absl::IsNotFound(server.status());
    std::string problem =
        absent ? "the kubelet is not there: no directory " + PluginDirectory(options_.kubelet_dir)
               : MessageOf(server.status());
    LogLevel level = absent || problems_[resource] == problem ? LogLevel::kDebug : LogLevel::kError;
    Log(level, "resource cannot be served", {{"resource", resource}, {"reason", problem}});
    problems_[resource] = problem;
    return;
  }
  problems_.erase(resource);
  servers_[resource] = *std::move(server);
  registrar_.Add(resource, BaseName(*path));
}

PluginServer::Hooks PluginSet::HooksFor(const std::string& resource) {
  // A resource that is stopped and started again has another server, whose streams are others.
  uint64_t base = ++last_server_ << 32;
  PluginServer::Hooks hooks;
  hooks.stream_opened = [this, alive = alive_, resource, base](uint64_t stream) {
    loop_.Post([this, alive, resource, id = base + stream] {
      if (*alive) registrar_.StreamOpened(resource, id);
    });
  };
  hooks.stream_closed = [this, alive = alive_, resource, base](uint64_t stream,
                                                               std::chrono::milliseconds was_open) {
    loop_.Post([this, alive, resource, id = base + stream, was_open] {
      if (*alive) registrar_.StreamClosed(resource, id, was_open);
    });
  };
  hooks.rescan = [this, alive = alive_] {
    loop_.Post([this, alive] {
      if (*alive) options_.rescan();
    });
  };
  hooks.ask = [this, alive = alive_] {
    loop_.Post([this, alive] {
      if (*alive) options_.ask();
    });
  };
  return hooks;
}

void PluginSet::AnswerWaiting() {
  for (const auto& [resource, server] : servers_) server->AnswerWaiting();
}

void PluginSet::AnswerClaims(const PluginServer::Claims& claims) {
  // What is given is published, and that goes through the servers, too.
  std::vector<std::string> names;
  for (const auto& [resource, server] : servers_) names.push_back(resource);
  for (const std::string& resource : names) {
    if (auto found = servers_.find(resource); found != servers_.end()) found->second->AnswerClaims(claims);
  }
}

void PluginSet::WriteCdi() {
  if (cdi_ == nullptr) return;
  std::string problem;
  if (absl::Status status = cdi_->Write(); !status.ok()) problem = MessageOf(status);
  if (problem != cdi_problem_ && !problem.empty())
    Log(LogLevel::kError, "CDI cannot be served, pods that need it are refused", {{"reason", problem}});
  if (problem.empty() && !cdi_problem_.empty()) Log(LogLevel::kInfo, "CDI is served again");
  cdi_problem_ = std::move(problem);
}

void PluginSet::CheckSockets() {
  if (plan_ == nullptr) return;
  for (const Resource& resource : plan_->resources) {
    auto found = servers_.find(resource.name);
    if (found == servers_.end()) {
      Start(resource.name);
    } else if (!found->second->SocketIsThere()) {
      absl::Status status = found->second->BindAgain();
      Log(status.ok() ? LogLevel::kInfo : LogLevel::kDebug, "socket was removed, making it anew",
          {{"resource", resource.name},
           {"socket", found->second->socket_path()},
           {"result", status.ok() ? "ok" : MessageOf(status)}});
    }
  }
}

std::vector<std::string> PluginSet::NotServing() const {
  std::vector<std::string> lines;
  for (const auto& [resource, problem] : problems_) lines.push_back(resource + ": " + problem);
  return lines;
}

void PluginSet::Stop() {
  // All at once first: ending one server is quick, but a call that hangs would cost its patience for each.
  for (const auto& [resource, server] : servers_) {
    registrar_.Remove(resource);
    server->BeginStop();
  }
  servers_.clear();
}

}  // namespace cleave
