// SPDX-License-Identifier: Apache-2.0
// The set that a search has in hand, and the best one it has seen. Private to src/policy.
#ifndef CLEAVE_POLICY_CHOOSE_SELECTION_H_
#define CLEAVE_POLICY_CHOOSE_SELECTION_H_

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "policy/choose.h"

namespace cleave {

// Affinities are sums of a few decimal weights; differences below this are rounding.
inline constexpr double kSameScore = 1e-7;
// The same for sums over a whole machine, which are larger.
inline constexpr double kSameReach = 1e-4;

// How good a set is: by score, then by reach, then by what it leaves untouched.
struct Rank {
  double score = -std::numeric_limits<double>::infinity();
  double reach = std::numeric_limits<double>::infinity();
  std::vector<int> untouched;  // subtrees, level by level

  // Becomes that of another set if it is better. In full equality the one that was there stays, unless
  // `first` says that the other comes first. True: it is the other's now.
  template <typename Untouched>
  bool Improve(double other_score, double other_reach, bool first, Untouched other_untouched) {
    if (other_score < score - kSameScore) return false;
    const bool better = other_score > score + kSameScore || other_reach < reach - kSameReach;
    if (!better && other_reach > reach + kSameReach) return false;
    std::vector<int> left = other_untouched();
    if (!better && (first ? left < untouched : left <= untouched)) return false;
    *this = {other_score, other_reach, std::move(left)};
    return true;
  }
};

// Candidates are counted by kind: units that can be exchanged for each other are of one kind (shares of a
// card, cards below one switch without links of their own). Of a kind always its first units in PCI-walk
// order are taken. Not thread safe.
class Selection {
 public:
  // `must` and `open` are disjoint and sorted, and more than request.size together. All must outlive this.
  Selection(const UnitTopology& topology, const ChoiceRequest& request, const std::vector<size_t>& must,
            const std::vector<size_t>& open);

  size_t kinds() const { return capacity_.size(); }
  // Of each open unit, in PCI-walk order.
  const std::vector<size_t>& kind_of_open() const { return kind_of_open_; }
  size_t capacity(size_t kind) const { return capacity_[kind]; }  // open units
  size_t taken(size_t kind) const { return taken_[kind]; }
  size_t missing() const { return missing_; }  // units still to be taken
  size_t to_take() const { return to_take_; }  // in all, must-include ones aside
  double score() const { return score_; }
  // What one more unit of this kind adds.
  double gain(size_t kind) const { return gain_[kind]; }
  // Between units of two kinds; of one kind when a == b.
  double affinity(size_t a, size_t b) const { return affinity_[a * kinds() + b]; }

  // A few starts for a search: the kinds in each subtree of the machine that has open units of several kinds,
  // and with AddClusters() those that are nearer to each other than to any other, as cards that links join
  // are.
  void AddClusters();
  const std::vector<std::vector<size_t>>& blocks() const { return blocks_; }

  void Take(size_t kind, size_t count = 1);
  void Drop(size_t kind, size_t count = 1);

  // Subtrees that can be left untouched, level by level from the root down, as the kinds in them.
  const std::vector<std::vector<std::vector<size_t>>>& intact() const { return intact_; }

  // Makes the set in hand, which must be complete, the best one if it is better, see Rank. True: it is the
  // best one now.
  bool Consider(bool first);

  double best_score() const { return best_.score; }
  // Nothing of equal score and reach leaves more untouched than the best one does.
  bool best_is_tidy() const { return best_.untouched == ceiling_; }
  // Of the units taken so far: their affinities to all that could be had and all that must be included, and
  // twice what each adds by itself. Of
  // two sets of equal score the one with the smaller reach leaves the higher score behind: see
  // docs/choosing.md.
  double reach() const { return reach_; }
  double best_reach() const { return best_.reach; }
  // What one unit of this kind adds to it.
  double reach(size_t kind) const { return reach_of_[kind]; }
  const std::vector<size_t>& by_reach() const { return by_reach_; }  // kinds, the least first
  size_t best_taken(size_t kind) const { return best_taken_[kind]; }
  // The units of the best set, must-include ones too, sorted.
  std::vector<size_t> Best() const;

 private:
  void FindKinds();
  void FindReach();
  void FindSubtrees(const ChoiceRequest& request);
  void FindCeiling();
  std::vector<int> Untouched() const;

  const UnitTopology& topology_;
  const std::vector<size_t>& must_;
  const std::vector<size_t>& open_;
  std::vector<size_t> kind_of_open_;
  std::vector<size_t> capacity_;
  std::vector<double> affinity_;  // kinds x kinds
  std::vector<double> near_;      // what one adds by itself
  std::vector<double> gain_;
  std::vector<size_t> taken_;
  size_t to_take_ = 0;
  size_t missing_ = 0;
  double score_ = 0;
  std::vector<double> reach_of_;
  std::vector<size_t> by_reach_;
  double reach_ = 0;
  std::vector<std::vector<std::vector<size_t>>> intact_;
  std::vector<int> ceiling_;
  std::vector<std::vector<size_t>> blocks_;

  Rank best_;
  std::vector<size_t> best_taken_;  // of each kind
};

}  // namespace cleave

#endif  // CLEAVE_POLICY_CHOOSE_SELECTION_H_
