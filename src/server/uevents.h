// SPDX-License-Identifier: Apache-2.0
// What the kernel says when devices come and go: netlink messages of the kind kobject uevent
// (lib/kobject_uevent.c).
#ifndef CLEAVE_SERVER_UEVENTS_H_
#define CLEAVE_SERVER_UEVENTS_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/event_loop.h"

namespace cleave {

struct Uevent {
  std::string action;     // "add", "remove", "bind", ...
  std::string device;     // path below /sys
  std::string subsystem;  // "pci", the name of a class, ...
};

// One message of the kernel: "add@/devices/...", then KEY=VALUE, each closed by a NUL. Anything else has an
// empty action.
Uevent ParseUevent(std::string_view message);

// Ownership: registers with the loop. Threads: the loop's only.
class UeventSocket {
 public:
  // Null when the kernel refuses: in some sandboxes, and in network namespaces that a user namespace owns.
  static std::unique_ptr<UeventSocket> Open(EventLoop& loop, std::function<void(const Uevent&)> received);
  UeventSocket(const UeventSocket&) = delete;
  UeventSocket& operator=(const UeventSocket&) = delete;
  ~UeventSocket();

 private:
  UeventSocket(EventLoop& loop, int fd, std::function<void(const Uevent&)> received);
  void Read();

  EventLoop& loop_;
  const int fd_;
  const std::function<void(const Uevent&)> received_;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_UEVENTS_H_
