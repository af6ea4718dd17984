// SPDX-License-Identifier: Apache-2.0
// From plain values to messages.
#ifndef CLEAVE_SERVER_LIST_MESSAGE_H_
#define CLEAVE_SERVER_LIST_MESSAGE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "policy/plan.h"
#include "server/snapshot.h"

namespace v1beta1 {
class AllocateRequest;
class ContainerAllocateResponse;
class ListAndWatchResponse;
}  // namespace v1beta1

namespace cleave {

// What a kubelet takes at most in one message, in bytes: the default of google.golang.org/grpc
// (server.go, defaultClientMaxReceiveMessageSize), which the device manager does not change.
constexpr size_t kLongestMessage = size_t{4} * 1024 * 1024;

void FillList(const std::vector<ListedDevice>& devices, v1beta1::ListAndWatchResponse& message);

// Of one device of a list, at most, in bytes: when it is not healthy.
size_t BytesInList(const Unit& unit);

// The devices that an Allocate asks for, of all its containers.
std::vector<std::string> DeviceIds(const v1beta1::AllocateRequest& request);

void FillContainer(const ContainerEdits& edits, v1beta1::ContainerAllocateResponse& message);

// An error for each resource whose list would be too long when all its devices are unhealthy, which is when
// it is longest; it says how many devices fit.
void CheckListSizes(const Plan& plan, Diagnostics& diagnostics);

}  // namespace cleave

#endif  // CLEAVE_SERVER_LIST_MESSAGE_H_
