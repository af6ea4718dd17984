// SPDX-License-Identifier: Apache-2.0
#include "policy/choose_search.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "policy/choose.h"
#include "policy/choose_guess.h"
#include "policy/choose_selection.h"

namespace cleave {
namespace {

// With more kinds than this a proof is out of reach.
constexpr size_t kMostForProof = 256;
// What a unit costs in a bound beside its looks at others, in steps.
constexpr uint64_t kUnitSteps = 6;
// Nodes of the search between two questions whether to give up; less than 0.1 ms.
constexpr uint64_t kAskEvery = 64;
constexpr double kNever = -std::numeric_limits<double>::infinity();

class Search {
 public:
  Search(const UnitTopology& topology, const ChoiceRequest& request, const std::vector<size_t>& must,
         const std::vector<size_t>& open)
      : budget_(request.budget_steps),
        give_up_(request.give_up),
        selection_(topology, request, must, open),
        order_(selection_.kind_of_open()),
        kinds_(selection_.kinds()),
        left_(kinds_) {
    for (size_t kind = 0; kind < kinds_; ++kind) left_[kind] = static_cast<double>(selection_.capacity(kind));
    if (kinds_ <= kMostForProof) FindNearest();
    selection_.AddClusters();
  }

  Choice Run() {
    steps_ = Guess(selection_, GuessEffort(), give_up_);
    double bound = kinds_ <= kMostForProof ? Prove() : CrudeBound();
    Choice choice;
    choice.units = selection_.Best();
    choice.score = selection_.best_score();
    choice.optimal = bound <= choice.score + kSameScore;
    choice.bound = choice.optimal ? choice.score : bound;
    choice.steps = steps_;
    return choice;
  }

 private:
  // First for the proof alone, then with ties explored as far as the steps go: sets of the best score that
  // leave more behind, or come first. Returns a bound on the score of all sets.
  double Prove() {
    limit_ = budget_ - (budget_ - std::min(budget_, steps_)) / 4;
    explore_ties_ = false;
    double bound = Descend(0);
    limit_ = budget_;
    explore_ties_ = true;
    (void)Descend(0);
    return bound;
  }

  // Each of the units is at most worth its gain and half of its best affinity to all others.
  double CrudeBound() const {
    std::vector<double> worths;
    auto others = static_cast<double>(selection_.to_take() - 1);
    for (size_t kind : order_) {
      double nearest = 0;
      for (size_t other = 0; other < kinds_; ++other)
        nearest = std::max(nearest, selection_.affinity(kind, other));
      worths.push_back(selection_.gain(kind) + others * nearest / 2);
    }
    auto middle = worths.begin() + static_cast<std::ptrdiff_t>(selection_.to_take());
    std::nth_element(worths.begin(), middle - 1, worths.end(), std::greater<>());
    return std::accumulate(worths.begin(), middle, selection_.score());
  }

  // The more sets there are, the less hope is there for a proof, and the more for a better guess.
  uint64_t GuessEffort() const {
    size_t movable = std::min(selection_.to_take(), order_.size() - selection_.to_take());
    uint64_t eighths = movable <= 4 ? 2 : movable <= 8 || kinds_ <= 32 ? 4 : 7;
    return budget_ / 8 * eighths;
  }

  struct Near {
    double affinity = 0;
    uint32_t kind = 0;
  };

  // For each kind the kinds by falling affinity to it.
  void FindNearest() {
    nearest_.resize(kinds_ * kinds_);
    std::vector<uint32_t> order(kinds_);
    for (size_t kind = 0; kind < kinds_; ++kind) {
      std::iota(order.begin(), order.end(), uint32_t{0});
      std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        return selection_.affinity(kind, a) > selection_.affinity(kind, b);
      });
      for (size_t i = 0; i < kinds_; ++i)
        nearest_[kind * kinds_ + i] = {selection_.affinity(kind, order[i]), order[i]};
    }
  }

  // What `count` partners among the units left can be worth to a unit of this kind at most.
  double Reach(size_t kind, double count) {
    double worth = 0;
    left_[kind] -= 1;
    const Near* begin = &nearest_[kind * kinds_];
    const Near* near = begin;
    for (const Near* end = begin + kinds_; near != end && count > 0; ++near) {
      double partners = std::min(count, left_[near->kind]);
      worth += partners * near->affinity;
      count -= partners;
    }
    left_[kind] += 1;
    steps_ += static_cast<uint64_t>(near - begin) + kUnitSteps;
    return worth;
  }

  // No completion with units that are left scores more: each pair among them is counted half from either
  // side.
  double Bound() {
    if (selection_.missing() == 0) return selection_.score();
    auto missing = static_cast<double>(selection_.missing());
    worths_.clear();
    double units = 0;
    for (size_t kind = 0; kind < kinds_; ++kind) {
      if (left_[kind] == 0) continue;
      units += left_[kind];
      worths_.emplace_back(selection_.gain(kind) + Reach(kind, missing - 1) / 2, left_[kind]);
    }
    if (units < missing) return kNever;
    if (units == static_cast<double>(worths_.size())) {
      // One of each kind: the order among the best ones is of no interest.
      auto middle = worths_.begin() + static_cast<std::ptrdiff_t>(selection_.missing());
      if (middle != worths_.end()) std::nth_element(worths_.begin(), middle, worths_.end(), std::greater<>());
    } else {
      std::sort(worths_.begin(), worths_.end(), std::greater<>());
    }
    double bound = selection_.score();
    for (auto [worth, count] : worths_) {
      double taken = std::min(count, missing);
      bound += taken * worth;
      missing -= taken;
      if (missing == 0) break;
    }
    return bound;
  }

  bool IsOver() {
    if (give_up_ && ++asked_ % kAskEvery == 0 && give_up_()) limit_ = budget_ = 0;
    return steps_ > limit_;
  }

  // Goes through the sets that begin with what is taken and continue with units of order_[next..]. Returns a
  // bound on the score of those that were neither looked at nor shown to be no better than the best.
  double Descend(size_t next) {
    if (selection_.missing() == 0) {
      if (selection_.Consider(guessed_)) guessed_ = false;
      return kNever;
    }
    while (next < order_.size() && left_[order_[next]] == 0) ++next;
    double bound = Bound();
    double enough = selection_.best_score() + (explore_ties_ ? -kSameScore : kSameScore);
    if (bound < enough || IsOver()) return bound;
    // No higher score below here, and no equal one that leaves more behind.
    if (bound <= selection_.best_score() + kSameScore && !CanTie()) return bound;
    size_t kind = order_[next];
    left_[kind] -= 1;
    selection_.Take(kind);
    double with = Descend(next + 1);
    selection_.Drop(kind);
    // Without this one without those that are like it, too: they come later and are worth the same.
    double others = std::exchange(left_[kind], 0);
    double without = Descend(next + 1);
    left_[kind] = others + 1;
    return std::min(bound, std::max(with, without));
  }

  // Whether the set in hand can be completed with a reach that is as small as that of the best one.
  bool CanTie() {
    double most =
        selection_.best_reach() + (guessed_ || !selection_.best_is_tidy() ? kSameReach : -kSameReach);
    double reach = selection_.reach();
    auto missing = static_cast<double>(selection_.missing());
    for (size_t kind : selection_.by_reach()) {
      if (missing == 0 || reach > most) break;
      double count = std::min(left_[kind], missing);
      reach += count * selection_.reach(kind);
      missing -= count;
      ++steps_;
    }
    return reach <= most;
  }

  uint64_t budget_;
  const std::function<bool()>& give_up_;
  Selection selection_;
  const std::vector<size_t>& order_;  // kinds of the open units, in PCI-walk order
  const size_t kinds_;
  // Of each kind, units that are open still and have not been passed over: whole numbers, to be multiplied.
  std::vector<double> left_;
  std::vector<Near> nearest_;
  std::vector<std::pair<double, double>> worths_;  // of a unit, and how many
  bool guessed_ = true;                            // the best so far did not come in PCI-walk order
  bool explore_ties_ = false;
  uint64_t steps_ = 0;
  uint64_t limit_ = 0;
  uint64_t asked_ = 0;  // nodes of the search
};

}  // namespace

Choice ChooseBySearch(const UnitTopology& topology, const ChoiceRequest& request,
                      const std::vector<size_t>& must, const std::vector<size_t>& open) {
  return Search(topology, request, must, open).Run();
}

}  // namespace cleave
