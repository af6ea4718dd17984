// SPDX-License-Identifier: Apache-2.0
#include "policy/choose.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "config/resource_spec.h"
#include "policy/affinity_tree.h"

namespace cleave {
namespace {

// Affinities are sums of a few decimal weights; differences below this are rounding.
constexpr double kSame = 1e-7;
// Up to here every tie is looked at, whatever the budget; the whole search is then a few ten thousand steps.
constexpr size_t kAlwaysExact = 16;
// How much work the greedy beginnings of the first guess may be.
constexpr size_t kGuessWork = 20'000;
// Swaps in a row without a new best after which a walk ends.
constexpr size_t kFruitless = 12;

// Maximises (score, what is left untouched), by branch and bound in the order of the units.
class Search {
 public:
  Search(const UnitTopology& topology, const ChoiceRequest& request, std::vector<size_t> must,
         std::vector<size_t> open)
      : topology_(topology),
        k_(request.size),
        budget_(request.budget_steps),
        chosen_(std::move(must)),
        open_(std::move(open)),
        fixed_(chosen_) {
    is_chosen_.assign(topology.size, 0);
    for (size_t unit : chosen_) is_chosen_[unit] = 1;
    gain_.assign(topology.size, 0);
    for (size_t unit : chosen_) AddGain(unit, 1);
    for (size_t i = 0; i < chosen_.size(); ++i) {
      for (size_t j = 0; j < i; ++j) score_ += topology.Affinity(chosen_[i], chosen_[j]);
    }
    FindIntactSubtrees(request);
    FindCeiling();
    FindReach();
  }

  Choice Run() {
    Guess();
    double root_bound = Bound(0);
    // First with every tie explored. If that is too much, once more for the proof alone.
    limit_ = open_.size() <= kAlwaysExact ? std::numeric_limits<uint64_t>::max() : budget_ / 2;
    explore_ties_ = true;
    bool complete = Descend(0);
    if (!complete) {
      limit_ = budget_;
      explore_ties_ = false;
      complete = Descend(0);
    }
    Choice choice;
    choice.units = best_;
    std::sort(choice.units.begin(), choice.units.end());
    choice.score = best_score_;
    choice.optimal = complete || root_bound <= best_score_ + kSame;
    choice.gap = choice.optimal ? 0 : root_bound - best_score_;
    choice.steps = steps_;
    return choice;
  }

 private:
  // Only a subtree whose healthy units are all free can be left untouched.
  void FindIntactSubtrees(const ChoiceRequest& request) {
    std::vector<char> free(topology_.size, 0);
    std::vector<char> healthy(topology_.size, 0);
    for (size_t unit : open_) free[unit] = 1;
    for (size_t unit : chosen_) free[unit] = 1;
    for (size_t unit : request.healthy) healthy[unit] = 1;
    for (const std::vector<std::vector<size_t>>& level : topology_.subtrees) {
      std::vector<std::vector<size_t>> intact;
      for (const std::vector<size_t>& units : level) {
        bool in_use = std::any_of(units.begin(), units.end(),
                                  [&](size_t unit) { return healthy[unit] && !free[unit]; });
        bool fixed =
            std::any_of(units.begin(), units.end(), [&](size_t unit) { return is_chosen_[unit] != 0; });
        if (!in_use && !fixed) intact.push_back(units);
      }
      levels_.push_back(std::move(intact));
    }
  }

  // How many subtrees can be left untouched at best, level by level: the units outside of them are taken
  // first, then the largest of them. A set that reaches it cannot be beaten by one of equal score.
  void FindCeiling() {
    for (const std::vector<std::vector<size_t>>& level : levels_) {
      std::vector<char> inside(topology_.size, 0);
      std::vector<size_t> sizes;
      for (const std::vector<size_t>& units : level) {
        size_t open = 0;
        for (size_t unit : units) {
          if (std::binary_search(open_.begin(), open_.end(), unit)) ++open;
          inside[unit] = 1;
        }
        sizes.push_back(open);
      }
      std::sort(sizes.begin(), sizes.end(), std::greater<>());
      auto covered = static_cast<size_t>(
          std::count_if(open_.begin(), open_.end(), [&](size_t unit) { return !inside[unit]; }));
      size_t touched = 0;
      while (covered < k_ - fixed_.size() && touched < sizes.size()) covered += sizes[touched++];
      ceiling_.push_back(static_cast<int>(sizes.size() - touched));
    }
  }

  // For each open unit the prefix sums of its greatest affinities to other open units: no choice of t more
  // partners can be worth more to it.
  void FindReach() {
    reach_.resize(open_.size());
    for (size_t i = 0; i < open_.size(); ++i) {
      std::vector<double> others;
      others.reserve(open_.size());
      for (size_t j = 0; j < open_.size(); ++j) {
        if (i != j) others.push_back(topology_.Affinity(open_[i], open_[j]));
      }
      size_t count = std::min(others.size(), k_);
      std::partial_sort(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(count), others.end(),
                        std::greater<>());
      reach_[i].assign(1, 0);
      for (size_t t = 0; t < count; ++t) reach_[i].push_back(reach_[i].back() + others[t]);
    }
  }

  void AddGain(size_t unit, double sign) {
    const double* row = &topology_.affinity[unit * topology_.size];
    for (size_t i = 0; i < topology_.size; ++i) gain_[i] += sign * row[i];
  }

  void Take(size_t unit) {
    score_ += gain_[unit];
    chosen_.push_back(unit);
    is_chosen_[unit] = 1;
    AddGain(unit, 1);
  }

  void Drop() {
    size_t unit = chosen_.back();
    chosen_.pop_back();
    is_chosen_[unit] = 0;
    AddGain(unit, -1);
    score_ -= gain_[unit];
  }

  // No completion with units from open_[next..] scores more: each pair inside it is counted half from either
  // side.
  double Bound(size_t next) {
    size_t missing = k_ - chosen_.size();
    if (missing == 0) return score_;
    bounds_.clear();
    for (size_t i = next; i < open_.size(); ++i) {
      const std::vector<double>& reach = reach_[i];
      bounds_.push_back(gain_[open_[i]] + reach[std::min(missing - 1, reach.size() - 1)] / 2);
    }
    if (bounds_.size() < missing) return -std::numeric_limits<double>::infinity();
    auto middle = bounds_.begin() + static_cast<std::ptrdiff_t>(missing);
    if (middle != bounds_.end()) std::nth_element(bounds_.begin(), middle, bounds_.end(), std::greater<>());
    double bound = score_;
    for (auto value = bounds_.begin(); value != middle; ++value) bound += *value;
    return bound;
  }

  std::vector<int> Untouched() const {
    std::vector<int> counts;
    counts.reserve(levels_.size());
    for (const std::vector<std::vector<size_t>>& level : levels_) {
      int count = 0;
      for (const std::vector<size_t>& units : level) {
        if (std::none_of(units.begin(), units.end(), [&](size_t unit) { return is_chosen_[unit] != 0; }))
          ++count;
      }
      counts.push_back(count);
    }
    return counts;
  }

  // The search comes to sets in PCI-walk order, so of full equals the first one stays.
  void Consider() {
    if (!best_.empty() && score_ < best_score_ - kSame) return;
    bool better = best_.empty() || score_ > best_score_ + kSame;
    std::vector<int> untouched = Untouched();
    if (!better && !guessed_ && untouched <= best_untouched_) return;
    if (!better && guessed_ && untouched < best_untouched_) return;
    guessed_ = false;
    best_ = chosen_;
    best_score_ = score_;
    best_untouched_ = std::move(untouched);
  }

  // False when the budget ran out.
  bool Descend(size_t next) {
    if (chosen_.size() == k_) {
      Consider();
      return true;
    }
    steps_ += open_.size() - next;
    if (steps_ > limit_) return false;
    double bound = Bound(next);
    bool ties_matter = explore_ties_ && (guessed_ || best_untouched_ != ceiling_);
    if (bound < best_score_ - kSame || (!ties_matter && bound <= best_score_ + kSame)) return true;
    Take(open_[next]);
    bool complete = Descend(next + 1);
    Drop();
    return Descend(next + 1) && complete;
  }

  // A good set to begin with: greedy from several starts, each improved by swaps.
  void Guess() {
    size_t missing = k_ - chosen_.size();
    size_t work = std::max<size_t>(1, missing * topology_.size);
    size_t starts = std::clamp<size_t>(kGuessWork / work, 1, open_.size());
    for (size_t start = 0; start < starts; ++start) {
      Take(open_[start * open_.size() / starts]);
      while (chosen_.size() < k_) Take(BestOpen());
      Improve();
      while (chosen_.size() > fixed_.size()) Drop();
    }
    guessed_ = true;
  }

  size_t BestOpen() const {
    size_t best = topology_.size;
    for (size_t unit : open_) {
      if (!is_chosen_[unit] && (best == topology_.size || gain_[unit] > gain_[best] + kSame)) best = unit;
    }
    return best;
  }

  // Takes the best swap of a chosen unit for another again and again, a bad one too when there is no better:
  // a unit that was moved stays where it is for a while (tabu search), so the walk leaves a peak that is not
  // the highest.
  void Improve() {
    Consider();
    size_t movable = k_ - fixed_.size();
    std::vector<size_t> moved_at(topology_.size, 0);
    size_t tenure = 2 + std::min(movable, open_.size() - movable) / 4;
    size_t fruitless = 0;
    for (size_t move = tenure + 1; fruitless < kFruitless; ++move) {
      double best_change = -std::numeric_limits<double>::infinity();
      size_t best_out = 0;
      size_t best_in = topology_.size;
      for (size_t i = fixed_.size(); i < chosen_.size(); ++i) {
        size_t out = chosen_[i];
        if (moved_at[out] != 0 && move - moved_at[out] <= tenure) continue;
        for (size_t in : open_) {
          if (is_chosen_[in]) continue;
          double change = gain_[in] - gain_[out] - topology_.Affinity(in, out);
          bool tabu =
              moved_at[in] != 0 && move - moved_at[in] <= tenure && score_ + change <= best_score_ + kSame;
          if (!tabu && change > best_change + kSame) {
            best_change = change;
            best_out = i;
            best_in = in;
          }
        }
      }
      if (best_in == topology_.size) return;
      std::swap(chosen_[best_out], chosen_.back());
      moved_at[chosen_.back()] = moved_at[best_in] = move;
      Drop();
      Take(best_in);
      fruitless = score_ > best_score_ + kSame ? 0 : fruitless + 1;
      Consider();
    }
  }

  const UnitTopology& topology_;
  const size_t k_;
  const uint64_t budget_;
  std::vector<size_t> chosen_;
  const std::vector<size_t> open_;   // candidates, in PCI-walk order
  const std::vector<size_t> fixed_;  // must-include
  std::vector<char> is_chosen_;
  std::vector<double> gain_;  // of each unit to the chosen ones
  double score_ = 0;
  std::vector<std::vector<double>> reach_;
  std::vector<double> bounds_;
  std::vector<std::vector<std::vector<size_t>>> levels_;
  std::vector<int> ceiling_;

  std::vector<size_t> best_;
  double best_score_ = -std::numeric_limits<double>::infinity();
  std::vector<int> best_untouched_;
  bool guessed_ = false;  // the best so far did not come in PCI-walk order
  bool explore_ties_ = true;
  uint64_t steps_ = 0;
  uint64_t limit_ = 0;
};

}  // namespace

Choice Choose(Preference, const UnitTopology& topology, const ChoiceRequest& request) {
  std::vector<char> taken(topology.size, 0);
  auto unique = [&](const std::vector<size_t>& units) {
    std::vector<size_t> kept;
    for (size_t unit : units) {
      if (unit < topology.size && !std::exchange(taken[unit], 1)) kept.push_back(unit);
    }
    std::sort(kept.begin(), kept.end());
    return kept;
  };
  std::vector<size_t> must = unique(request.must_include);
  std::vector<size_t> open = unique(request.available);
  if (must.size() >= request.size || must.size() + open.size() <= request.size) {
    // Nothing to choose.
    Choice choice;
    choice.optimal = true;
    choice.units = must;
    choice.units.insert(choice.units.end(), open.begin(), open.end());
    choice.units.resize(std::min(choice.units.size(), request.size));
    std::sort(choice.units.begin(), choice.units.end());
    for (size_t i = 0; i < choice.units.size(); ++i) {
      for (size_t j = 0; j < i; ++j) choice.score += topology.Affinity(choice.units[i], choice.units[j]);
    }
    return choice;
  }
  if (topology.tree != nullptr) return ChooseOnTree(topology, *topology.tree, request, must, open);
  return Search(topology, request, std::move(must), std::move(open)).Run();
}

void FindTree(UnitTopology& topology) {
  if (std::optional<AffinityTree> tree = FindAffinityTree(topology)) {
    topology.tree = std::make_shared<const AffinityTree>(*std::move(tree));
  }
}

}  // namespace cleave
