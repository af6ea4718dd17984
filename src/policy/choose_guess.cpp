// SPDX-License-Identifier: Apache-2.0
#include "policy/choose_guess.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "policy/choose_selection.h"

namespace cleave {
namespace {

// Swaps in a row without a new best after which a walk ends.
constexpr size_t kFruitless = 12;
// Pairs looked at for a swap: beyond so many kinds on one side only the most promising ones.
constexpr size_t kMostCandidates = 16;

struct Move {
  size_t out = 0;
  size_t in = 0;
  size_t count = 0;  // 0: no move
  double change = -std::numeric_limits<double>::infinity();
};

class Walk {
 public:
  Walk(Selection& selection, uint64_t effort, const std::function<bool()>& give_up)
      : selection_(selection), effort_(effort), give_up_(give_up), moved_at_(selection.kinds(), 0) {}

  uint64_t spent() const { return spent_; }
  bool HasEffort() const { return spent_ < effort_ && (!give_up_ || !give_up_()); }

  // All units of a part of the machine, or of a cluster. False when that is none, one, or more than are
  // wanted.
  bool TakeBlock(const std::vector<std::vector<size_t>>& blocks, size_t number) {
    if (number >= blocks.size()) return false;
    size_t units = 0;
    for (size_t kind : blocks[number]) units += selection_.capacity(kind);
    spent_ += blocks[number].size();
    if (units > selection_.missing()) return false;
    for (size_t kind : blocks[number]) selection_.Take(kind, selection_.capacity(kind));
    spent_ += blocks[number].size() * selection_.kinds();
    return true;
  }

  // As TakeBlock(), and then other parts as long as one fits: each time the one that adds most for each of
  // its units. Two linked boards may be worth more than what grows from one of them unit by unit.
  bool TakeBlocks(const std::vector<std::vector<size_t>>& blocks, size_t number) {
    bool found = false;
    while (number < blocks.size() && TakeBlock(blocks, number)) {
      found = true;
      number = BestBlock(blocks);
    }
    return found;
  }

  // The best set so far without about a third of it, and one unit from somewhere else.
  void TakePartOfBest(size_t elsewhere) {
    size_t kinds = selection_.kinds();
    selection_.Take(elsewhere);
    for (size_t i = 0; i < kinds; ++i) {
      size_t kind = elsewhere + i < kinds ? elsewhere + i : elsewhere + i - kinds;
      size_t wanted =
          std::min(selection_.best_taken(kind), selection_.capacity(kind) - selection_.taken(kind));
      wanted = std::min(wanted, selection_.missing());
      if (wanted == 0 || 3 * i < kinds) continue;
      selection_.Take(kind, wanted);
      spent_ += kinds;
    }
  }

  // Blocks that fit, those worth most for each of their units first.
  std::vector<size_t> BestFirst(const std::vector<std::vector<size_t>>& blocks) {
    std::vector<std::pair<double, size_t>> order;
    for (size_t number = 0; number < blocks.size(); ++number) {
      if (std::optional<double> worth = Worth(blocks, number)) order.emplace_back(-*worth, number);
    }
    std::sort(order.begin(), order.end());
    std::vector<size_t> numbers;
    numbers.reserve(order.size());
    for (const auto& [worth, number] : order) numbers.push_back(number);
    return numbers;
  }

  // Takes what adds most until the set is complete; of equals the first from `origin` on.
  void Complete(size_t origin) {
    while (selection_.missing() > 0) {
      size_t best = selection_.kinds();
      for (size_t i = 0; i < selection_.kinds(); ++i) {
        size_t kind = origin + i < selection_.kinds() ? origin + i : origin + i - selection_.kinds();
        if (selection_.taken(kind) == selection_.capacity(kind)) continue;
        if (best == selection_.kinds() || selection_.gain(kind) > selection_.gain(best) + kSameScore)
          best = kind;
      }
      // Where units of a kind are near each other, and what is nearest has room for them, all at once.
      size_t count = 1;
      if (selection_.affinity(best, best) >= selection_.gain(best) / static_cast<double>(Taken() + 1))
        count = std::min(selection_.missing(), selection_.capacity(best) - selection_.taken(best));
      selection_.Take(best, count);
      spent_ += 2 * selection_.kinds();
    }
    selection_.Consider(false);
  }

  // The best swap again and again, a bad one too when there is no better: a kind that was moved stays where
  // it is for a while, so the walk leaves a peak that is not the highest.
  void Improve() {
    std::fill(moved_at_.begin(), moved_at_.end(), 0);
    size_t some = 0;
    for (size_t kind = 0; kind < selection_.kinds(); ++kind) some += selection_.taken(kind) > 0 ? 1 : 0;
    tenure_ = 2 + std::min(some, selection_.kinds() - some) / 4;
    size_t fruitless = 0;
    for (turn_ = tenure_ + 1; fruitless < kFruitless && HasEffort(); ++turn_) {
      Move move = BestMove();
      if (move.count == 0) return;
      double before = selection_.best_score();
      selection_.Drop(move.out, move.count);
      selection_.Take(move.in, move.count);
      moved_at_[move.out] = moved_at_[move.in] = turn_;
      selection_.Consider(false);
      fruitless = selection_.best_score() > before + kSameScore ? 0 : fruitless + 1;
    }
  }

  void Clear() {
    for (size_t kind = 0; kind < selection_.kinds(); ++kind) {
      if (selection_.taken(kind) > 0) selection_.Drop(kind, selection_.taken(kind));
    }
  }

 private:
  // The sum over the pairs within each block, which never changes.
  void SumWithin(const std::vector<std::vector<size_t>>& blocks) {
    for (const std::vector<size_t>& block : blocks) {
      double sum = 0;
      for (size_t i = 0; i < block.size(); ++i) {
        const auto count = static_cast<double>(selection_.capacity(block[i]));
        sum += count * selection_.affinity(block[i], block[i]) * (count - 1) / 2;
        for (size_t j = 0; j < i; ++j)
          sum += count * static_cast<double>(selection_.capacity(block[j])) *
                 selection_.affinity(block[i], block[j]);
        spent_ += i + 1;
      }
      within_.push_back(sum);
    }
  }

  // What a block adds for each of its units; nullopt when it does not fit.
  std::optional<double> Worth(const std::vector<std::vector<size_t>>& blocks, size_t number) {
    if (within_.empty()) SumWithin(blocks);
    double units = 0;
    double sum = within_[number];
    bool is_free = true;
    for (size_t kind : blocks[number]) {
      is_free = is_free && selection_.taken(kind) == 0;
      const auto count = static_cast<double>(selection_.capacity(kind));
      sum += count * selection_.gain(kind);
      units += count;
    }
    spent_ += blocks[number].size();
    if (!is_free || units > static_cast<double>(selection_.missing())) return std::nullopt;
    return sum / units;
  }

  // blocks.size() when none fits.
  size_t BestBlock(const std::vector<std::vector<size_t>>& blocks) {
    size_t best = blocks.size();
    double best_worth = -std::numeric_limits<double>::infinity();
    for (size_t number = 0; number < blocks.size(); ++number) {
      const std::optional<double> worth = Worth(blocks, number);
      if (!worth || *worth <= best_worth + kSameScore) continue;
      best = number;
      best_worth = *worth;
    }
    return best;
  }

  size_t Taken() const { return selection_.to_take() - selection_.missing(); }
  bool Rests(size_t kind) const { return moved_at_[kind] != 0 && turn_ - moved_at_[kind] <= tenure_; }

  // Keeps those that promise most.
  void Shorten(std::vector<size_t>& kinds, double sign) const {
    if (kinds.size() <= kMostCandidates) return;
    std::nth_element(kinds.begin(), kinds.begin() + kMostCandidates, kinds.end(), [&](size_t a, size_t b) {
      double left = sign * selection_.gain(a);
      double right = sign * selection_.gain(b);
      return left != right ? left > right : a < b;
    });
    kinds.resize(kMostCandidates);
    std::sort(kinds.begin(), kinds.end());
  }

  // Of one unit, and of as many as will go.
  Move BestMove() {
    outs_.clear();
    ins_.clear();
    for (size_t kind = 0; kind < selection_.kinds(); ++kind) {
      if (selection_.taken(kind) > 0 && !Rests(kind)) outs_.push_back(kind);
      if (selection_.taken(kind) < selection_.capacity(kind)) ins_.push_back(kind);
    }
    Shorten(outs_, -1);
    Shorten(ins_, 1);
    spent_ += 4 * selection_.kinds() + 2 * outs_.size() * ins_.size();
    Move best;
    double wanted = selection_.best_score() + kSameScore - selection_.score();
    for (size_t out : outs_) {
      for (size_t in : ins_) {
        if (in == out) continue;
        double step = selection_.gain(in) - selection_.gain(out);
        double own = selection_.affinity(out, out) + selection_.affinity(in, in);
        double cross = selection_.affinity(in, out);
        size_t most = std::min(selection_.taken(out), selection_.capacity(in) - selection_.taken(in));
        for (size_t count : {size_t{1}, most}) {
          // The pairs within what leaves and within what comes, and those between the two.
          auto number = static_cast<double>(count);
          double change = number * step + selection_.affinity(out, out) * number +
                          own * number * (number - 1) / 2 - cross * number * number;
          if (change > best.change + kSameScore && (!Rests(in) || change > wanted))
            best = {.out = out, .in = in, .count = count, .change = change};
          if (most == 1) break;
        }
      }
    }
    return best;
  }

  Selection& selection_;
  const uint64_t effort_;
  const std::function<bool()>& give_up_;
  uint64_t spent_ = 0;
  std::vector<double> within_;    // of each block, once it was asked for
  std::vector<size_t> moved_at_;  // turn of the last move of a kind; 0: not moved
  size_t turn_ = 0;
  size_t tenure_ = 0;
  std::vector<size_t> outs_;
  std::vector<size_t> ins_;
};

}  // namespace

uint64_t Guess(Selection& selection, uint64_t effort, const std::function<bool()>& give_up) {
  // Multiples of the golden ratio are far from each other: a few starts see different parts of the machine.
  constexpr double kGoldenRatio = 0.6180339887498949;
  Walk walk(selection, effort, give_up);
  const std::vector<std::vector<size_t>>& blocks = selection.blocks();
  size_t starts = 3 * std::max(selection.kinds(), blocks.size());
  const std::vector<size_t> order = walk.BestFirst(blocks);
  for (size_t start = 0; start < starts && (start == 0 || walk.HasEffort()); ++start) {
    size_t round = start / 3;
    double place = static_cast<double>(round) * kGoldenRatio;
    place -= std::floor(place);
    auto origin = static_cast<size_t>(place * static_cast<double>(selection.kinds()));
    if (start % 3 == 0) {
      selection.Take(origin);
    } else if (start % 3 == 2) {
      walk.TakePartOfBest(origin);
    } else if (round % 2 == 0 && round / 2 < order.size()) {
      // Sets of whole clusters: what lies between two of them, one unit away from either, is worth less.
      walk.TakeBlocks(blocks, order[round / 2]);
    } else {
      auto block = static_cast<size_t>(place * static_cast<double>(blocks.size()));
      if (!walk.TakeBlock(blocks, block)) continue;
    }
    walk.Complete(origin);
    walk.Improve();
    walk.Clear();
  }
  return walk.spent();
}

}  // namespace cleave
