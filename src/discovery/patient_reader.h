// SPDX-License-Identifier: Apache-2.0
// A driver that waits for a card which does not answer makes a read of sysfs or /proc wait with it, in the
// kernel, for as long as it likes. That must cost the one card, and not the look at all the others.
#ifndef CLEAVE_DISCOVERY_PATIENT_READER_H_
#define CLEAVE_DISCOVERY_PATIENT_READER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/host_root.h"

namespace cleave {

struct Patience {
  std::chrono::milliseconds one{3000};  // with a call
  // The same while the driver of another device does not answer: many cards may hang together.
  std::chrono::milliseconds next{500};
  // So long a device whose driver answers again is left alone: it may be one that is merely slow.
  std::chrono::milliseconds rest{10'000};
};

// Runs work that reads a machine on a thread of its own and leaves it there when a call of the root does not
// end. The work is then done anew, with a root that answers DEADLINE_EXCEEDED for what the device's driver
// would have to answer, until the call has ended and some time has passed.
//
// Ownership: shares the root with threads that were left behind; these end when their call does. Threads: one
// only.
class PatientReader {
 public:
  using Clock = std::chrono::steady_clock;

  explicit PatientReader(std::shared_ptr<const HostRoot> root, Patience patience = {});

  // What `work` returns. It may be called more than once, and a call that is left behind goes on when this
  // has returned: it must own, or share, all that it uses.
  template <typename Work>
  auto Run(Work work) {
    using Result = decltype(work(std::declval<const HostRoot&>()));
    for (;;) {
      auto result = std::make_shared<std::optional<Result>>();
      if (Try([result, work](const HostRoot& root) mutable { result->emplace(work(root)); }))
        return **std::move(result);
    }
  }

 private:
  class Hangs;
  class WatchedRoot;

  // False when a call did not end.
  bool Try(std::function<void(const HostRoot&)> work);

  const std::shared_ptr<const HostRoot> root_;
  const Patience patience_;
  const std::shared_ptr<Hangs> hangs_;
};

}  // namespace cleave

#endif  // CLEAVE_DISCOVERY_PATIENT_READER_H_
