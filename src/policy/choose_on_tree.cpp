// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "policy/affinity_tree.h"
#include "policy/choose.h"
#include "policy/choose_selection.h"

namespace cleave {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

struct Range {
  size_t least = 0;
  size_t most = 0;
};

// The best way to take each number of units below a node: least, least + 1, ... A row for each number.
struct Table {
  size_t least = 0;
  std::vector<double> scores;
  std::vector<double> reaches;  // see Selection::reach()
  // How many subtrees are untouched, level by level from the root down, as digits of one long number.
  std::vector<uint64_t> untouched;  // Digits::words() each
  // Which units: the first one of the machine is the highest bit of word 0. Words first_word... of it.
  std::vector<uint64_t> bits;
  size_t first_word = 0;
  size_t words = 0;

  size_t rows() const { return scores.size(); }
  size_t most() const { return least + rows() - 1; }
};

// Counts by level packed so that adding and comparing whole words adds and compares them level by level.
class Digits {
 public:
  explicit Digits(const UnitTopology& topology) {
    int used = 64;
    for (const auto& level : topology.subtrees) {
      int width = static_cast<int>(std::bit_width(level.size()));
      if (used + width > 64) {
        ++words_;
        used = 0;
      }
      used += width;
      one_.emplace_back(words_ - 1, uint64_t{1} << (64 - used));
    }
  }
  size_t words() const { return words_; }
  // What an untouched subtree of a level adds: to which word, and how much.
  std::pair<size_t, uint64_t> One(size_t level) const { return one_[level]; }

 private:
  size_t words_ = 0;
  std::vector<std::pair<size_t, uint64_t>> one_;
};

class Knapsack {
 public:
  explicit Knapsack(size_t digits) : digits_(digits) {}

  // Units that hang on one node: which of them is all the same, so the first ones are taken.
  // `own`: what an open one adds to a score by itself.
  Table Group(const std::vector<size_t>& must, const std::vector<size_t>& open, double weight, double reach,
              double own, size_t most) const {
    Table table;
    table.least = must.size();
    size_t rows = std::min(open.size(), most - must.size()) + 1;
    size_t first = std::numeric_limits<size_t>::max();
    size_t last = 0;
    for (const std::vector<size_t>* units : {&must, &open}) {
      if (units->empty()) continue;
      first = std::min(first, units->front() / 64);
      last = std::max(last, units->back() / 64);
    }
    table.first_word = first;
    table.words = last - first + 1;
    table.bits.assign(rows * table.words, 0);
    table.untouched.assign(rows * digits_, 0);
    auto set = [&](size_t row, size_t unit) {
      table.bits[row * table.words + unit / 64 - first] |= uint64_t{1} << (63 - unit % 64);
    };
    for (size_t unit : must) set(0, unit);
    for (size_t row = 0; row < rows; ++row) {
      auto count = static_cast<double>(must.size() + row);
      table.scores.push_back(weight * count * (count - 1) / 2 + own * static_cast<double>(row));
      table.reaches.push_back(reach * static_cast<double>(row));
      if (row == 0) continue;
      std::copy_n(table.bits.begin() + static_cast<std::ptrdiff_t>((row - 1) * table.words), table.words,
                  table.bits.begin() + static_cast<std::ptrdiff_t>(row * table.words));
      set(row, open[row - 1]);
    }
    return table;
  }

  // The best of both together, for numbers in `wanted` only.
  Table Join(const Table& a, const Table& b, double weight, Range wanted) {
    Table joined;
    joined.least = std::max(a.least + b.least, wanted.least);
    size_t most = std::min(a.most() + b.most(), wanted.most);
    joined.first_word = std::min(a.first_word, b.first_word);
    joined.words = std::max(a.first_word + a.words, b.first_word + b.words) - joined.first_word;
    size_t rows = most - joined.least + 1;
    joined.scores.assign(rows, kNever);
    joined.reaches.resize(rows);
    joined.untouched.resize(rows * digits_);
    joined.bits.assign(rows * joined.words, 0);
    peaks_a_ = Peaks(a);
    peaks_b_ = Peaks(b);
    for (size_t row = 0; row < rows; ++row) Fill(a, b, weight, joined, row);
    return joined;
  }

  uint64_t steps() const { return steps_; }

 private:
  // The highest score of any row up to this one.
  static std::vector<double> Peaks(const Table& table) {
    std::vector<double> peaks = table.scores;
    for (size_t row = 1; row < peaks.size(); ++row) peaks[row] = std::max(peaks[row], peaks[row - 1]);
    return peaks;
  }

  // Of all ways to make up the number of a row the one with the highest score, then the one that leaves most
  // untouched, then of the smallest reach, then the first by PCI-walk order. The best ways mostly take nearly
  // all of one side or nearly nothing: of what lies between whole blocks are left out because even the best
  // of either side would not do.
  void Fill(const Table& a, const Table& b, double weight, Table& joined, size_t row) {
    size_t sum = joined.least + row;
    size_t first = std::max(a.least, sum > b.most() ? sum - b.most() : 0);
    size_t last = std::min(a.most(), sum - b.least);
    double& best_score = joined.scores[row];
    size_t best = first;
    auto all = static_cast<double>(sum);
    const double* scores_a = a.scores.data() - a.least;
    const double* scores_b = b.scores.data() - b.least;
    auto look = [&](size_t from, size_t to) {
      for (size_t i = from; i <= to; ++i) {
        auto own = static_cast<double>(i);
        double score = scores_a[i] + scores_b[sum - i] + weight * own * (all - own);
        if (score < best_score - kSameScore) continue;
        if (score > best_score + kSameScore || IsBetter(a, b, joined, sum, i, best)) {
          best_score = score;
          best = i;
        }
      }
      steps_ += to - from + 1;
    };
    // The best ways mostly take nearly all of one side or nearly nothing, so the ends come first; a range
    // between them is halved until even the best of either side would not do.
    look(first, first);
    if (last > first) look(last, last);
    auto search = [&](auto& self, size_t from, size_t to) -> void {
      if (to - from < kBlock) return look(from, to);
      double middle = std::clamp(all / 2, static_cast<double>(from), static_cast<double>(to));
      double most =
          peaks_a_[to - a.least] + peaks_b_[sum - from - b.least] + weight * middle * (all - middle);
      ++steps_;
      if (most < best_score - kSameScore) return;
      size_t half = from + (to - from) / 2;
      self(self, from, half);
      self(self, half + 1, to);
    };
    if (last > first + 1) search(search, first + 1, last - 1);
    joined.reaches[row] = a.reaches[best - a.least] + b.reaches[sum - best - b.least];
    const uint64_t* left = a.untouched.data() + (best - a.least) * digits_;
    const uint64_t* right = b.untouched.data() + (sum - best - b.least) * digits_;
    for (size_t word = 0; word < digits_; ++word)
      joined.untouched[row * digits_ + word] = left[word] + right[word];
    for (auto [table, number] : {std::pair(&a, best), std::pair(&b, sum - best)}) {
      const uint64_t* from = table->bits.data() + (number - table->least) * table->words;
      uint64_t* to = joined.bits.data() + row * joined.words + table->first_word - joined.first_word;
      for (size_t word = 0; word < table->words; ++word) to[word] |= from[word];
    }
  }

  bool IsBetter(const Table& a, const Table& b, const Table& joined, size_t sum, size_t one,
                size_t other) const {
    for (size_t word = 0; word < digits_; ++word) {
      uint64_t mine =
          a.untouched[(one - a.least) * digits_ + word] + b.untouched[(sum - one - b.least) * digits_ + word];
      uint64_t theirs = a.untouched[(other - a.least) * digits_ + word] +
                        b.untouched[(sum - other - b.least) * digits_ + word];
      if (mine != theirs) return mine > theirs;
    }
    double reach = a.reaches[one - a.least] + b.reaches[sum - one - b.least] - a.reaches[other - a.least] -
                   b.reaches[sum - other - b.least];
    if (std::abs(reach) > kSameReach) return reach < 0;
    for (size_t word = joined.first_word; word < joined.first_word + joined.words; ++word) {
      uint64_t mine = Bits(a, one, word) | Bits(b, sum - one, word);
      uint64_t theirs = Bits(a, other, word) | Bits(b, sum - other, word);
      if (mine != theirs) return mine > theirs;
    }
    return false;
  }

  static uint64_t Bits(const Table& table, size_t number, size_t word) {
    if (word < table.first_word || word >= table.first_word + table.words) return 0;
    return table.bits[(number - table.least) * table.words + word - table.first_word];
  }

  static constexpr size_t kBlock = 8;
  const size_t digits_;          // words for each row of `untouched`
  std::vector<double> peaks_a_;  // of the tables that are being joined
  std::vector<double> peaks_b_;
  uint64_t steps_ = 0;
};

// What of a node's units may and must be taken, and whether anything below it is in use.
struct Place {
  std::vector<size_t> must;
  std::vector<size_t> open;
  bool intact = true;
  size_t below_must = 0;  // in the whole subtree
  size_t below_all = 0;   // must and open
  double reach = 0;       // of a unit that hangs on the node; needs the weights of all above it
};

}  // namespace

Choice ChooseOnTree(const UnitTopology& topology, const AffinityTree& tree, const ChoiceRequest& request,
                    const std::vector<size_t>& must, const std::vector<size_t>& open) {
  enum : char { kGone, kInUse, kOpen, kMust };
  std::vector<char> state(topology.size, kGone);
  for (size_t unit : request.healthy) state[unit] = kInUse;
  for (size_t unit : open) state[unit] = kOpen;
  for (size_t unit : must) state[unit] = kMust;
  std::vector<Place> places(tree.nodes.size());
  for (size_t index = tree.nodes.size(); index-- > 0;) {
    Place& place = places[index];
    for (size_t unit : tree.nodes[index].units) {
      if (state[unit] == kMust) place.must.push_back(unit);
      if (state[unit] == kOpen) place.open.push_back(unit);
      if (state[unit] == kInUse) place.intact = false;
    }
    place.below_must += place.must.size();
    place.below_all += place.must.size() + place.open.size();
    if (index == 0) break;
    Place& parent = places[tree.nodes[index].parent];
    parent.below_must += place.below_must;
    parent.below_all += place.below_all;
    parent.intact = parent.intact && place.intact;
  }
  for (size_t index = 0; index < places.size(); ++index) {
    // To all that is below it; and above it to all but what is below it.
    double inside = static_cast<double>(places[index].below_all);
    const Place& parent = places[tree.nodes[index].parent];
    double weight = tree.nodes[index].weight;
    double beyond = tree.nodes[tree.nodes[index].parent].weight;
    places[index].reach = weight * (inside - 1);
    if (index > 0) places[index].reach += parent.reach + beyond - beyond * inside;
  }
  const size_t all = places[0].below_all;
  const size_t all_must = places[0].below_must;

  Digits digits(topology);
  Knapsack knapsack(digits.words());
  std::vector<Table> tables(tree.nodes.size());
  std::vector<std::pair<size_t, size_t>> joined(tree.nodes.size());  // must and all units in the table so far
  auto add = [&](size_t node, Table table, size_t units_must, size_t units_all) {
    auto& [in_must, in_all] = joined[node];
    in_must += units_must;
    in_all += units_all;
    if (tables[node].rows() == 0) {
      tables[node] = std::move(table);
      return;
    }
    // As many as the rest of the machine cannot give, at most as many as it need not.
    Range wanted{.least = request.size - std::min(request.size, all - in_all),
                 .most = request.size - (all_must - in_must)};
    tables[node] = knapsack.Join(tables[node], table, tree.nodes[node].weight, wanted);
  };
  // Children come after their parents, so from the back every node is complete when its turn comes.
  for (size_t index = tree.nodes.size(); index-- > 0;) {
    const AffinityTree::Node& node = tree.nodes[index];
    Place& place = places[index];
    size_t own = place.must.size() + place.open.size();
    // Those that are worth something else by themselves are a group of their own.
    if (!topology.near.empty()) {
      std::map<double, std::vector<size_t>> by_worth;
      for (size_t unit : place.open) by_worth[topology.Near(unit)].push_back(unit);
      if (!place.must.empty()) {
        Table table = knapsack.Group(place.must, {}, node.weight, place.reach, 0, request.size);
        for (size_t unit : place.must) table.scores[0] += topology.Near(unit);
        add(index, std::move(table), place.must.size(), place.must.size());
      }
      for (const auto& [worth, units] : by_worth)
        add(index, knapsack.Group({}, units, node.weight, place.reach, worth, request.size), 0, units.size());
    } else if (own > 0) {
      add(index, knapsack.Group(place.must, place.open, node.weight, place.reach, 0, request.size),
          place.must.size(), own);
    }
    if (index == 0) break;
    Table& table = tables[index];
    if (table.rows() == 0)
      table.scores.push_back(0), table.reaches.push_back(0), table.untouched.assign(digits.words(), 0);
    if (node.level >= 0 && place.intact && table.least == 0) {
      auto [word, one] = digits.One(static_cast<size_t>(node.level));
      table.untouched[word] += one;
    }
    add(node.parent, std::exchange(table, Table()), place.below_must, place.below_all);
  }
  const Table& best = tables[0];
  size_t row = request.size - best.least;
  Choice choice;
  choice.bound = choice.score = best.scores[row];
  choice.optimal = true;
  choice.steps = knapsack.steps();
  for (size_t unit : must) choice.units.push_back(unit);
  for (size_t unit : open) {
    size_t word = unit / 64 - best.first_word;
    if (best.bits[row * best.words + word] >> (63 - unit % 64) & 1) choice.units.push_back(unit);
  }
  std::sort(choice.units.begin(), choice.units.end());
  return choice;
}

}  // namespace cleave
