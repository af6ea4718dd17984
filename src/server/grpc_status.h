// SPDX-License-Identifier: Apache-2.0
// The one place where our errors become gRPC's and the other way round. The codes are the same by design of
// both.
#ifndef CLEAVE_SERVER_GRPC_STATUS_H_
#define CLEAVE_SERVER_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace cleave {

inline grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

inline absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

}  // namespace cleave

#endif  // CLEAVE_SERVER_GRPC_STATUS_H_
