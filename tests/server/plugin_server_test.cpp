// SPDX-License-Identifier: Apache-2.0
// The server of one resource, asked over its socket.
#include "server/plugin_server.h"

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proto/deviceplugin_v1beta1.grpc.pb.h"
#include "server/metrics.h"
#include "server/snapshot.h"
#include "tests/server/gizmo_machine.h"
#include "tests/server/loop_thread.h"

namespace cleave {
namespace {

using testing::Count;
using ::testing::ElementsAre;
using testing::GizmoMachine;
using ::testing::HasSubstr;
using Devices = std::vector<std::pair<std::string, std::string>>;

// A kubelet's side of one connection.
class Client {
 public:
  explicit Client(const std::string& socket) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
    stub = v1beta1::DevicePlugin::NewStub(channel_);
  }
  grpc::Status Allocate(const std::vector<std::string>& ids, v1beta1::AllocateResponse& response) {
    grpc::ClientContext context;
    v1beta1::AllocateRequest request;
    request.add_container_requests()->mutable_devices_ids()->Assign(ids.begin(), ids.end());
    return stub->Allocate(&context, request, &response);
  }
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub;

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

// One ListAndWatch.
class List {
 public:
  explicit List(Client& client) : reader_(client.stub->ListAndWatch(&context_, {})) {}
  // The next list as id and health; nothing when the stream ended.
  Devices Next() {
    v1beta1::ListAndWatchResponse message;
    Devices devices;
    ended_ = !reader_->Read(&message);
    for (const v1beta1::Device& device : message.devices())
      devices.emplace_back(device.id(), device.health());
    return devices;
  }
  grpc::Status End() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }
  bool ended() const { return ended_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1beta1::ListAndWatchResponse>> reader_;
  bool ended_ = false;
};

class PluginServerTest : public ::testing::Test {
 protected:
  PluginServerTest() : machine_(3), root_(testing::OpenRoot(machine_)), settings_(testing::GizmoSettings()) {}
  ~PluginServerTest() override {
    thread_.Do([this] { server_.reset(); });
  }

  void Start() {
    PluginServer::Hooks hooks;
    hooks.stream_opened = [this](uint64_t) { opened_.Add(); };
    hooks.stream_closed = [this](uint64_t, std::chrono::milliseconds) { closed_.Add(); };
    hooks.rescan = [this] { rescans_.Add(); };
    thread_.Do([&] {
      auto server =
          PluginServer::Start(thread_.loop(), machine_.dir() + "/p.sock", Look(), *root_, metrics_, hooks);
      ASSERT_TRUE(server.ok()) << server.status();
      server_ = *std::move(server);
    });
  }
  std::shared_ptr<const Snapshot> Look() {
    return MakeSnapshot(++generation_, testing::GizmoPlan(*root_, settings_), "example.com/gizmo");
  }
  void Publish() {
    thread_.Do([this] { server_->Publish(Look()); });
  }
  Client Connect() { return Client(machine_.dir() + "/p.sock"); }
  static std::string Id(int card) { return GizmoMachine::Address(card); }
  Devices All(const std::string& health_of_last = "Healthy") {
    return {{Id(0), "Healthy"}, {Id(1), "Healthy"}, {Id(2), health_of_last}};
  }

  GizmoMachine machine_;
  std::unique_ptr<HostRoot> root_;
  Settings settings_;
  Metrics metrics_{"test"};
  uint64_t generation_ = 0;
  Count opened_;
  Count closed_;
  Count rescans_;
  testing::LoopThread thread_;
  std::unique_ptr<PluginServer> server_;
};

TEST_F(PluginServerTest, SaysWhatItCanDo) {
  Start();
  Client client = Connect();
  grpc::ClientContext context;
  v1beta1::DevicePluginOptions options;
  ASSERT_TRUE(client.stub->GetDevicePluginOptions(&context, {}, &options).ok());
  EXPECT_TRUE(options.get_preferred_allocation_available());
  EXPECT_FALSE(options.pre_start_required());
  grpc::ClientContext other;
  v1beta1::PreStartContainerResponse empty;
  EXPECT_TRUE(client.stub->PreStartContainer(&other, {}, &empty).ok());
}

TEST_F(PluginServerTest, SendsTheListAtOnceAndWhenItChanged) {
  Start();
  Client client = Connect();
  List list(client);
  EXPECT_EQ(list.Next(), All());
  Publish();  // the same list: nothing may come of it
  machine_.SetState(2, 2, "dead");
  Publish();
  EXPECT_EQ(list.Next(), All("Unhealthy"));
  machine_.SetState(2, 2, "ok");
  Publish();
  EXPECT_EQ(list.Next(), All());
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("cleave_listandwatch_messages_total{resource=\"example.com/gizmo\"} 3\n"));
}

TEST_F(PluginServerTest, AnEmptyListIsSentToo) {
  for (int card : {0, 1, 2}) machine_.RemoveCard(card);
  Start();
  Client client = Connect();
  List list(client);
  EXPECT_TRUE(list.Next().empty());
  EXPECT_FALSE(list.ended());
}

TEST_F(PluginServerTest, EveryStreamIsRight) {
  Start();
  Client client = Connect();
  List first(client);
  EXPECT_EQ(first.Next(), All());
  machine_.SetState(2, 2, "dead");
  Publish();
  Client other = Connect();
  List second(other);
  EXPECT_EQ(second.Next(), All("Unhealthy"));
  EXPECT_EQ(first.Next(), All("Unhealthy"));
  first.Cancel();
  EXPECT_TRUE(closed_.Await(1));
  machine_.SetState(2, 2, "ok");
  Publish();
  EXPECT_EQ(second.Next(), All());
  EXPECT_EQ(opened_.value(), 2);
}

TEST_F(PluginServerTest, NumaNodesAreSentWhereKnown) {
  machine_.Write("sys/devices/pci0000:00/" + Id(1) + "/numa_node", "-1\n");
  machine_.Write("sys/devices/pci0000:00/" + Id(1) + "/local_cpulist", "0-7\n");
  Start();
  Client client = Connect();
  grpc::ClientContext context;
  auto reader = client.stub->ListAndWatch(&context, {});
  v1beta1::ListAndWatchResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_EQ(message.devices_size(), 3);
  ASSERT_EQ(message.devices(0).topology().nodes_size(), 1);
  EXPECT_EQ(message.devices(0).topology().nodes(0).id(), 0);
  EXPECT_FALSE(message.devices(1).has_topology());
}

// A kubelet may ask for several containers, and always gets as many answers; it may also ask for none.
TEST_F(PluginServerTest, AnswersForEveryContainer) {
  Start();
  Client client = Connect();
  v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids(Id(0));
  request.add_container_requests()->add_devices_ids(Id(2));
  v1beta1::AllocateResponse response;
  for (int again = 0; again < 2; ++again) {
    grpc::ClientContext context;
    ASSERT_TRUE(client.stub->Allocate(&context, request, &response).ok());
    ASSERT_EQ(response.container_responses_size(), 2);
    ASSERT_EQ(response.container_responses(1).devices_size(), 1);
    EXPECT_EQ(response.container_responses(1).devices(0).host_path(), "/dev/gizmo/2");
    EXPECT_EQ(response.container_responses(1).devices(0).container_path(), "/dev/gizmo/2");
    EXPECT_EQ(response.container_responses(1).devices(0).permissions(), "rw");
    EXPECT_EQ(response.container_responses(1).envs().at("GIZMOS"), Id(2));
  }
  grpc::ClientContext context;
  ASSERT_TRUE(client.stub->Allocate(&context, {}, &response).ok());
  EXPECT_EQ(response.container_responses_size(), 1);
}

TEST_F(PluginServerTest, PrefersForEveryContainer) {
  Start();
  Client client = Connect();
  v1beta1::PreferredAllocationRequest request;
  for (int size : {1, 2}) {
    auto* container = request.add_container_requests();
    for (int card : {2, 0, 1}) container->add_available_deviceids(Id(card));
    container->add_must_include_deviceids("ghost");
    container->set_allocation_size(size);
  }
  grpc::ClientContext context;
  v1beta1::PreferredAllocationResponse response;
  ASSERT_TRUE(client.stub->GetPreferredAllocation(&context, request, &response).ok());
  ASSERT_EQ(response.container_responses_size(), 2);
  EXPECT_THAT(response.container_responses(0).deviceids(), ElementsAre("ghost"));
  EXPECT_EQ(response.container_responses(1).deviceids_size(), 2);
}

TEST_F(PluginServerTest, RefusalsNameUnitAndReason) {
  machine_.SetState(1, 1, "dead");
  Start();
  Client client = Connect();
  v1beta1::AllocateResponse response;
  grpc::Status status = client.Allocate({Id(0), Id(1)}, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(Id(1)));
  EXPECT_THAT(
      metrics_.Text(),
      HasSubstr(
          "cleave_allocate_failures_total{code=\"FAILED_PRECONDITION\",resource=\"example.com/gizmo\"} 1\n"));
  EXPECT_EQ(rescans_.value(), 0);
}

// The card got another number, and the main thread has not looked since: the answer waits for that look.
TEST_F(PluginServerTest, AllocateWaitsForANewLook) {
  Start();
  Client client = Connect();
  machine_.RemoveCard(1);
  machine_.AddCard(1, 7);
  grpc::Status status;
  v1beta1::AllocateResponse response;
  std::thread call([&] { status = client.Allocate({Id(1)}, response); });
  ASSERT_TRUE(rescans_.Await(1));
  thread_.Do([this] {
    server_->Publish(Look());
    server_->AnswerWaiting();
  });
  call.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.container_responses(0).devices(0).host_path(), "/dev/gizmo/7");
}

TEST_F(PluginServerTest, AllocateDoesNotWaitForEver) {
  Start();
  Client client = Connect();
  machine_.RemoveCard(1);
  v1beta1::AllocateResponse response;
  auto start = std::chrono::steady_clock::now();
  grpc::Status status = client.Allocate({Id(1)}, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr(Id(1)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  thread_.Do([this] { server_->AnswerWaiting(); });
  EXPECT_EQ(rescans_.value(), 1);
}

TEST_F(PluginServerTest, StoppingEndsStreamsAndCallsThatWait) {
  Start();
  Client client = Connect();
  List list(client);
  EXPECT_EQ(list.Next(), All());
  machine_.RemoveCard(1);
  grpc::Status status;
  std::thread call([&] {
    v1beta1::AllocateResponse response;
    status = client.Allocate({Id(1)}, response);
  });
  ASSERT_TRUE(rescans_.Await(1));
  auto start = std::chrono::steady_clock::now();
  thread_.Do([this] { server_->Stop(); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  call.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  list.Next();
  EXPECT_TRUE(list.ended());
  EXPECT_TRUE(list.End().ok());
  EXPECT_FALSE(std::filesystem::exists(machine_.dir() + "/p.sock"));
  EXPECT_TRUE(closed_.Await(1));
}

// Somebody tidies up. The open stream goes on, and new connections are possible again.
TEST_F(PluginServerTest, ASocketThatIsRemovedIsMadeAnew) {
  Start();
  Client client = Connect();
  List list(client);
  EXPECT_EQ(list.Next(), All());
  std::filesystem::remove(machine_.dir() + "/p.sock");
  thread_.Do([this] {
    EXPECT_FALSE(server_->SocketIsThere());
    EXPECT_TRUE(server_->BindAgain().ok());
    EXPECT_TRUE(server_->SocketIsThere());
  });
  Client other = Connect();
  List second(other);
  EXPECT_EQ(second.Next(), All());
  machine_.SetState(2, 2, "dead");
  Publish();
  EXPECT_EQ(list.Next(), All("Unhealthy"));
  EXPECT_EQ(second.Next(), All("Unhealthy"));
}

// Streams that come, go and are cancelled while lists change, from several connections.
TEST_F(PluginServerTest, SurvivesAnUnrulyKubelet) {
  Start();
  std::atomic<bool> over = false;
  std::vector<std::thread> kubelets;
  for (int n = 0; n < 3; ++n) {
    kubelets.emplace_back([&, n] {
      for (int round = 0; !over || round < 20; ++round) {
        Client client = Connect();
        List list(client);
        if ((round + n) % 3 != 0) {
          EXPECT_EQ(list.Next().size(), 3);
        }
        v1beta1::AllocateResponse response;
        if (round % 2 == 0) {
          EXPECT_TRUE(client.Allocate({Id(0)}, response).ok());
        }
        list.Cancel();
      }
    });
  }
  for (int round = 0; round < 100; ++round) {
    machine_.SetState(2, 2, round % 2 == 0 ? "dead" : "ok");
    Publish();
  }
  over = true;
  for (std::thread& kubelet : kubelets) kubelet.join();
  EXPECT_TRUE(closed_.Await(opened_.value()));
}

}  // namespace
}  // namespace cleave
