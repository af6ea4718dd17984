// SPDX-License-Identifier: Apache-2.0
// Tells the service manager how far the start is: the protocol of sd_notify(3), without its library.
#ifndef CLEAVE_SERVER_SERVICE_MANAGER_H_
#define CLEAVE_SERVER_SERVICE_MANAGER_H_

#include <string>
#include <string_view>

namespace cleave {

// Sends "READY=1" or "STOPPING=1" to `socket`, what $NOTIFY_SOCKET says: a path, or a name in the abstract
// namespace after
// "@". Does nothing when it is empty; problems are nobody's concern.
void NotifyServiceManager(const std::string& socket, std::string_view state);

}  // namespace cleave

#endif  // CLEAVE_SERVER_SERVICE_MANAGER_H_
