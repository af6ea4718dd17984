// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_TESTS_SERVER_HTTP_GET_H_
#define CLEAVE_TESTS_SERVER_HTTP_GET_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

namespace cleave::testing {

struct HttpAnswer {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;
};

// A socket that is connected to `address` ("127.0.0.1:9480"), or was refused; to be closed.
inline int HttpConnect(const std::string& address) {
  size_t colon = address.rfind(':');
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return fd;
}

// Asks `address` and reads until the server closes.
inline HttpAnswer HttpAsk(const std::string& address, const std::string& path,
                          const std::string& method = "GET") {
  HttpAnswer answer;
  int fd = HttpConnect(address);
  std::string text;
  std::string question = method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  if (send(fd, question.data(), question.size(), MSG_NOSIGNAL) > 0) {
    std::array<char, 4096> buffer;
    for (ssize_t got; (got = read(fd, buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<size_t>(got));
  }
  close(fd);
  size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos || text.size() < 12) return answer;
  answer.status = std::stoi(text.substr(9, 3));
  answer.head = text.substr(0, end);
  answer.body = text.substr(end + 4);
  return answer;
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_SERVER_HTTP_GET_H_
