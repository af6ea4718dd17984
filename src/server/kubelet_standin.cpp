// SPDX-License-Identifier: Apache-2.0
#include "server/kubelet_standin.h"

#include <fmt/core.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "proto/deviceplugin_v1beta1.grpc.pb.h"
#include "proto/podresources_v1.grpc.pb.h"
#include "server/grpc_status.h"
#include "server/socket.h"

namespace cleave {
namespace {

constexpr std::chrono::seconds kDialDeadline{10};  // device manager, plugin/v1beta1/client.go
constexpr std::chrono::seconds kCallDeadline{30};  // the kubelet has none

// A plugin that has registered. Its reader thread runs until the stream ends.
struct Plugin {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub;
  grpc::ClientContext stream;
  std::thread reader;
};

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + kCallDeadline);
}

}  // namespace

struct KubeletStandIn::Impl final : public v1beta1::Registration::Service,
                                    public v1::PodResourcesLister::Service {
  explicit Impl(std::string path) : dir(std::move(path)) {}

  grpc::Status Register(grpc::ServerContext* context, const v1beta1::RegisterRequest* request,
                        v1beta1::Empty*) override;
  grpc::Status List(grpc::ServerContext* context, const v1::ListPodResourcesRequest* request,
                    v1::ListPodResourcesResponse* response) override;

  grpc::Status Connect(const std::string& resource, const std::string& endpoint);
  void Read(const std::string& resource, const std::shared_ptr<Plugin>& plugin);
  std::vector<std::string> FreeIds(const std::string& resource) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  std::shared_ptr<Plugin> PluginOf(const std::string& resource);

  const std::string dir;
  std::unique_ptr<grpc::Server> registration;
  std::unique_ptr<grpc::Server> pod_resources;

  Mutex mutex;
  CondVar changed;
  Resources resources ABSL_GUARDED_BY(mutex);
  std::map<std::string, std::shared_ptr<Plugin>> plugins
      ABSL_GUARDED_BY(mutex);                                       // by resource, as in the kubelet
  std::vector<std::shared_ptr<Plugin>> all ABSL_GUARDED_BY(mutex);  // to be joined
  std::map<std::string, std::map<std::string, std::set<std::string>>> pods
      ABSL_GUARDED_BY(mutex);  // pod, resource, ids
  Counters counters ABSL_GUARDED_BY(mutex);
  int refuse ABSL_GUARDED_BY(mutex) = 0;
  std::chrono::milliseconds delay ABSL_GUARDED_BY(mutex){0};
  bool serve_pod_resources ABSL_GUARDED_BY(mutex) = true;
  std::minstd_rand random ABSL_GUARDED_BY(mutex){std::random_device{}()};
};

grpc::Status KubeletStandIn::Impl::Register(grpc::ServerContext* /*context*/,
                                            const v1beta1::RegisterRequest* request,
                                            v1beta1::Empty* /*response*/) {
  std::chrono::milliseconds wait;
  {
    MutexLock lock(mutex);
    ++counters.registrations;
    changed.NotifyAll();
    if (refuse > 0) {
      --refuse;
      ++counters.refused;
      return {grpc::StatusCode::UNKNOWN, "refused by the test"};
    }
    wait = delay;
  }
  std::this_thread::sleep_for(wait);
  if (request->version() != "v1beta1")
    return {grpc::StatusCode::UNKNOWN, "unsupported version " + request->version()};
  return Connect(request->resource_name(), request->endpoint());
}

grpc::Status KubeletStandIn::Impl::Connect(const std::string& resource, const std::string& endpoint) {
  auto plugin = std::make_shared<Plugin>();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  plugin->channel = grpc::CreateCustomChannel("unix:" + PluginDirectory(dir) + "/" + endpoint,
                                              grpc::InsecureChannelCredentials(), arguments);
  if (!plugin->channel->WaitForConnected(std::chrono::system_clock::now() + kDialDeadline)) {
    return {grpc::StatusCode::UNKNOWN, "cannot connect to " + endpoint};
  }
  plugin->stub = v1beta1::DevicePlugin::NewStub(plugin->channel);
  grpc::ClientContext context;
  SetDeadline(context);
  v1beta1::DevicePluginOptions options;
  if (grpc::Status status = plugin->stub->GetDevicePluginOptions(&context, {}, &options); !status.ok())
    return status;
  MutexLock lock(mutex);
  plugins[resource] = plugin;
  all.push_back(plugin);
  plugin->reader = std::thread([this, resource, plugin] { Read(resource, plugin); });
  return grpc::Status::OK;
}

void KubeletStandIn::Impl::Read(const std::string& resource, const std::shared_ptr<Plugin>& plugin) {
  auto stream = plugin->stub->ListAndWatch(&plugin->stream, {});
  v1beta1::ListAndWatchResponse message;
  while (stream->Read(&message)) {
    MutexLock lock(mutex);
    ++counters.lists;
    Devices& devices = resources[resource];
    devices.clear();
    for (const v1beta1::Device& device : message.devices()) {
      Device& line = devices[device.id()];
      line.healthy = device.health() == "Healthy";
      for (const v1beta1::NUMANode& node : device.topology().nodes())
        line.numa_nodes.push_back(static_cast<int>(node.id()));
    }
    changed.NotifyAll();
  }
  (void)stream->Finish();
  MutexLock lock(mutex);
  ++counters.streams_ended;
  // By name, whichever plugin that is by now: this is what the device manager does (handler.go, runClient).
  if (auto current = plugins.extract(resource); !current.empty()) {
    current.mapped()->stream.TryCancel();
    for (auto& [id, device] : resources[resource]) device.healthy = false;
  }
  changed.NotifyAll();
}

grpc::Status KubeletStandIn::Impl::List(grpc::ServerContext* /*context*/,
                                        const v1::ListPodResourcesRequest* /*request*/,
                                        v1::ListPodResourcesResponse* response) {
  MutexLock lock(mutex);
  ++counters.pod_lists;
  for (const auto& [pod, held] : pods) {
    v1::PodResources* line = response->add_pod_resources();
    line->set_name(pod);
    line->set_namespace_("default");
    v1::ContainerResources* container = line->add_containers();
    for (const auto& [resource, ids] : held) {
      for (const std::string& id : ids) {
        v1::ContainerDevices* devices = container->add_devices();
        devices->set_resource_name(resource);
        devices->add_device_ids(id);
      }
    }
  }
  changed.NotifyAll();
  return grpc::Status::OK;
}

std::vector<std::string> KubeletStandIn::Impl::FreeIds(const std::string& resource) {
  std::vector<std::string> ids;
  for (const auto& [id, device] : resources[resource]) {
    bool used = std::any_of(pods.begin(), pods.end(), [&](const auto& pod) {
      auto held = pod.second.find(resource);
      return held != pod.second.end() && held->second.contains(id);
    });
    if (device.healthy && !used) ids.push_back(id);
  }
  std::shuffle(ids.begin(), ids.end(), random);
  return ids;
}

std::shared_ptr<Plugin> KubeletStandIn::Impl::PluginOf(const std::string& resource) {
  MutexLock lock(mutex);
  auto found = plugins.find(resource);
  return found == plugins.end() ? nullptr : found->second;
}

KubeletStandIn::KubeletStandIn(std::string dir) : impl_(std::make_unique<Impl>(std::move(dir))) {}

KubeletStandIn::~KubeletStandIn() { Stop(); }

absl::Status KubeletStandIn::Start() {
  std::error_code error;
  std::filesystem::create_directories(PluginDirectory(impl_->dir), error);
  if (error) return absl::InternalError(PluginDirectory(impl_->dir) + ": " + error.message());
  for (const auto& entry : std::filesystem::directory_iterator(PluginDirectory(impl_->dir), error)) {
    std::error_code ignored;
    if (entry.is_socket(ignored)) std::filesystem::remove(entry.path(), ignored);
  }
  bool serve_pods;
  {
    MutexLock lock(impl_->mutex);
    serve_pods = impl_->serve_pod_resources;
    impl_->resources.clear();
  }
  auto serve = [&](const std::string& path, grpc::Service* service) {
    grpc::ServerBuilder builder;
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
    builder.RegisterService(service);
    return builder.BuildAndStart();
  };
  if (serve_pods) {
    std::string path = PodResourcesSocketPath(impl_->dir);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    impl_->pod_resources = serve(path, static_cast<v1::PodResourcesLister::Service*>(impl_.get()));
    if (impl_->pod_resources == nullptr) return absl::InternalError(path + ": cannot serve");
  }
  std::string path = KubeletSocketPath(impl_->dir);
  impl_->registration = serve(path, static_cast<v1beta1::Registration::Service*>(impl_.get()));
  return impl_->registration == nullptr ? absl::InternalError(path + ": cannot serve") : absl::OkStatus();
}

void KubeletStandIn::Stop() {
  // The socket first, so that what loses its stream finds nobody to register with.
  for (std::unique_ptr<grpc::Server>* server : {&impl_->registration, &impl_->pod_resources}) {
    if (*server == nullptr) continue;
    (*server)->Shutdown(std::chrono::system_clock::now());
    (*server)->Wait();
    server->reset();
  }
  std::vector<std::shared_ptr<Plugin>> all;
  {
    MutexLock lock(impl_->mutex);
    all.swap(impl_->all);
    for (const auto& plugin : all) plugin->stream.TryCancel();
  }
  for (const auto& plugin : all) plugin->reader.join();
  MutexLock lock(impl_->mutex);
  impl_->plugins.clear();
}

absl::Status KubeletStandIn::Restart() {
  Stop();
  return Start();
}

bool KubeletStandIn::Await(std::chrono::milliseconds patience,
                           const std::function<bool(const Resources&)>& condition) {
  Clock::time_point deadline = Clock::now() + patience;
  MutexLock lock(impl_->mutex);
  while (!condition(impl_->resources)) {
    if (!impl_->changed.WaitUntil(impl_->mutex, deadline)) return condition(impl_->resources);
  }
  return true;
}

bool KubeletStandIn::AwaitDevices(const std::string& resource, size_t healthy, size_t unhealthy,
                                  std::chrono::milliseconds patience) {
  return Await(patience, [&](const Resources& resources) {
    auto found = resources.find(resource);
    if (found == resources.end()) return false;
    auto well = static_cast<size_t>(std::count_if(found->second.begin(), found->second.end(),
                                                  [](const auto& device) { return device.second.healthy; }));
    return well == healthy && found->second.size() - well == unhealthy;
  });
}

KubeletStandIn::Resources KubeletStandIn::resources() {
  MutexLock lock(impl_->mutex);
  return impl_->resources;
}

absl::StatusOr<KubeletStandIn::Grant> KubeletStandIn::Admit(const std::string& pod,
                                                            const std::string& resource, size_t count,
                                                            const std::vector<std::string>& must_include) {
  std::shared_ptr<Plugin> plugin = impl_->PluginOf(resource);
  if (plugin == nullptr) return absl::UnavailableError(resource + ": no plugin is registered");
  std::vector<std::string> free;
  {
    MutexLock lock(impl_->mutex);
    free = impl_->FreeIds(resource);
  }
  if (free.size() < count) {
    return absl::ResourceExhaustedError(fmt::format("{}: {} wanted, {} free", resource, count, free.size()));
  }
  Grant grant;
  grant.pod = pod;
  v1beta1::PreferredAllocationRequest question;
  auto* wish = question.add_container_requests();
  wish->mutable_available_deviceids()->Assign(free.begin(), free.end());
  wish->mutable_must_include_deviceids()->Assign(must_include.begin(), must_include.end());
  wish->set_allocation_size(static_cast<int32_t>(count));
  v1beta1::PreferredAllocationResponse preferred;
  Clock::time_point start = Clock::now();
  {
    grpc::ClientContext context;
    SetDeadline(context);
    grpc::Status status = plugin->stub->GetPreferredAllocation(&context, question, &preferred);
    if (!status.ok()) return FromGrpc(status);
  }
  grant.prefer_took = Clock::now() - start;
  if (preferred.container_responses_size() > 0) {
    const auto& ids = preferred.container_responses(0).deviceids();
    grant.preferred.assign(ids.begin(), ids.end());
  }
  // What is not free is not given, what is too much is cut, what lacks is filled up.
  for (const std::vector<std::string>& list : {must_include, grant.preferred, free}) {
    for (const std::string& id : list) {
      bool may = std::find(free.begin(), free.end(), id) != free.end();
      bool has = std::find(grant.ids.begin(), grant.ids.end(), id) != grant.ids.end();
      if (may && !has && grant.ids.size() < count) grant.ids.push_back(id);
    }
  }
  v1beta1::AllocateRequest request;
  request.add_container_requests()->mutable_devices_ids()->Assign(grant.ids.begin(), grant.ids.end());
  v1beta1::AllocateResponse response;
  start = Clock::now();
  {
    grpc::ClientContext context;
    SetDeadline(context);
    grpc::Status status = plugin->stub->Allocate(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
  }
  grant.allocate_took = Clock::now() - start;
  if (response.container_responses().empty())
    return absl::InternalError(resource + ": an answer without a container");
  const v1beta1::ContainerAllocateResponse& given = response.container_responses(0);
  for (const v1beta1::DeviceSpec& device : given.devices()) {
    bool same = device.host_path() == device.container_path();
    grant.devices.push_back((same ? "" : device.host_path() + ":") + device.container_path() + " " +
                            device.permissions());
  }
  for (const v1beta1::Mount& mount : given.mounts()) {
    grant.mounts.push_back({mount.host_path(), mount.container_path(), mount.read_only()});
  }
  grant.env.insert(given.envs().begin(), given.envs().end());
  grant.annotations.insert(given.annotations().begin(), given.annotations().end());
  MutexLock lock(impl_->mutex);
  impl_->pods[pod][resource].insert(grant.ids.begin(), grant.ids.end());
  return grant;
}

void KubeletStandIn::Release(const std::string& pod) {
  MutexLock lock(impl_->mutex);
  impl_->pods.erase(pod);
}

void KubeletStandIn::DropStream(const std::string& resource) {
  if (std::shared_ptr<Plugin> plugin = impl_->PluginOf(resource)) plugin->stream.TryCancel();
}

void KubeletStandIn::RefuseNext(int count) {
  MutexLock lock(impl_->mutex);
  impl_->refuse = count;
}

void KubeletStandIn::DelayRegister(std::chrono::milliseconds delay) {
  MutexLock lock(impl_->mutex);
  impl_->delay = delay;
}

void KubeletStandIn::ServePodResources(bool serve) {
  MutexLock lock(impl_->mutex);
  impl_->serve_pod_resources = serve;
}

KubeletStandIn::Counters KubeletStandIn::counters() {
  MutexLock lock(impl_->mutex);
  return impl_->counters;
}

}  // namespace cleave
