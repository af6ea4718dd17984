// SPDX-License-Identifier: Apache-2.0
// A good set to begin a search with. Private to src/policy.
#ifndef CLEAVE_POLICY_CHOOSE_GUESS_H_
#define CLEAVE_POLICY_CHOOSE_GUESS_H_

#include <cstdint>
#include <functional>

#include "policy/choose_selection.h"

namespace cleave {

// Greedy from several starts, each improved by swaps with a tabu list (F. Glover, Tabu Search, Part I, ORSA
// Journal on Computing 1, 1989). Leaves the best set found as the selection's best, and nothing taken. Ends
// after about `effort` looks at a kind or a pair of kinds, or when told to give up (may be empty), but not
// before one set is complete. Returns how many it were.
uint64_t Guess(Selection& selection, uint64_t effort, const std::function<bool()>& give_up);

}  // namespace cleave

#endif  // CLEAVE_POLICY_CHOOSE_GUESS_H_
