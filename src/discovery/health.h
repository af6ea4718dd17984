// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_DISCOVERY_HEALTH_H_
#define CLEAVE_DISCOVERY_HEALTH_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/host_root.h"
#include "config/condition.h"
#include "config/profile.h"
#include "discovery/inventory.h"

namespace cleave {

// Judges cards by the health checks of their profile. One bad sample does not withdraw a card and one good
// one does not bring it back: `strikes` and `recover` say how many in a row do. The first look is the
// exception: a card that is bad when first seen is unhealthy at once, there is nothing to lose yet.
//
// A check has no opinion while its file cannot be read (a driver answers ENODATA or ENODEV while a device
// resets) unless the check says absent = "bad", and "must change" has none before two samples lie far enough
// apart, or on a still picture.
//
// A card whose driver does not answer (DEADLINE_EXCEEDED) is unhealthy as long as that is so.
//
// A card is unknown, which the kubelet is told as healthy, while checks that could withdraw it apply and none
// of them has ever had an opinion. Without such checks it is healthy, and so it is between the first sample
// of "must change" and the second, unless another check is silent.
//
// Threads: one thread only.
class HealthMonitor {
 public:
  using Clock = std::chrono::steady_clock;

  // Sets health, reason and warnings of `card`, which must be present. `lookup` answers for it, settings
  // included.
  void Assess(const HostRoot& root, const Profile& profile, const Condition::Lookup& lookup,
              Clock::time_point now, Card& card);

  // After Assess of all cards: each check that never had an opinion of a card is an oddity of that card. A
  // file that is not there is one only where another card of the profile has it.
  void FindSilent(const Profile& profile, Inventory& inventory) const;

  // After Assess: true when a check is between two verdicts, so that it is worth to look again soon.
  bool InDoubt(const std::string& card_key) const;

  void Forget(const std::string& card_key);

  // What names a card here and in Scanner: ids are unique within a profile only.
  static std::string KeyOf(const Card& card) { return card.profile + "/" + card.id; }

 private:
  struct CheckState {
    bool judged = false;  // a sample was good or bad before, or the first of "must change"
    bool opined = false;  // a sample was good or bad before
    bool bad = false;     // the verdict
    int streak = 0;       // samples in a row that contradict the verdict
    std::string reason;   // of the last bad sample
    std::string silence;  // why the last sample said nothing; "": it did, or waits for the next
    bool absent = false;  // the last sample found no file
    std::string value;    // last sample of "must change"
    Clock::time_point changed;
    bool sampled = false;
  };
  // True: good, false: bad (reason set), nullopt: no opinion (with a reason: the driver does not answer).
  static std::optional<bool> Sample(const HostRoot& root, const HealthCheck& check, const std::string& path,
                                    const Card& card, Clock::time_point now, CheckState& state,
                                    std::string& reason);

  std::map<std::string, std::map<std::string, CheckState>> states_;  // by card key, check name
};

}  // namespace cleave

#endif  // CLEAVE_DISCOVERY_HEALTH_H_
