// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_TESTS_SERVER_FAKE_KUBELET_CLIENT_H_
#define CLEAVE_TESTS_SERVER_FAKE_KUBELET_CLIENT_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/event_loop.h"
#include "server/kubelet_client.h"

namespace cleave::testing {

// Keeps the questions; the test answers.
class FakeKubeletClient final : public KubeletClient {
 public:
  struct Question {
    std::string resource;
    std::string endpoint;
    EventLoop::Clock::time_point at;
    std::function<void(absl::Status)> done;
  };
  void Register(const std::string& resource, const std::string& endpoint,
                std::function<void(absl::Status)> done) override {
    questions.push_back({resource, endpoint, EventLoop::Clock::now(), std::move(done)});
  }
  void ForgetConnection() override { ++forgotten; }
  void ListHeld(std::function<void(absl::StatusOr<HeldIds>)> done) override {
    held_questions.push_back(std::move(done));
  }

  std::vector<Question> questions;
  std::vector<std::function<void(absl::StatusOr<HeldIds>)>> held_questions;
  int forgotten = 0;
};

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_SERVER_FAKE_KUBELET_CLIENT_H_
