// SPDX-License-Identifier: Apache-2.0
// The best ways to take numbers of units of parts of a tree. Private to src/policy.
#ifndef CLEAVE_POLICY_TREE_KNAPSACK_H_
#define CLEAVE_POLICY_TREE_KNAPSACK_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace cleave {

// A part of the machine: units that hang on one node, of which any are as good as any others, or two parts
// together. Beside what it is, the best ways to take numbers of units of it that were asked for: its rows.
struct KnapsackPart {
  size_t least = 0;  // units that must be taken
  size_t most = 0;   // that can be
  // Two parts, by number, whose units have the affinity `weight` across; or the units of a group.
  bool is_group = true;
  size_t a = 0;
  size_t b = 0;
  double weight = 0;
  std::vector<size_t> must;
  std::vector<size_t> open;
  double reach = 0;  // of one open unit
  double own = 0;    // what one open unit adds to a score by itself
  double must_own = 0;
  // What it adds to the counts of untouched subtrees when nothing of it is taken, beside what its parts add.
  std::vector<uint64_t> whole;
  // Which units: the first one of the machine is the highest bit of word 0. Words first_word... of it.
  size_t first_word = 0;
  size_t words = 0;

  // For a bound: of each level of nodes below the one that it belongs to how many units each node has,
  // falling, and what two of them have more in common than with the others of the next node up. And units by
  // what they are worth.
  std::vector<std::vector<std::pair<size_t, double>>> layers;
  std::vector<std::pair<double, size_t>> worths;  // falling; and how many units
  // No way to take 0, 1, ... `most` units scores more, where a pair is worth only what it has more than the
  // weight of that node.
  std::vector<double> bounds;

  static constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();
  std::vector<uint32_t> row_of;  // of each number of units from `least` on
  std::vector<double> scores;
  std::vector<double> reaches;  // see Selection::reach()
  // How many subtrees are untouched, level by level from the root down, as digits of one long number.
  std::vector<uint64_t> untouched;  // `digits` for each row
  std::vector<uint64_t> bits;       // words for each row
};

// Parts are made from the leaves up; then only the rows are made that the answer may depend on. Not thread
// safe.
class Knapsack {
 public:
  // `digits`: words that hold the counts of untouched subtrees.
  explicit Knapsack(size_t digits) : digits_(digits) {}

  // Units that hang on one node: which of them is all the same, so the first ones are taken; at most `most`.
  // One of both lists may be empty. `own`: what an open one adds to a score by itself, `must_own` all that
  // must be taken. Returns the number of the part.
  size_t Group(std::vector<size_t> must, std::vector<size_t> open, double weight, double reach, double own,
               double must_own, size_t most);

  // All `units` of the part, which is not joined yet, are below a node of their own, in which two of them
  // have `delta` more in common than with the others below the next node up.
  void Close(size_t number, double delta, size_t units);

  // What the part adds to a count of untouched subtrees when nothing of it is taken: to which word, and how
  // much.
  void CountWhole(size_t number, std::pair<size_t, uint64_t> one);

  // Two parts of one node, whose weight two units of different parts have in common. Each part is joined
  // once.
  size_t Join(size_t a, size_t b, double weight, size_t most);

  // The row of the best way to take `sum` units of a part, from its least to its most.
  size_t Row(size_t number, size_t sum);

  const KnapsackPart& part(size_t number) const { return parts_[number]; }
  uint64_t steps() const { return steps_; }

 private:
  struct Way;
  size_t Add(KnapsackPart part);
  void FillGroup(KnapsackPart& part, size_t sum);
  void FillJoined(KnapsackPart& part, size_t sum);
  bool IsBetter(const KnapsackPart& part, const Way& one, const Way& other) const;

  const size_t digits_;
  std::vector<KnapsackPart> parts_;
  uint64_t steps_ = 0;
};

}  // namespace cleave

#endif  // CLEAVE_POLICY_TREE_KNAPSACK_H_
