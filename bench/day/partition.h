// SPDX-License-Identifier: Apache-2.0
// NVIDIA's objective (go-gpuallocator, best-effort policy), implemented anew from what it documents: divide
// everything that is available into sets of k (and one set of what remains) so that the sum of all sets'
// scores is highest, then give the best single set of that division. Ties go to what comes first in the order
// of the list.
#ifndef CLEAVE_BENCH_DAY_PARTITION_H_
#define CLEAVE_BENCH_DAY_PARTITION_H_

#include <cstddef>
#include <vector>

#include "bench/day/node.h"

namespace cleave::day {

// Up to 16 cards the result is theirs, exactly: instead of walking through all divisions (20 s for 16 cards
// and k = 3) the best sum of each subset is kept in a table. Beyond, where theirs does not end, pairs are a
// matching of greatest weight, and sets of 4 and 8 the best that swaps of two cards reach from seven
// beginnings.
class BestPartition {
 public:
  explicit BestPartition(const Node& node);
  // `order`: the available cards, at least k.
  Set Pick(const std::vector<size_t>& order, size_t size_index) const;
  // The sum of all sets' scores of the division, by table or by swaps; for comparing the two.
  int Total(const std::vector<size_t>& order, size_t size_index, bool by_table) const;

 private:
  using Sets = std::vector<std::vector<size_t>>;
  int Pair(size_t a, size_t b) const { return node_.nvidia[a * node_.cards + b]; }
  int Score(const std::vector<size_t>& set) const;
  void FillTotals(size_t size_index);
  Sets Exact(std::vector<size_t> order, size_t size_index) const;
  Sets Matched(const std::vector<size_t>& order) const;
  Sets Grown(std::vector<size_t> left, size_t k) const;
  Sets Swapped(const std::vector<size_t>& order, size_t k) const;
  int Improve(Sets& sets) const;

  const Node& node_;
  std::vector<int> scores_;              // by set of cards; empty for large nodes
  std::vector<int> totals_[kSizeCount];  // best sum over divisions of that set of cards
};

}  // namespace cleave::day

#endif  // CLEAVE_BENCH_DAY_PARTITION_H_
