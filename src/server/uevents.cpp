// SPDX-License-Identifier: Apache-2.0
#include "server/uevents.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/event_loop.h"

namespace cleave {
namespace {

constexpr unsigned kFromKernel = 1;  // group 2 is what udev sends after its rules have run

}  // namespace

Uevent ParseUevent(std::string_view message) {
  Uevent event;
  size_t end = message.find('\0');
  std::string_view head = message.substr(0, end);
  size_t at = head.find('@');
  if (at == std::string_view::npos) return event;
  event.action = head.substr(0, at);
  event.device = head.substr(at + 1);
  while (end != std::string_view::npos) {
    message.remove_prefix(end + 1);
    end = message.find('\0');
    std::string_view line = message.substr(0, end);
    constexpr std::string_view kSubsystem = "SUBSYSTEM=";
    if (line.starts_with(kSubsystem)) event.subsystem = line.substr(kSubsystem.size());
  }
  return event;
}

std::unique_ptr<UeventSocket> UeventSocket::Open(EventLoop& loop,
                                                 std::function<void(const Uevent&)> received) {
  int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  if (fd < 0) return nullptr;
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kFromKernel;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return nullptr;
  }
  return std::unique_ptr<UeventSocket>(new UeventSocket(loop, fd, std::move(received)));
}

UeventSocket::UeventSocket(EventLoop& loop, int fd, std::function<void(const Uevent&)> received)
    : loop_(loop), fd_(fd), received_(std::move(received)) {
  loop_.Watch(fd_, [this] { Read(); });
}

UeventSocket::~UeventSocket() {
  loop_.Unwatch(fd_);
  close(fd_);
}

void UeventSocket::Read() {
  std::array<char, 8192> buffer;
  while (true) {
    sockaddr_nl from = {};
    socklen_t from_size = sizeof from;
    ssize_t length =
        recvfrom(fd_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
    if (length < 0 && errno == ENOBUFS) {
      received_(Uevent{
          .action = "change", .device = "", .subsystem = "pci"});  // some were lost: look at everything
      continue;
    }
    if (length < 0) return;
    if (from.nl_pid != 0) continue;  // not the kernel
    Uevent event = ParseUevent(std::string_view(buffer.data(), static_cast<size_t>(length)));
    if (!event.action.empty()) received_(event);
  }
}

}  // namespace cleave
