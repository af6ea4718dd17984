// SPDX-License-Identifier: Apache-2.0
// The DevicePlugin service: what gRPC calls. Included by plugin_server.cpp and plugin_service.cpp only,
// because of what it includes itself.
#ifndef CLEAVE_SERVER_PLUGIN_SERVICE_H_
#define CLEAVE_SERVER_PLUGIN_SERVICE_H_

#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/host_root.h"
#include "base/mutex.h"
#include "proto/deviceplugin_v1beta1.grpc.pb.h"
#include "server/metrics.h"
#include "server/plugin_server.h"
#include "server/snapshot.h"

namespace cleave {

// Threads: gRPC's call the service methods, the loop's the rest. A shared_ptr, because the timeout of an
// Allocate may run after the server has ended.
class PluginService final : public v1beta1::DevicePlugin::CallbackService,
                            public std::enable_shared_from_this<PluginService> {
 public:
  PluginService(std::shared_ptr<const Snapshot> snapshot, const HostRoot& root, Metrics& metrics,
                PluginServer::Hooks hooks);

  void Publish(std::shared_ptr<const Snapshot> snapshot);
  void AnswerWaiting();
  void AnswerClaims(const PluginServer::Claims& claims);
  // Ends every stream and every call that waits; later ones are refused.
  void End();

  grpc::ServerUnaryReactor* GetDevicePluginOptions(grpc::CallbackServerContext* context,
                                                   const v1beta1::Empty* request,
                                                   v1beta1::DevicePluginOptions* response) override;
  grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* ListAndWatch(
      grpc::CallbackServerContext* context, const v1beta1::Empty* request) override;
  grpc::ServerUnaryReactor* GetPreferredAllocation(grpc::CallbackServerContext* context,
                                                   const v1beta1::PreferredAllocationRequest* request,
                                                   v1beta1::PreferredAllocationResponse* response) override;
  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context,
                                     const v1beta1::AllocateRequest* request,
                                     v1beta1::AllocateResponse* response) override;
  grpc::ServerUnaryReactor* PreStartContainer(grpc::CallbackServerContext* context,
                                              const v1beta1::PreStartContainerRequest* request,
                                              v1beta1::PreStartContainerResponse* response) override;

 private:
  class Stream;
  class WaitingAllocate;

  std::shared_ptr<const Snapshot> Current();
  absl::Status Answer(const Snapshot& snapshot, const v1beta1::AllocateRequest& request,
                      v1beta1::AllocateResponse& response) const;
  void Account(const std::string& resource, std::chrono::steady_clock::time_point start,
               const absl::Status& status);
  // Those of the calls that wait that are wanted; they are then the caller's to answer.
  std::vector<WaitingAllocate*> TakeIf(const std::function<bool(const WaitingAllocate&)>& wanted);
  // The call with this number, if it still waits; it is then the caller's to answer.
  WaitingAllocate* TakeWaiting(uint64_t number);

  const HostRoot& root_;
  Metrics& metrics_;
  const PluginServer::Hooks hooks_;

  Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  uint64_t list_version_ ABSL_GUARDED_BY(mutex_) = 1;  // counts different lists
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, WaitingAllocate*> waiting_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;  // of streams and of calls that wait
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_PLUGIN_SERVICE_H_
