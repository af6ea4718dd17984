// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/server/http_get.h"

namespace cleave {
namespace {

using ::testing::HasSubstr;
using testing::HttpAsk;

std::unique_ptr<HttpServer> StartServer(HttpServer::Page ready = {200, "ready\n"}) {
  HttpServer::Sources sources;
  sources.metrics = [] { return "# TYPE x counter\nx 1\n"; };
  sources.health = [] { return HttpServer::Page{200, "ok\n"}; };
  sources.ready = [ready] { return ready; };
  auto server = HttpServer::Start("127.0.0.1:0", std::move(sources));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

TEST(HttpServer, ServesItsPages) {
  auto server = StartServer({503, "example.com/gpu: the kubelet is not there\n"});
  EXPECT_EQ(HttpAsk(server->address(), "/metrics").body, "# TYPE x counter\nx 1\n");
  EXPECT_THAT(HttpAsk(server->address(), "/metrics").head,
              HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_EQ(HttpAsk(server->address(), "/healthz").status, 200);
  EXPECT_EQ(HttpAsk(server->address(), "/readyz").status, 503);
  EXPECT_EQ(HttpAsk(server->address(), "/readyz").body, "example.com/gpu: the kubelet is not there\n");
  EXPECT_EQ(HttpAsk(server->address(), "/").status, 200);
  EXPECT_THAT(HttpAsk(server->address(), "/").body, HasSubstr("/readyz"));
}

TEST(HttpServer, KnowsNothingElse) {
  auto server = StartServer();
  for (const char* path : {"/metrics/", "/metrics/x", "/x", "/healthzz", "/../etc/passwd"}) {
    EXPECT_EQ(HttpAsk(server->address(), path).status, 404) << path;
  }
  EXPECT_EQ(HttpAsk(server->address(), "/healthz?verbose").status, 200);
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    auto refused = HttpAsk(server->address(), "/metrics", method);
    EXPECT_EQ(refused.status, 405) << method;
    EXPECT_THAT(refused.head, HasSubstr("Allow: GET, HEAD")) << method;
  }
}

TEST(HttpServer, HeadHasNoBody) {
  auto server = StartServer();
  auto answer = HttpAsk(server->address(), "/healthz", "HEAD");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
  EXPECT_THAT(answer.head, HasSubstr("Content-Length: 3"));
}

TEST(HttpServer, BadAddressesAreErrors) {
  for (const char* address :
       {"", "9480", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "nowhere:80", "[::1]:80"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(HttpServer::Start(address, {}).status())) << address;
  }
  auto first = StartServer();
  absl::Status taken = HttpServer::Start(first->address(), {}).status();
  EXPECT_TRUE(absl::IsUnavailable(taken)) << taken;
  EXPECT_THAT(std::string(taken.message()), HasSubstr("cannot listen: Address already in use"));
}

TEST(HttpServer, ListensEverywhereWithoutAHost) {
  for (const char* address : {":0", "localhost:0"}) {
    HttpServer::Sources sources;
    sources.health = [] { return HttpServer::Page{200, "ok\n"}; };
    auto server = HttpServer::Start(address, std::move(sources));
    ASSERT_TRUE(server.ok()) << server.status();
    std::string port = (*server)->address().substr((*server)->address().rfind(':'));
    EXPECT_EQ(HttpAsk("127.0.0.1" + port, "/healthz").status, 200);
  }
}

// A liveness probe of the DaemonSet has five seconds.
TEST(HttpServer, AnswersWhileOthersSayNothing) {
  auto server = StartServer();
  std::vector<int> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(testing::HttpConnect(server->address()));
    if (i % 2 == 1) {
      EXPECT_GT(send(silent.back(), "GET /he", 7, MSG_NOSIGNAL), 0);
    }
  }
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(HttpAsk(server->address(), "/healthz").status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
  for (int fd : silent) close(fd);
}

TEST(HttpServer, StopsQuickly) {
  for (int questions : {0, 1, 5}) {
    auto server = StartServer();
    for (int i = 0; i < questions; ++i) EXPECT_EQ(HttpAsk(server->address(), "/healthz").status, 200);
    auto start = std::chrono::steady_clock::now();
    server->BeginStop();
    server.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(900));
  }
}

}  // namespace
}  // namespace cleave
