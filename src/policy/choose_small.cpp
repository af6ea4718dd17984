// SPDX-License-Identifier: Apache-2.0
#include "policy/choose_small.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/choose.h"
#include "policy/choose_selection.h"

namespace cleave {
namespace {

// Open units as bits, the first one in PCI-walk order the highest: of two sets the greater one comes first.
using Mask = uint32_t;

// Sets are put together from a part of the first half of the units and a part of the second one. What either
// part is worth by itself is in a table, and what the two have in common is a sum of rows, one for each unit
// of the upper part: a set costs one addition and one comparison.
class AllSets {
 public:
  AllSets(const UnitTopology& topology, const ChoiceRequest& request, const std::vector<size_t>& must,
          const std::vector<size_t>& open)
      : selection_(topology, request, must, open),
        open_(open),
        lower_(open.size() / 2),
        upper_(open.size() - lower_),
        wanted_(selection_.to_take()) {
    low_ = Worths(0, lower_);
    high_ = Worths(lower_, upper_);
    for (size_t bit = lower_; bit < open.size(); ++bit) {
      std::vector<double>& row = toward_.emplace_back(size_t{1} << lower_, 0);
      for (Mask part = 1; part < row.size(); ++part)
        row[part] = row[part & (part - 1)] + Affinity(bit, Lowest(part));
    }
    by_count_.resize(lower_ + 1);
    for (Mask part = 0; part < Mask{1} << lower_; ++part)
      by_count_[static_cast<size_t>(std::popcount(part))].push_back(part);
    rows_.assign(upper_ + 1, low_.score);
    for (const auto& level : selection_.intact()) {
      std::vector<Mask>& masks = subtrees_.emplace_back();
      for (const std::vector<size_t>& kinds : level) masks.push_back(MaskOf(kinds));
    }
  }

  Choice Run(const std::vector<size_t>& must) {
    Visit(0, 0, 0);
    Choice choice;
    choice.units = must;
    for (size_t bit = 0; bit < open_.size(); ++bit) {
      if ((best_ >> bit & 1) != 0) choice.units.push_back(open_[Unit(bit)]);
    }
    std::sort(choice.units.begin(), choice.units.end());
    choice.score = choice.bound = rank_.score;
    choice.optimal = true;
    choice.steps = steps_;
    return choice;
  }

 private:
  // Of each set of one half: its score without the other half, and its reach.
  struct Table {
    std::vector<double> score;
    std::vector<double> reach;
  };

  static size_t Lowest(Mask mask) { return static_cast<size_t>(std::countr_zero(mask)); }
  size_t Unit(size_t bit) const { return open_.size() - 1 - bit; }  // index into open_
  size_t Kind(size_t bit) const { return selection_.kind_of_open()[Unit(bit)]; }
  double Affinity(size_t a, size_t b) const { return selection_.affinity(Kind(a), Kind(b)); }

  Mask MaskOf(const std::vector<size_t>& kinds) const {
    Mask mask = 0;
    for (size_t bit = 0; bit < open_.size(); ++bit) {
      if (std::find(kinds.begin(), kinds.end(), Kind(bit)) != kinds.end()) mask |= Mask{1} << bit;
    }
    return mask;
  }

  Table Worths(size_t first, size_t count) const {
    Table table{std::vector<double>(size_t{1} << count, 0), std::vector<double>(size_t{1} << count, 0)};
    for (Mask part = 1; part < table.score.size(); ++part) {
      const Mask rest = part & (part - 1);
      const size_t bit = first + Lowest(part);
      table.score[part] = table.score[rest] + selection_.gain(Kind(bit));
      for (Mask other = rest; other != 0; other &= other - 1)
        table.score[part] += Affinity(bit, first + Lowest(other));
      table.reach[part] = table.reach[rest] + selection_.reach(Kind(bit));
    }
    return table;
  }

  // All sets whose upper part is `part`, which has `count` units, or continues it with units from `next` on.
  void Visit(Mask part, size_t next, size_t count) {
    if (count + lower_ >= wanted_) {
      const std::vector<double>& row = rows_[count];
      const std::vector<Mask>& fitting = by_count_[wanted_ - count];
      const double above = selection_.score() + high_.score[part];
      for (Mask low : fitting) {
        if (above + row[low] >= rank_.score - kSameScore) Consider(part, low, above + row[low]);
      }
      steps_ += fitting.size();
    }
    if (count == wanted_) return;
    for (; next < upper_ && count + (upper_ - next) + lower_ >= wanted_; ++next) {
      std::transform(rows_[count].begin(), rows_[count].end(), toward_[next].begin(),
                     rows_[count + 1].begin(), [](double a, double b) { return a + b; });
      Visit(part | Mask{1} << next, next + 1, count + 1);
    }
  }

  void Consider(Mask high, Mask low, double score) {
    const Mask set = high << lower_ | low;
    const double reach = selection_.reach() + high_.reach[high] + low_.reach[low];
    if (rank_.Improve(score, reach, set > best_, [&] { return Untouched(set); })) best_ = set;
  }

  std::vector<int> Untouched(Mask set) const {
    std::vector<int> counts;
    counts.reserve(subtrees_.size());
    for (const std::vector<Mask>& level : subtrees_) {
      counts.push_back(static_cast<int>(
          std::count_if(level.begin(), level.end(), [&](Mask subtree) { return (subtree & set) == 0; })));
    }
    return counts;
  }

  const Selection selection_;
  const std::vector<size_t>& open_;
  const size_t lower_;  // units of the lower part
  const size_t upper_;
  const size_t wanted_;
  Table low_;
  Table high_;
  std::vector<std::vector<double>> toward_;  // of each upper unit, its affinity to each lower part
  std::vector<std::vector<Mask>> by_count_;  // lower parts by number of units
  std::vector<std::vector<double>> rows_;    // by units of the upper part in hand: what lower parts add
  std::vector<std::vector<Mask>> subtrees_;  // that can be left untouched, level by level
  Rank rank_;
  Mask best_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace

Choice ChooseAmongAllSets(const UnitTopology& topology, const ChoiceRequest& request,
                          const std::vector<size_t>& must, const std::vector<size_t>& open) {
  return AllSets(topology, request, must, open).Run(must);
}

}  // namespace cleave
