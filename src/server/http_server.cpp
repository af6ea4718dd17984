// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <CivetServer.h>
#include <arpa/inet.h>
#include <civetweb.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"

namespace cleave {
namespace {

struct Listener {
  std::string host;
  int port = 0;
};

absl::StatusOr<Listener> ParseAddress(const std::string& address) {
  size_t colon = address.rfind(':');
  Listener listener;
  listener.host = colon == std::string::npos ? "" : address.substr(0, colon);
  auto port = colon == std::string::npos ? std::nullopt : ParseInt(address.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) {
    return absl::InvalidArgumentError(fmt::format("HTTP address '{}': not HOST:PORT", address));
  }
  listener.port = static_cast<int>(*port);
  if (listener.host == "localhost") listener.host = "127.0.0.1";
  in_addr parsed;
  if (listener.host.empty()) {
    listener.host = "0.0.0.0";
  } else if (inet_pton(AF_INET, listener.host.c_str(), &parsed) != 1) {
    return absl::InvalidArgumentError(
        fmt::format("HTTP address '{}': '{}' is not an IPv4 address (the HTTP library knows no others)",
                    address, listener.host));
  }
  return listener;
}

// Why nobody can listen there, which the library does not say.
std::string WhyNot(const Listener& listener) {
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
    default:
      return "Service Unavailable";
  }
}

constexpr const char* kIndex =
    "cleave: splits this node's accelerator cards into Kubernetes resources\n\n"
    "/metrics  what it measures, for Prometheus\n"
    "/healthz  200 while the daemon works\n"
    "/readyz   200 while the kubelet knows every resource\n";

class Handler final : public CivetHandler {
 public:
  explicit Handler(HttpServer::Sources sources) : sources_(std::move(sources)) {}

  bool handleGet(CivetServer* /*server*/, mg_connection* connection) override {
    return Answer(connection, true);
  }
  bool handleHead(CivetServer* /*server*/, mg_connection* connection) override {
    return Answer(connection, false);
  }

 private:
  HttpServer::Page PageOf(const std::string& path, std::string& type) const {
    if (path == "/metrics") {
      type = "text/plain; version=0.0.4; charset=utf-8";
      return {200, sources_.metrics()};
    }
    if (path == "/healthz") return sources_.health();
    if (path == "/readyz") return sources_.ready();
    if (path == "/") return {200, kIndex};
    return {404, "not found\n"};
  }

  bool Answer(mg_connection* connection, bool with_body) const {
    std::string type = "text/plain; charset=utf-8";
    HttpServer::Page page = PageOf(mg_get_request_info(connection)->local_uri, type);
    std::string head = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: "
        "close\r\n\r\n",
        page.status, ReasonOf(page.status), type, page.text.size());
    if (with_body) head += page.text;
    mg_write(connection, head.data(), head.size());
    return true;
  }

  const HttpServer::Sources sources_;
};

// The library looks whether it shall stop when a connection comes, or else every two seconds (civetweb.c,
// SOCKET_TIMEOUT_QUANTUM).
void Poke(const Listener& at) {
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
  Listener listener;
  std::string address;
  std::unique_ptr<Handler> handler;
  std::unique_ptr<CivetServer> server;
  std::thread stopper;
  std::atomic<bool> stopped{false};
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, Sources sources) {
  absl::StatusOr<Listener> listener = ParseAddress(address);
  if (!listener.ok()) return listener.status();
  auto impl = std::make_unique<Impl>();
  impl->listener = *listener;
  impl->handler = std::make_unique<Handler>(std::move(sources));
  std::vector<std::string> options = {
      "listening_ports",
      fmt::format("{}:{}", listener->host, listener->port),
      "num_threads",
      "2",
      "request_timeout_ms",
      "2000",
      "enable_keep_alive",
      "no",
      "enable_directory_listing",
      "no",
  };
  try {
    impl->server = std::make_unique<CivetServer>(options);
  } catch (const CivetException& error) {
    std::string why = WhyNot(*listener);
    return absl::UnavailableError(
        fmt::format("HTTP address '{}': cannot listen: {}", address, why.empty() ? error.what() : why));
  }
  impl->listener.port = impl->server->getListeningPortsFull().at(0).port;
  impl->address = fmt::format("{}:{}", impl->listener.host, impl->listener.port);
  impl->server->addHandler("/", *impl->handler);  // a prefix: everything
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
    impl->server->close();
    impl->stopped = true;
  });
}

}  // namespace cleave
