// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_BENCH_DAY_CHECK_H_
#define CLEAVE_BENCH_DAY_CHECK_H_

namespace cleave::day {

// Compares the peers' answers with walks through everything that they document to look at, on every set of
// free cards of the 8-card nodes, and tells how near the division of large nodes comes to the best. False
// when an answer differs.
bool CheckPeers();

}  // namespace cleave::day

#endif  // CLEAVE_BENCH_DAY_CHECK_H_
