// SPDX-License-Identifier: Apache-2.0
// Metrics, probes and a small page for people, over HTTP.
#ifndef CLEAVE_SERVER_HTTP_SERVER_H_
#define CLEAVE_SERVER_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace cleave {

// GET and HEAD of /metrics, /healthz, /readyz and /; everything else is 404. IPv4 only, as Debian builds the
// library.
//
// Threads: started and stopped by one; what it asks for is called on threads of its own.
class HttpServer {
 public:
  struct Page {
    int status = 200;
    std::string text;
  };
  struct Sources {
    std::function<std::string()> metrics;
    std::function<Page()> health;
    std::function<Page()> ready;
  };

  // `address` is for ParseHttpAddress(): INVALID_ARGUMENT when it is none, UNAVAILABLE when nobody can listen
  // there.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address, Sources sources);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  // Where it listens, with the port that it got.
  const std::string& address() const;

  // Ends it in the background, where the library takes its time; the destructor waits for that.
  void BeginStop();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_HTTP_SERVER_H_
