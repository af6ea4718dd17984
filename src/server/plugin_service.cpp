// SPDX-License-Identifier: Apache-2.0
#include "server/plugin_service.h"

#include <fmt/core.h>
#include <grpcpp/alarm.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hand_over.h"
#include "base/host_root.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "policy/plan.h"
#include "server/allocate.h"
#include "server/grpc_status.h"
#include "server/messages.h"
#include "server/plugin_server.h"
#include "server/prefer.h"
#include "server/snapshot.h"

namespace cleave {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLongestWait{1};

std::string Microseconds(Clock::duration took) {
  return fmt::format("{}", std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace

// One open ListAndWatch. Everything but the reactor's own methods is called under the service's mutex; gRPC
// never calls back from within StartWrite() or Finish(), so they may be called there too.
class PluginService::Stream final : public grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse> {
 public:
  Stream(std::shared_ptr<PluginService> service, uint64_t number)
      : service_(std::move(service)), number_(number), opened_(Clock::now()) {
    HandOver(this);
  }

  // Tells the compiler, where it cannot see it, that the service whose mutex is held is this stream's.
  void AssertLocked() const ABSL_ASSERT_EXCLUSIVE_LOCK(service_->mutex_) {}

  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_->mutex_) {
    if (writing_ || end_ || sent_version_ == service_->list_version_) return;
    sent_version_ = service_->list_version_;
    FillList(service_->snapshot_->devices, message_);
    if (message_.ByteSizeLong() > kLongestMessage) {
      Log(LogLevel::kError, "list of devices is longer than a kubelet takes",
          {{"resource", service_->snapshot_->resource},
           {"bytes", fmt::format("{}", message_.ByteSizeLong())}});
    }
    writing_ = true;
    service_->metrics_.CountList(service_->snapshot_->resource);
    StartWrite(&message_);
  }

  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_->mutex_) {
    if (end_) return;
    end_ = status;
    if (!writing_) Finish(status);
  }

  void OnWriteDone(bool ok) override {
    TakeOver(this);
    MutexLock lock(service_->mutex_);
    writing_ = false;
    if (end_) return Finish(*end_);
    if (!ok) return End(grpc::Status::CANCELLED);
    Wake();
  }

  void OnCancel() override {
    TakeOver(this);
    MutexLock lock(service_->mutex_);
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    TakeOver(this);
    {
      MutexLock lock(service_->mutex_);
      service_->streams_.erase(this);
    }
    service_->hooks_.stream_closed(
        number_, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - opened_));
    delete this;
  }

 private:
  const std::shared_ptr<PluginService> service_;
  const uint64_t number_;
  const Clock::time_point opened_;
  v1beta1::ListAndWatchResponse message_;
  uint64_t sent_version_ = 0;
  bool writing_ = false;
  std::optional<grpc::Status> end_;  // Finish() was called, or will be when the write is done
};

// An Allocate that waits for the main thread: to look at the machine again, or to ask the kubelet what pods
// hold.
class PluginService::WaitingAllocate final : public grpc::ServerUnaryReactor {
 public:
  WaitingAllocate(std::shared_ptr<PluginService> service, uint64_t number,
                  const v1beta1::AllocateRequest* request, v1beta1::AllocateResponse* response,
                  Clock::time_point began, absl::Status reason, bool is_claim)
      : claims(is_claim),
        start(began),
        service_(std::move(service)),
        request_(request),
        response_(response),
        reason_(std::move(reason)) {
    static char in_alarm;  // stands for what alarms hold
    std::function<void(bool)> ring = [service = service_, number](bool in_time) {
      if (!in_time) return;  // cancelled
      TakeOver(&in_alarm);
      if (WaitingAllocate* late = service->TakeWaiting(number)) late->Refuse("there was no answer in time");
    };
    HandOver(&in_alarm);
    alarm_.Set(std::chrono::system_clock::now() + kLongestWait, std::move(ring));
  }

  const bool claims;  // of a resource that overlaps with others: to be answered by AnswerClaims()
  const Clock::time_point start;

  // Each at most once, and never under the mutex.
  void AnswerClaim(const PluginServer::Claims& claims_of_all) {
    std::shared_ptr<const Snapshot> snapshot = service_->Current();
    absl::Status status = service_->Answer(*snapshot, *request_, *response_);
    if (!status.ok() && IsWorthARescan(status)) {
      claims_of_all.look();
      snapshot = service_->Current();
      status = service_->Answer(*snapshot, *request_, *response_);
    }
    std::vector<std::string> ids = DeviceIds(*request_);
    if (status.ok()) {
      claims_of_all.give(snapshot->resource, ids);
    } else if (snapshot->Withholds(ids)) {
      service_->metrics_.CountRace(snapshot->resource);
    }
    service_->Account(snapshot->resource, start, status);
    HandOver(this);
    Finish(ToGrpc(status));
  }
  void AnswerFrom(const Snapshot& snapshot) {
    absl::Status status = service_->Answer(snapshot, *request_, *response_);
    service_->Account(snapshot.resource, start, status);
    HandOver(this);
    Finish(ToGrpc(status));
  }
  void Refuse(const std::string& why) {
    absl::Status status = absl::UnavailableError(fmt::format("{}: {}", MessageOf(reason_), why));
    response_->Clear();
    service_->Account(service_->Current()->resource, start, status);
    HandOver(this);
    Finish(ToGrpc(status));
  }

  void OnDone() override {
    TakeOver(this);
    delete this;
  }

 private:
  const std::shared_ptr<PluginService> service_;
  const v1beta1::AllocateRequest* const request_;
  v1beta1::AllocateResponse* const response_;
  const absl::Status reason_;
  grpc::Alarm alarm_;
};

PluginService::PluginService(std::shared_ptr<const Snapshot> snapshot, const HostRoot& root, Metrics& metrics,
                             PluginServer::Hooks hooks)
    : root_(root), metrics_(metrics), hooks_(std::move(hooks)), snapshot_(std::move(snapshot)) {}

std::shared_ptr<const Snapshot> PluginService::Current() {
  MutexLock lock(mutex_);
  return snapshot_;
}

void PluginService::Publish(std::shared_ptr<const Snapshot> snapshot) {
  MutexLock lock(mutex_);
  bool differs = snapshot->devices != snapshot_->devices;
  snapshot_ = std::move(snapshot);
  if (!differs) return;
  ++list_version_;
  for (Stream* stream : streams_) {
    stream->AssertLocked();
    stream->Wake();
  }
}

std::vector<PluginService::WaitingAllocate*> PluginService::TakeIf(
    const std::function<bool(const WaitingAllocate&)>& wanted) {
  std::vector<WaitingAllocate*> taken;
  MutexLock lock(mutex_);
  std::erase_if(waiting_, [&](const auto& item) {
    bool is_wanted = wanted(*item.second);
    if (is_wanted) taken.push_back(item.second);
    return is_wanted;
  });
  return taken;
}

void PluginService::AnswerWaiting() {
  std::vector<WaitingAllocate*> calls = TakeIf([](const WaitingAllocate& call) { return !call.claims; });
  std::shared_ptr<const Snapshot> snapshot = Current();
  for (WaitingAllocate* call : calls) call->AnswerFrom(*snapshot);
}

void PluginService::AnswerClaims(const PluginServer::Claims& claims) {
  std::vector<WaitingAllocate*> calls =
      TakeIf([&](const WaitingAllocate& call) { return call.claims && call.start <= claims.asked; });
  for (WaitingAllocate* call : calls) {
    if (claims.problem.empty()) {
      call->AnswerClaim(claims);
    } else {
      call->Refuse(claims.problem);
    }
  }
}

PluginService::WaitingAllocate* PluginService::TakeWaiting(uint64_t number) {
  MutexLock lock(mutex_);
  auto node = waiting_.extract(number);
  return node.empty() ? nullptr : node.mapped();
}

void PluginService::End() {
  std::map<uint64_t, WaitingAllocate*> waiting;
  {
    MutexLock lock(mutex_);
    ended_ = true;
    waiting.swap(waiting_);
    for (Stream* stream : streams_) {
      stream->AssertLocked();
      stream->End(grpc::Status::OK);
    }
  }
  for (const auto& [number, call] : waiting) call->Refuse("cleave stops to offer the resource");
}

grpc::ServerUnaryReactor* PluginService::GetDevicePluginOptions(grpc::CallbackServerContext* context,
                                                                const v1beta1::Empty* /*request*/,
                                                                v1beta1::DevicePluginOptions* response) {
  response->set_pre_start_required(false);
  response->set_get_preferred_allocation_available(true);
  return Reply(context, grpc::Status::OK);
}

grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* PluginService::ListAndWatch(
    grpc::CallbackServerContext* /*context*/, const v1beta1::Empty* /*request*/) {
  TakeOver(this);
  MutexLock lock(mutex_);
  uint64_t number = ++last_number_;
  auto* stream = new Stream(shared_from_this(), number);
  streams_.insert(stream);
  stream->AssertLocked();
  // Under the mutex, so that nobody hears of its end first.
  hooks_.stream_opened(number);
  if (ended_) {
    stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the resource is not offered any more"));
  } else {
    stream->Wake();
  }
  return stream;
}

grpc::ServerUnaryReactor* PluginService::GetPreferredAllocation(
    grpc::CallbackServerContext* context, const v1beta1::PreferredAllocationRequest* request,
    v1beta1::PreferredAllocationResponse* response) {
  TakeOver(this);
  auto start = Clock::now();
  std::shared_ptr<const Snapshot> snapshot = Current();
  for (const auto& container : request->container_requests()) {
    PreferRequest question;
    question.available.assign(container.available_deviceids().begin(), container.available_deviceids().end());
    question.must_include.assign(container.must_include_deviceids().begin(),
                                 container.must_include_deviceids().end());
    question.size = container.allocation_size();
    Preferred answer = Prefer(snapshot->Find(), question);
    auto* ids = response->add_container_responses()->mutable_deviceids();
    ids->Assign(answer.ids.begin(), answer.ids.end());
    metrics_.SetPreferredGap(snapshot->resource, answer.choice.GapRatio());
    LogPreferred(*snapshot->plan, snapshot->resource, question, answer, Clock::now() - start);
  }
  metrics_.ObservePreferred(snapshot->resource, Clock::now() - start);
  return Reply(context, grpc::Status::OK);
}

absl::Status PluginService::Answer(const Snapshot& snapshot, const v1beta1::AllocateRequest& request,
                                   v1beta1::AllocateResponse& response) const {
  response.Clear();
  for (const auto& container : request.container_requests()) {
    std::vector<std::string> ids(container.devices_ids().begin(), container.devices_ids().end());
    absl::StatusOr<ContainerEdits> edits = AllocateContainer(snapshot, root_, ids);
    if (!edits.ok()) {
      response.Clear();
      return edits.status();
    }
    FillContainer(*edits, *response.add_container_responses());
  }
  // The kubelet loses track of devices when an answer is empty.
  if (response.container_responses().empty()) response.add_container_responses();
  return absl::OkStatus();
}

void PluginService::Account(const std::string& resource, Clock::time_point start,
                            const absl::Status& status) {
  auto took = Clock::now() - start;
  metrics_.ObserveAllocate(resource, took);
  if (!status.ok()) {
    std::string code = absl::StatusCodeToString(status.code());
    metrics_.CountAllocateFailure(resource, code);
    Log(LogLevel::kWarning, "allocation refused",
        {{"resource", resource}, {"code", code}, {"reason", MessageOf(status)}});
  } else if (LogEnabled(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, "allocated", {{"resource", resource}, {"us", Microseconds(took)}});
  }
}

grpc::ServerUnaryReactor* PluginService::Allocate(grpc::CallbackServerContext* context,
                                                  const v1beta1::AllocateRequest* request,
                                                  v1beta1::AllocateResponse* response) {
  TakeOver(this);
  auto start = Clock::now();
  std::shared_ptr<const Snapshot> snapshot = Current();
  // Whether another shape of the card is in use only the main thread can say, one call after the other.
  bool claims = snapshot->Exclusive();
  absl::Status status = claims
                            ? absl::UnavailableError(fmt::format("devices {}: what pods hold must be known",
                                                                 Join(DeviceIds(*request), ",")))
                            : Answer(*snapshot, *request, *response);
  if (claims || (!status.ok() && IsWorthARescan(status))) {
    WaitingAllocate* call = nullptr;
    {
      MutexLock lock(mutex_);
      if (!ended_) {
        uint64_t number = ++last_number_;
        call = new WaitingAllocate(shared_from_this(), number, request, response, start, status, claims);
        waiting_.emplace(number, call);
      }
    }
    if (call != nullptr) {
      claims ? hooks_.ask() : hooks_.rescan();
      return call;
    }
  }
  Account(snapshot->resource, start, status);
  return Reply(context, ToGrpc(status));
}

grpc::ServerUnaryReactor* PluginService::PreStartContainer(
    grpc::CallbackServerContext* context, const v1beta1::PreStartContainerRequest* /*request*/,
    v1beta1::PreStartContainerResponse* /*response*/) {
  return Reply(context, grpc::Status::OK);
}

}  // namespace cleave
