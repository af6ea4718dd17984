// SPDX-License-Identifier: Apache-2.0
#include "server/registrar.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/log.h"
#include "base/status.h"
#include "server/event_loop.h"
#include "server/kubelet_client.h"
#include "server/metrics.h"

namespace cleave {
namespace {

constexpr std::chrono::seconds kStable{10};
constexpr std::chrono::seconds kStreamExpected{10};

}  // namespace

Backoff::Duration Backoff::Next(std::minstd_rand& random) {
  double factor = std::uniform_real_distribution<double>(0.75, 1.25)(random);
  auto pause = std::chrono::duration_cast<Duration>(next_ * factor);
  next_ = std::min(2 * next_, most_);
  return std::min(pause, most_);
}

Registrar::Registrar(EventLoop& loop, KubeletClient& client, Metrics& metrics, std::function<void()> changed)
    : loop_(loop),
      client_(client),
      metrics_(metrics),
      changed_(std::move(changed)),
      random_(std::random_device{}()) {}

Registrar::~Registrar() {
  for (const auto& [resource, entry] : entries_) loop_.Cancel(entry.timer);
}

void Registrar::Add(const std::string& resource, const std::string& endpoint) {
  entries_[resource].endpoint = endpoint;
  Attempt(resource);
}

void Registrar::Remove(const std::string& resource) {
  auto found = entries_.find(resource);
  if (found == entries_.end()) return;
  loop_.Cancel(found->second.timer);
  entries_.erase(found);
  metrics_.DropRegistered(resource);
  changed_();
}

void Registrar::Start() {
  if (std::exchange(started_, true)) return;
  for (const auto& [resource, entry] : entries_) Attempt(resource);
}

void Registrar::KubeletAppeared() {
  ++epoch_;
  kubelet_there_ = true;
  client_.ForgetConnection();
  for (auto& [resource, entry] : entries_) {
    entry.accepted = false;
    entry.connect.Reset();
    entry.refused.Reset();
    Attempt(resource);
  }
}

void Registrar::KubeletGone() {
  kubelet_there_ = false;
  for (auto& [resource, entry] : entries_) {
    loop_.Cancel(std::exchange(entry.timer, 0));
    Tell(resource);
  }
}

// Streams of an earlier kubelet do not count, it only has not closed them yet.
bool Registrar::Watched(const Entry& entry) const {
  return std::any_of(entry.streams.begin(), entry.streams.end(),
                     [&](const auto& stream) { return stream.second == epoch_; });
}

void Registrar::Attempt(const std::string& resource) {
  Entry& entry = entries_[resource];
  loop_.Cancel(std::exchange(entry.timer, 0));
  if (started_ && kubelet_there_) {
    entry.call = ++last_call_;
    entry.lost = false;
    client_.Register(
        resource, entry.endpoint,
        [this, resource, call = entry.call](const absl::Status& status) { Ended(resource, call, status); });
  }
  Tell(resource);
}

void Registrar::AttemptAfter(const std::string& resource, EventLoop::Clock::duration delay) {
  Entry& entry = entries_[resource];
  loop_.Cancel(entry.timer);
  entry.timer = 0;
  if (!kubelet_there_) return;  // its coming starts the next attempt
  entry.timer = loop_.RunAfter(delay, [this, resource] {
    entries_[resource].timer = 0;
    Attempt(resource);
  });
}

void Registrar::Ended(const std::string& resource, uint64_t call, const absl::Status& status) {
  auto found = entries_.find(resource);
  if (found == entries_.end() || found->second.call != call) return;  // superseded
  Entry& entry = found->second;
  entry.call = 0;
  metrics_.CountRegistration(resource, status.ok());
  if (status.ok()) {
    Log(LogLevel::kInfo, "resource registered", {{"resource", resource}, {"socket", entry.endpoint}});
    entry.accepted = true;
    entry.problem = "registered, but the kubelet does not watch its list yet";
    entry.connect.Reset();
    entry.refused.Reset();
    if (!Watched(entry))
      AttemptAfter(resource, entry.lost ? entry.reopen.Next(random_) : Backoff::Duration(kStreamExpected));
  } else {
    bool connects = !absl::IsUnavailable(status);
    std::string problem =
        (connects ? "refused by the kubelet: " : "the kubelet does not answer: ") + MessageOf(status);
    Log(problem == entry.problem ? LogLevel::kDebug : LogLevel::kWarning, "resource not registered",
        {{"resource", resource}, {"reason", problem}});
    entry.problem = problem;
    AttemptAfter(resource, (connects ? entry.refused : entry.connect).Next(random_));
  }
  Tell(resource);
}

void Registrar::StreamOpened(const std::string& resource, uint64_t stream) {
  auto found = entries_.find(resource);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.streams[stream] = epoch_;
  Log(LogLevel::kInfo, "stream opened", {{"resource", resource}});
  // What was timed was to wait for this. An attempt that failed is another matter.
  if (entry.accepted && entry.call == 0) loop_.Cancel(std::exchange(entry.timer, 0));
  Tell(resource);
}

void Registrar::StreamClosed(const std::string& resource, uint64_t stream,
                             std::chrono::milliseconds was_open) {
  auto found = entries_.find(resource);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  auto node = entry.streams.extract(stream);
  Log(LogLevel::kInfo, "stream closed",
      {{"resource", resource}, {"open_ms", fmt::format("{}", was_open.count())}});
  if (node.empty() || node.mapped() != epoch_ || Watched(entry)) return;
  if (was_open > kStable) entry.reopen.Reset();
  entry.accepted = false;
  entry.problem = "the kubelet ended the stream";
  if (entry.call != 0) {
    entry.lost = true;
  } else {
    AttemptAfter(resource, entry.reopen.Next(random_));
  }
  Tell(resource);
}

void Registrar::Tell(const std::string& resource) {
  const Entry& entry = entries_[resource];
  metrics_.SetRegistered(resource, entry.accepted && Watched(entry));
  changed_();
}

std::vector<std::string> Registrar::NotReady() const {
  std::vector<std::string> lines;
  for (const auto& [resource, entry] : entries_) {
    if (entry.accepted && Watched(entry)) continue;
    lines.push_back(resource + ": " + (kubelet_there_ ? entry.problem : "the kubelet is not there"));
  }
  return lines;
}

}  // namespace cleave
