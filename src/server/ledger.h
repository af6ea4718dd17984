// SPDX-License-Identifier: Apache-2.0
// Which cards are in use, where a card is offered in several shapes (overlap = "exclusive"), and what must
// therefore not be given away.
#ifndef CLEAVE_SERVER_LEDGER_H_
#define CLEAVE_SERVER_LEDGER_H_

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policy/plan.h"
#include "server/kubelet_client.h"

namespace cleave {

// Knows what pods hold from the kubelet's pod-resources API, and what Allocate has given away since. While a
// unit of a card is in use, the units that other resources have of the card are withheld.
//
// Threads: one thread only. Time is passed in.
class Ledger {
 public:
  using Clock = std::chrono::steady_clock;

  // What Allocate gave and the kubelet does not list after `patience` is free again: the pod was refused for
  // another reason.
  explicit Ledger(Clock::duration patience = std::chrono::seconds(30)) : patience_(patience) {}

  // The kubelet's answer to a question asked at `asked`. A kubelet that has just started does not know all
  // its pods: with `incomplete` what it listed before counts, too.
  void SetHeld(const HeldIds& held, Clock::time_point asked, bool incomplete);

  // Allocate is about to give these devices away.
  void Give(const std::string& resource, const std::vector<std::string>& ids, Clock::time_point now);

  // `plan` without what must not be given away: those units are unhealthy, and say why. `plan` itself when
  // there are none, and the same object as before when nothing has changed.
  std::shared_ptr<const Plan> Withhold(const std::shared_ptr<const Plan>& plan);

  // False until the kubelet has answered once.
  bool known() const { return known_; }
  // True while a card that is offered in several shapes is in use: the kubelet should be asked when it is
  // free.
  bool in_use() const { return !said_.empty(); }

 private:
  using UnitKey = std::pair<std::string, std::string>;  // resource, id
  struct User {
    UnitKey unit;
    std::string pod;  // "namespace/name"; "": not listed yet
    bool operator==(const User&) const = default;
  };
  // By the name of a card: profile and piece_of or id.
  using Users = std::map<std::string, User>;

  Users FindUsers(const Plan& plan, bool is_new);
  void Say(const Users& users, const std::map<std::string, int>& withheld);

  const Clock::duration patience_;
  bool known_ = false;
  HeldIds listed_;
  std::map<UnitKey, Clock::time_point> given_;
  std::map<UnitKey, std::set<std::string>> cards_;  // of units in use, also when the plan has them no more
  // What was marked last, for whom, and the result.
  std::shared_ptr<const Plan> base_;
  Users users_;
  std::set<UnitKey> others_;  // units in use on cards that count as used in another shape
  std::shared_ptr<const Plan> marked_;
  std::map<std::string, UnitKey> said_;  // cards that are in use, as the log knows
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_LEDGER_H_
