// SPDX-License-Identifier: Apache-2.0
#include "server/plugin_server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hand_over.h"
#include "base/host_root.h"
#include "base/log.h"
#include "base/status.h"
#include "server/event_loop.h"
#include "server/metrics.h"
#include "server/plugin_service.h"
#include "server/snapshot.h"
#include "server/socket.h"

namespace cleave {
namespace {

using Builder = grpc::ServerBuilder::experimental_type;

constexpr std::chrono::milliseconds kAcceptPause{200};

// gRPC 1.51 ends its callback queue with the last server or channel that uses it, and now and then aborts in
// that: one of the queue's two threads destroys it while the other still takes an event
// (grpc_cq_internal_unref). So one user of the queue, a server without a port, is never destroyed.
void KeepCallbackQueue() {
  static grpc::Server* const kept = [] {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(new grpc::CallbackGenericService);
    return builder.BuildAndStart().release();
  }();
  (void)kept;
}

}  // namespace

struct PluginServer::Impl {
  EventLoop& loop;
  std::string socket_path;
  ListeningSocket socket;
  std::shared_ptr<PluginService> service;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
  EventLoop::TimerId accept_again = 0;
};

absl::StatusOr<std::unique_ptr<PluginServer>> PluginServer::Start(EventLoop& loop,
                                                                  const std::string& socket_path,
                                                                  std::shared_ptr<const Snapshot> snapshot,
                                                                  const HostRoot& root, Metrics& metrics,
                                                                  Hooks hooks) {
  auto service = std::make_shared<PluginService>(std::move(snapshot), root, metrics, std::move(hooks));
  HandOver(service.get());
  KeepCallbackQueue();
  grpc::ServerBuilder builder;
  builder.RegisterService(service.get());
  auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
      Builder::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("gRPC server does not start");
  CLEAVE_ASSIGN_OR_RETURN(ListeningSocket socket, ListeningSocket::Open(socket_path));
  return std::unique_ptr<PluginServer>(
      new PluginServer(std::make_unique<Impl>(Impl{.loop = loop,
                                                   .socket_path = socket_path,
                                                   .socket = std::move(socket),
                                                   .service = std::move(service),
                                                   .acceptor = std::move(acceptor),
                                                   .server = std::move(server)})));
}

PluginServer::PluginServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->loop.Watch(impl_->socket.fd(), [this] { Accept(); });
}

PluginServer::~PluginServer() { Stop(); }

void PluginServer::Accept() {
  while (true) {
    int fd = impl_->socket.Accept();
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (fd < 0) {
      // Out of descriptors, say. The socket stays readable, so the loop would spin.
      Log(LogLevel::kWarning, "cannot accept a connection",
          {{"socket", impl_->socket_path}, {"reason", std::generic_category().message(errno)}});
      impl_->loop.Unwatch(impl_->socket.fd());
      impl_->accept_again = impl_->loop.RunAfter(
          kAcceptPause, [this] { impl_->loop.Watch(impl_->socket.fd(), [this] { Accept(); }); });
      return;
    }
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = impl_->socket.fd();
    connection.fd = fd;
    impl_->acceptor->HandleNewConnection(&connection);  // takes the descriptor
  }
}

void PluginServer::Publish(std::shared_ptr<const Snapshot> snapshot) {
  impl_->service->Publish(std::move(snapshot));
}

void PluginServer::AnswerWaiting() { impl_->service->AnswerWaiting(); }

void PluginServer::AnswerClaims(const Claims& claims) { impl_->service->AnswerClaims(claims); }

const std::string& PluginServer::socket_path() const { return impl_->socket_path; }

bool PluginServer::SocketIsThere() const { return impl_->socket.IsThere(); }

absl::Status PluginServer::BindAgain() {
  CLEAVE_ASSIGN_OR_RETURN(ListeningSocket socket, ListeningSocket::Open(impl_->socket_path));
  impl_->loop.Unwatch(impl_->socket.fd());
  impl_->loop.Cancel(impl_->accept_again);
  impl_->socket = std::move(socket);
  impl_->loop.Watch(impl_->socket.fd(), [this] { Accept(); });
  return absl::OkStatus();
}

void PluginServer::BeginStop() {
  if (impl_->server == nullptr) return;
  impl_->loop.Unwatch(impl_->socket.fd());
  impl_->loop.Cancel(impl_->accept_again);
  impl_->service->End();
}

void PluginServer::Stop(std::chrono::milliseconds patience) {
  if (impl_->server == nullptr) return;
  BeginStop();
  { ListeningSocket closed = std::move(impl_->socket); }
  impl_->server->Shutdown(std::chrono::system_clock::now() + patience);
  impl_->server->Wait();
  impl_->server.reset();
  impl_->acceptor.reset();
}

}  // namespace cleave
