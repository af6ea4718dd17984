// SPDX-License-Identifier: Apache-2.0
#include "base/http_address.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"

namespace cleave {

absl::StatusOr<HttpAddress> ParseHttpAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  HttpAddress address;
  address.host = colon == std::string::npos ? "" : text.substr(0, colon);
  if (address.host.find_first_of("[:") != std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("'{}': only IPv4 addresses are served; write \"HOST:PORT\" or \":PORT\"", text));
  }
  std::optional<int64_t> port = colon == std::string::npos ? std::nullopt : ParseInt(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is no address; write \"HOST:PORT\" or \":PORT\"", text));
  }
  address.port = static_cast<int>(*port);
  if (address.host.empty()) address.host = "0.0.0.0";
  if (address.host == "localhost") address.host = "127.0.0.1";
  in_addr parsed;
  if (inet_pton(AF_INET, address.host.c_str(), &parsed) != 1) {
    return absl::InvalidArgumentError(
        fmt::format("'{}': '{}' is not an IPv4 address, and names are not looked up", text, address.host));
  }
  return address;
}

}  // namespace cleave
