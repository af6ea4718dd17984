// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/http_address.h"
#include "base/status.h"

namespace cleave {
namespace {

// Why nobody can listen there, which the library does not say.
std::string WhyNot(const HttpAddress& listener) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(listener.port));
  inet_pton(AF_INET, listener.host.c_str(), &name.sin_addr);
  const int reuse = 1;
  bool listens = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0 &&
                 bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 && listen(fd, 1) == 0;
  std::string why = listens ? "" : std::generic_category().message(errno);
  if (fd >= 0) close(fd);
  return why;
}

const char* ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

constexpr const char* kIndex =
    "cleave: splits this node's accelerator cards into Kubernetes resources\n\n"
    "/metrics  what it measures, for Prometheus\n"
    "/healthz  200 while the daemon works\n"
    "/readyz   200 while the kubelet knows every resource\n";

HttpServer::Page PageOf(const HttpServer::Sources& sources, const std::string& path, std::string& type) {
  if (path == "/metrics") {
    type = "text/plain; version=0.0.4; charset=utf-8";
    return {200, sources.metrics()};
  }
  if (path == "/healthz") return sources.health();
  if (path == "/readyz") return sources.ready();
  if (path == "/") return {200, kIndex};
  return {404, "not found\n"};
}

// `sources` is an HttpServer::Sources. Threads: the library's.
int Answer(mg_connection* connection, void* sources) {
  const mg_request_info& request = *mg_get_request_info(connection);
  const std::string_view method = request.request_method;
  std::string type = "text/plain; charset=utf-8";
  HttpServer::Page page = {405, "only GET and HEAD\n"};
  if (method == "GET" || method == "HEAD")
    page = PageOf(*static_cast<const HttpServer::Sources*>(sources), request.local_uri, type);
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Cache-Control: no-store\r\nConnection: "
      "close\r\n\r\n",
      page.status, ReasonOf(page.status), type, page.text.size(),
      page.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (method != "HEAD") text += page.text;
  mg_write(connection, text.data(), text.size());
  return page.status;
}

// The library looks whether it shall stop when a connection comes, or else every two seconds (civetweb.c,
// SOCKET_TIMEOUT_QUANTUM).
void Poke(const HttpAddress& at) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(at.port));
  (void)inet_pton(AF_INET, at.host == "0.0.0.0" ? "127.0.0.1" : at.host.c_str(), &address.sin_addr);
  (void)connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  close(fd);
}

}  // namespace

struct HttpServer::Impl {
  HttpAddress listener;
  std::string address;
  Sources sources;
  mg_context* server = nullptr;
  std::thread stopper;
  std::atomic<bool> stopped{false};
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, Sources sources) {
  absl::StatusOr<HttpAddress> listener = ParseHttpAddress(address);
  if (!listener.ok()) return Annotate(listener.status(), "HTTP address");
  auto impl = std::make_unique<Impl>();
  impl->listener = *listener;
  impl->sources = std::move(sources);
  const std::string ports = fmt::format("{}:{}", listener->host, listener->port);
  // Probes must get their answer while others connect and say nothing.
  std::array<const char*, 11> options = {"listening_ports",
                                         ports.c_str(),
                                         "num_threads",
                                         "6",
                                         "request_timeout_ms",
                                         "300",
                                         "enable_keep_alive",
                                         "no",
                                         "enable_directory_listing",
                                         "no",
                                         nullptr};
  impl->server = mg_start(nullptr, nullptr, options.data());
  if (impl->server == nullptr) {
    std::string why = WhyNot(*listener);
    return absl::UnavailableError(
        fmt::format("HTTP address '{}': cannot listen{}", address, why.empty() ? "" : ": " + why));
  }
  mg_server_port port;
  if (mg_get_server_ports(impl->server, 1, &port) == 1) impl->listener.port = port.port;
  impl->address = fmt::format("{}:{}", impl->listener.host, impl->listener.port);
  mg_set_request_handler(impl->server, "/", Answer, &impl->sources);  // a prefix: everything
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  BeginStop();
  while (!impl_->stopped) {
    Poke(impl_->listener);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  impl_->stopper.join();
}

const std::string& HttpServer::address() const { return impl_->address; }

void HttpServer::BeginStop() {
  if (impl_->stopper.joinable()) return;
  impl_->stopper = std::thread([impl = impl_.get()] {
    mg_stop(impl->server);
    impl->stopped = true;
  });
}

}  // namespace cleave
