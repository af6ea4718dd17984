// SPDX-License-Identifier: Apache-2.0
// How many units to take of which card. Private to src/policy.
#ifndef CLEAVE_POLICY_SEAT_CHOOSER_H_
#define CLEAVE_POLICY_SEAT_CHOOSER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/resource_spec.h"
#include "policy/choose.h"
#include "policy/seats.h"

namespace cleave {

struct SeatChoice {
  std::vector<size_t> take;  // of each seat: how many of its open units
  std::string warning;       // why same_card cannot be kept; "": it is
  bool proven = true;
  uint64_t steps = 0;
};

// `must` and `open` are disjoint indexes of units, more than request.size together and `must` fewer.
SeatChoice ChooseSeats(const Seats& seats, const ChoiceRequest& request, const std::vector<size_t>& must,
                       const std::vector<size_t>& open, Preference preference, SameCard same_card);

}  // namespace cleave

#endif  // CLEAVE_POLICY_SEAT_CHOOSER_H_
