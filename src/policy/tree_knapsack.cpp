// SPDX-License-Identifier: Apache-2.0
#include "policy/tree_knapsack.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "policy/choose_selection.h"

namespace cleave {
namespace {

// Part of a sum that adding in another order may change.
constexpr double kRounding = 1e-12;
// Different weights of nodes that are as deep: beyond so many a bound takes the highest for all.
constexpr int kSteps = 4;

double Pairs(size_t units) { return static_cast<double>(units) * (static_cast<double>(units) - 1) / 2; }

template <typename T>
std::vector<T> Merge(const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> both(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), both.begin(), std::greater<>());
  return both;
}

// A score is, of each node, what a pair of its units has more in common than with those outside, times the
// pairs taken of it. On one level that is most when the largest parts are filled one after the other.
void FindBounds(KnapsackPart& part) {
  part.bounds.assign(part.most + 1, 0);
  auto fill = [&](const auto& blocks, auto worth) {
    double full = 0;
    size_t sum = 0;
    for (const auto& block : blocks) {
      size_t units = 0;
      for (; sum + units < part.most && units < block.units; ++units)
        part.bounds[sum + units] += full + worth(block, units);
      sum += units;
      full += worth(block, units);
      if (sum == part.most) break;
    }
    for (; sum <= part.most; ++sum) part.bounds[sum] += full;
  };
  struct Block {
    size_t units;
    double worth;
  };
  std::vector<Block> blocks;
  for (const std::vector<std::pair<size_t, double>>& layer : part.layers) {
    // What all have, what those have more that have more, and so on.
    double from = 0;
    for (int step = 0; step < kSteps; ++step) {
      double to = std::numeric_limits<double>::infinity();
      double most = 0;
      for (auto [units, delta] : layer) {
        if (delta > from + kSameScore) to = std::min(to, delta);
        most = std::max(most, delta);
      }
      if (most <= from + kSameScore) break;
      blocks.clear();
      for (auto [units, delta] : layer) {
        if (delta > from + kSameScore) blocks.push_back({units, step + 1 < kSteps ? to - from : most - from});
      }
      fill(blocks, [](const Block& block, size_t units) { return block.worth * Pairs(units); });
      from = to;
    }
  }
  blocks.clear();
  for (auto [worth, units] : part.worths) blocks.push_back({units, worth});
  if (!blocks.empty()) {
    fill(blocks, [](const Block& block, size_t units) { return block.worth * static_cast<double>(units); });
  }
}

uint64_t Bits(const KnapsackPart& part, size_t row, size_t word) {
  if (word < part.first_word || word >= part.first_word + part.words) return 0;
  return part.bits[row * part.words + word - part.first_word];
}

}  // namespace

// A way to make up a number of two parts.
struct Knapsack::Way {
  size_t one = 0;  // units of the first part
  size_t row_a = 0;
  size_t row_b = 0;
  double score = -std::numeric_limits<double>::infinity();
};

size_t Knapsack::Group(std::vector<size_t> must, std::vector<size_t> open, double weight, double reach,
                       double own, double must_own, size_t most) {
  KnapsackPart part;
  part.least = must.size();
  part.most = std::min(most, must.size() + open.size());
  part.weight = weight;
  part.reach = reach;
  part.own = own;
  part.must_own = must_own;
  size_t first = std::numeric_limits<size_t>::max();
  size_t last = 0;
  for (const std::vector<size_t>* units : {&must, &open}) {
    if (units->empty()) continue;
    first = std::min(first, units->front() / 64);
    last = std::max(last, units->back() / 64);
  }
  part.first_word = first;
  part.words = last - first + 1;
  if (must_own != 0) part.worths.emplace_back(must_own / static_cast<double>(must.size()), must.size());
  if (own != 0) part.worths.emplace_back(own, open.size());
  part.must = std::move(must);
  part.open = std::move(open);
  return Add(std::move(part));
}

void Knapsack::Close(size_t number, double delta, size_t units) {
  KnapsackPart& part = parts_[number];
  if (units < 2) delta = 0;
  part.layers.insert(part.layers.begin(), {{units, delta}});
}

void Knapsack::CountWhole(size_t number, std::pair<size_t, uint64_t> one) {
  parts_[number].whole[one.first] += one.second;
}

size_t Knapsack::Join(size_t a, size_t b, double weight, size_t most) {
  for (size_t number : {a, b}) FindBounds(parts_[number]);
  KnapsackPart part;
  KnapsackPart& left = parts_[a];
  KnapsackPart& right = parts_[b];
  part.is_group = false;
  part.a = a;
  part.b = b;
  part.weight = weight;
  part.least = left.least + right.least;
  part.most = std::min(most, left.most + right.most);
  part.first_word = std::min(left.first_word, right.first_word);
  part.words = std::max(left.first_word + left.words, right.first_word + right.words) - part.first_word;
  part.layers.resize(std::max(left.layers.size(), right.layers.size()));
  for (KnapsackPart* side : {&left, &right}) {
    for (size_t level = 0; level < side->layers.size(); ++level)
      part.layers[level] = Merge(part.layers[level], side->layers[level]);
    part.worths = Merge(part.worths, side->worths);
    side->layers.clear();
    side->worths.clear();
  }
  return Add(std::move(part));
}

size_t Knapsack::Row(size_t number, size_t sum) {
  uint32_t& row = parts_[number].row_of[sum - parts_[number].least];
  if (row != KnapsackPart::kNoRow) return row;
  KnapsackPart& part = parts_[number];
  row = static_cast<uint32_t>(part.scores.size());
  size_t index = row;
  if (part.is_group) {
    FillGroup(part, sum);
  } else {
    FillJoined(part, sum);
  }
  if (sum == 0) {
    for (size_t word = 0; word < digits_; ++word) part.untouched[index * digits_ + word] += part.whole[word];
  }
  return index;
}

size_t Knapsack::Add(KnapsackPart part) {
  part.whole.assign(digits_, 0);
  part.row_of.assign(part.most - part.least + 1, KnapsackPart::kNoRow);
  parts_.push_back(std::move(part));
  return parts_.size() - 1;
}

void Knapsack::FillGroup(KnapsackPart& part, size_t sum) {
  size_t taken = sum - part.least;
  part.scores.push_back(part.weight * Pairs(sum) + part.own * static_cast<double>(taken) + part.must_own);
  part.reaches.push_back(part.reach * static_cast<double>(taken));
  part.untouched.resize(part.untouched.size() + digits_);
  size_t begin = part.bits.size();
  part.bits.resize(begin + part.words);
  auto set = [&](size_t unit) {
    part.bits[begin + unit / 64 - part.first_word] |= uint64_t{1} << (63 - unit % 64);
  };
  for (size_t unit : part.must) set(unit);
  for (size_t i = 0; i < taken; ++i) set(part.open[i]);
  steps_ += 1;
}

// Only those ways are looked into whose bound says that they may be the best, that with the highest bound
// first.
void Knapsack::FillJoined(KnapsackPart& part, size_t sum) {
  size_t index = part.scores.size();
  part.scores.emplace_back();  // the place of this row, while the rows of the parts below are made
  part.reaches.emplace_back();
  part.untouched.resize(part.untouched.size() + digits_);
  part.bits.resize(part.bits.size() + part.words);
  KnapsackPart& a = parts_[part.a];
  KnapsackPart& b = parts_[part.b];
  size_t first = std::max(a.least, sum > b.most ? sum - b.most : 0);
  size_t last = std::min(a.most, sum - b.least);
  const double* bounds_a = a.bounds.data();
  const double* bounds_b = b.bounds.data() + sum;
  size_t promising = first;
  double most = bounds_a[first] + *(bounds_b - first);
  for (size_t i = first + 1; i <= last; ++i) {
    double bound = bounds_a[i] + *(bounds_b - i);
    if (bound > most) most = bound, promising = i;
  }
  const double between = part.weight * Pairs(sum);
  const double rounding = kSameScore + kRounding * (std::abs(most) + std::abs(between));
  double enough = -std::numeric_limits<double>::infinity();  // for a bound
  Way best;
  auto look = [&](size_t i) {
    Way way{.one = i, .row_a = Row(part.a, i), .row_b = Row(part.b, sum - i)};
    double own_a = a.scores[way.row_a] - part.weight * Pairs(i);
    double own_b = b.scores[way.row_b] - part.weight * Pairs(sum - i);
    a.bounds[i] = own_a;
    b.bounds[sum - i] = own_b;
    way.score = a.scores[way.row_a] + b.scores[way.row_b] +
                part.weight * static_cast<double>(i) * static_cast<double>(sum - i);
    if (way.score < best.score - kSameScore) return;
    if (way.score > best.score + kSameScore || IsBetter(part, way, best)) {
      best = way;
      enough = best.score - between - rounding;
    }
  };
  look(promising);
  for (size_t i = first; i <= last; ++i) {
    if (bounds_a[i] + *(bounds_b - i) >= enough && i != promising) look(i);
  }
  steps_ += 2 * (last - first + 1);
  part.scores[index] = best.score;
  part.reaches[index] = a.reaches[best.row_a] + b.reaches[best.row_b];
  for (size_t word = 0; word < digits_; ++word) {
    part.untouched[index * digits_ + word] =
        a.untouched[best.row_a * digits_ + word] + b.untouched[best.row_b * digits_ + word];
  }
  for (auto [side, row] : {std::pair(&a, best.row_a), std::pair(&b, best.row_b)}) {
    const uint64_t* from = side->bits.data() + row * side->words;
    uint64_t* to = part.bits.data() + index * part.words + side->first_word - part.first_word;
    for (size_t word = 0; word < side->words; ++word) to[word] |= from[word];
  }
}

bool Knapsack::IsBetter(const KnapsackPart& part, const Way& one, const Way& other) const {
  const KnapsackPart& a = parts_[part.a];
  const KnapsackPart& b = parts_[part.b];
  for (size_t word = 0; word < digits_; ++word) {
    uint64_t mine = a.untouched[one.row_a * digits_ + word] + b.untouched[one.row_b * digits_ + word];
    uint64_t theirs = a.untouched[other.row_a * digits_ + word] + b.untouched[other.row_b * digits_ + word];
    if (mine != theirs) return mine > theirs;
  }
  double reach =
      a.reaches[one.row_a] + b.reaches[one.row_b] - a.reaches[other.row_a] - b.reaches[other.row_b];
  if (std::abs(reach) > kSameReach) return reach < 0;
  for (size_t word = part.first_word; word < part.first_word + part.words; ++word) {
    uint64_t mine = Bits(a, one.row_a, word) | Bits(b, one.row_b, word);
    uint64_t theirs = Bits(a, other.row_a, word) | Bits(b, other.row_b, word);
    if (mine != theirs) return mine > theirs;
  }
  return false;
}

}  // namespace cleave
