// SPDX-License-Identifier: Apache-2.0
#include "server/kubelet_client.h"

#include <fmt/core.h>
#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cctype>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hand_over.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "proto/deviceplugin_v1beta1.grpc.pb.h"
#include "proto/podresources_v1.grpc.pb.h"
#include "server/event_loop.h"
#include "server/grpc_status.h"
#include "server/socket.h"

namespace cleave {
namespace {

// The kubelet dials the plugin for up to 10 s inside Register (device manager, plugin/v1beta1/client.go), and
// what it asks then inherits our deadline.
constexpr std::chrono::seconds kRegisterDeadline{15};
constexpr std::chrono::milliseconds kListDeadline{200};
constexpr int kLongestAnswer = 16 * 1024 * 1024;

std::string UnixUri(const std::string& path) {
  std::string uri = "unix:";
  for (char c : path) {
    bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                 std::string_view("/-._~").find(c) != std::string_view::npos;
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

// Shares nothing with channels before it, so that their back-off is not ours.
std::shared_ptr<grpc::Channel> FreshChannel(const std::string& path) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetMaxReceiveMessageSize(kLongestAnswer);
  return grpc::CreateCustomChannel(UnixUri(path), grpc::InsecureChannelCredentials(), arguments);
}

// One call and all that it needs, which owns itself while it runs: gRPC ends it with OnDone(), on a thread of
// its own.
template <typename Stub, typename Request, typename Response>
struct Call final : grpc::ClientUnaryReactor {
  void OnDone(const grpc::Status& status) override {
    TakeOver(this);
    auto self = std::unique_ptr<Call>(this);
    // Not called on itself: it goes on to own the call.
    auto last = std::move(ended);
    last(std::move(self), FromGrpc(status));
  }

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Stub> stub;
  grpc::ClientContext context;
  Request request;
  Response response;
  std::function<void(std::unique_ptr<Call> self, absl::Status status)> ended;
};
using RegisterCall = Call<v1beta1::Registration::Stub, v1beta1::RegisterRequest, v1beta1::Empty>;
using ListCall =
    Call<v1::PodResourcesLister::Stub, v1::ListPodResourcesRequest, v1::ListPodResourcesResponse>;

class GrpcKubeletClient final : public KubeletClient {
 public:
  GrpcKubeletClient(EventLoop& loop, std::string kubelet_dir)
      : loop_(loop), kubelet_dir_(std::move(kubelet_dir)) {}

  ~GrpcKubeletClient() override {
    *alive_ = false;
    MutexLock lock(mutex_);
    for (grpc::ClientContext* context : running_) context->TryCancel();
    while (!running_.empty()) ended_.Wait(mutex_);
  }

  void Register(const std::string& resource, const std::string& endpoint,
                std::function<void(absl::Status)> done) override {
    // Resources that register at the same time share a connection; the next attempt gets a fresh one.
    auto call = std::make_unique<RegisterCall>();
    call->channel = registration_.lock();
    if (call->channel == nullptr)
      registration_ = call->channel = FreshChannel(KubeletSocketPath(kubelet_dir_));
    call->stub = v1beta1::Registration::NewStub(call->channel);
    call->context.set_deadline(std::chrono::system_clock::now() + kRegisterDeadline);
    call->request.set_version("v1beta1");
    call->request.set_endpoint(endpoint);
    call->request.set_resource_name(resource);
    call->request.mutable_options()->set_get_preferred_allocation_available(true);
    auto answer = [this, done = std::move(done)](RegisterCall& /*call*/, const absl::Status& status) {
      if (!status.ok()) registration_.reset();
      done(status);
    };
    call->stub->async()->Register(&call->context, &call->request, &call->response, call.get());
    Begin(std::move(call), std::move(answer));
  }

  void ForgetConnection() override { registration_.reset(); }

  void ListHeld(std::function<void(absl::StatusOr<HeldIds>)> done) override {
    auto call = std::make_unique<ListCall>();
    call->channel = FreshChannel(PodResourcesSocketPath(kubelet_dir_));
    call->stub = v1::PodResourcesLister::NewStub(call->channel);
    call->context.set_deadline(std::chrono::system_clock::now() + kListDeadline);
    auto answer = [done = std::move(done)](ListCall& ended, const absl::Status& status) {
      if (!status.ok()) return done(Annotate(status, "pod-resources"));
      HeldIds held;
      for (const auto& pod : ended.response.pod_resources()) {
        for (const auto& container : pod.containers()) {
          for (const auto& devices : container.devices()) {
            for (const std::string& id : devices.device_ids())
              held[devices.resource_name()][id] = pod.namespace_() + "/" + pod.name();
          }
        }
      }
      done(std::move(held));
    };
    call->stub->async()->List(&call->context, &call->request, &call->response, call.get());
    std::shared_ptr<grpc::Channel> channel = call->channel;
    Begin(std::move(call), std::move(answer));
    last_ = std::move(channel);
  }

 private:
  // Starts the call and, when it has ended, calls `answer` on the loop's thread.
  template <typename C, typename Answer>
  void Begin(std::unique_ptr<C> call, Answer answer) {
    call->ended = [this, answer = std::move(answer), alive = alive_](std::unique_ptr<C> self,
                                                                     const absl::Status& status) {
      std::shared_ptr<C> done = std::move(self);
      loop_.Post([done, answer, alive, status] {
        if (*alive) answer(*done, status);
      });
      // Last, and notified under the mutex: the destructor may be waiting for just this.
      MutexLock lock(mutex_);
      running_.erase(&done->context);
      ended_.NotifyAll();
    };
    {
      MutexLock lock(mutex_);
      running_.insert(&call->context);
    }
    C* started = call.release();  // its own from here on
    HandOver(started);
    started->StartCall();
  }

  EventLoop& loop_;
  const std::string kubelet_dir_;
  std::weak_ptr<grpc::Channel> registration_;
  // Kept until the next one is in use: gRPC 1.51 ends its threads with the last channel or server, and aborts
  // now and then when the next one begins at that moment.
  std::shared_ptr<grpc::Channel> last_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // read and written on the loop's thread

  Mutex mutex_;
  CondVar ended_;
  std::set<grpc::ClientContext*> running_ ABSL_GUARDED_BY(mutex_);
};

void LogFromGrpc(gpr_log_func_args* line) {
  // A kubelet that is not there is an error to gRPC and everyday life to us; what matters comes back as a
  // status.
  Log(LogLevel::kDebug, "grpc",
      {{"text", line->message}, {"file", fmt::format("{}:{}", line->file, line->line)}});
}

}  // namespace

std::unique_ptr<KubeletClient> NewKubeletClient(EventLoop& loop, const std::string& kubelet_dir) {
  return std::make_unique<GrpcKubeletClient>(loop, kubelet_dir);
}

void RedirectGrpcLog() { gpr_set_log_function(LogFromGrpc); }

}  // namespace cleave
