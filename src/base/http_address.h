// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_BASE_HTTP_ADDRESS_H_
#define CLEAVE_BASE_HTTP_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"

namespace cleave {

// Where HTTP is served.
struct HttpAddress {
  std::string host;  // an IPv4 address in dotted form
  int port = 0;      // 0: any that is free
};

// From "HOST:PORT" or ":PORT" (every interface); HOST is an IPv4 address or "localhost". INVALID_ARGUMENT.
absl::StatusOr<HttpAddress> ParseHttpAddress(const std::string& text);

}  // namespace cleave

#endif  // CLEAVE_BASE_HTTP_ADDRESS_H_
