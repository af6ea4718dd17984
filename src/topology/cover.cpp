// SPDX-License-Identifier: Apache-2.0
#include "topology/cover.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "topology/components.h"
#include "topology/exact_cover.h"
#include "topology/matching.h"

namespace cleave {
namespace {

// Times that sets are given up and made anew.
constexpr int kRenewals = 40;

// What ExactCover() has said, to be asked again and again.
class KnownBest {
 public:
  explicit KnownBest(const CoverComponent& component) : component_(component) {}

  const std::vector<VertexSet>& Best(const VertexSet& members, size_t size) {
    auto [known, is_new] = known_.try_emplace({size, members});
    if (is_new) known->second = ExactCover(component_, members, size);
    return known->second;
  }

 private:
  const CoverComponent& component_;
  std::map<std::pair<size_t, VertexSet>, std::vector<VertexSet>> known_;
};

// The best pairs of sets that edges join, as sets of twice the size.
std::vector<VertexSet> Doubled(const CoverComponent& component, std::vector<VertexSet> sets) {
  std::vector<WeightedEdge> edges;
  for (size_t a = 0; a < sets.size(); ++a) {
    for (size_t b = a + 1; b < sets.size(); ++b) {
      if (!component.Touch(sets[a], sets[b])) continue;
      double weight = 0;
      for (size_t from : sets[a]) weight += component.WorthTo(from, sets[b]);
      edges.push_back({.a = a, .b = b, .weight = weight});
    }
  }
  std::vector<VertexSet> doubled;
  for (auto [a, b] : BestMatching(sets.size(), edges)) {
    doubled.push_back(std::move(sets[a]));
    doubled.back().insert(doubled.back().end(), sets[b].begin(), sets[b].end());
  }
  return doubled;
}

// Makes sets of `size` better: more of what is free, two members of two sets exchanged, two or three sets
// made anew from all that they hold.
class Search {
 public:
  // `order`: of each vertex, which of equals comes first.
  Search(const CoverComponent& component, size_t size, const VertexSet& order, KnownBest& known,
         std::vector<VertexSet> sets)
      : component_(component),
        size_(size),
        order_(order),
        known_(known),
        sets_(std::move(sets)),
        free_(component.count(), 1) {
    for (const VertexSet& set : sets_) {
      for (size_t member : set) free_[member] = 0;
    }
  }

  std::vector<VertexSet> Run() {
    Grow();
    do {
      while (Exchange()) {
      }
    } while (Remake());
    return std::move(sets_);
  }

 private:
  size_t FreeNeighbours(size_t member) const {
    size_t count = 0;
    for (size_t other = 0; other < component_.count(); ++other)
      count += free_[other] != 0 && component_.Joined(member, other) ? 1 : 0;
    return count;
  }

  // More sets of what is free, each from a vertex that has the fewest free neighbours.
  void Grow() {
    std::vector<char> tried(component_.count(), 0);
    while (true) {
      std::optional<std::tuple<size_t, size_t, size_t>> seed;
      for (size_t i = 0; i < component_.count(); ++i) {
        if (free_[i] == 0 || tried[i] != 0) continue;
        std::tuple<size_t, size_t, size_t> here = {FreeNeighbours(i), order_[i], i};
        if (!seed || here < *seed) seed = here;
      }
      if (!seed) return;
      VertexSet set = {std::get<2>(*seed)};
      tried[set.front()] = 1;
      free_[set.front()] = 0;
      while (set.size() < size_) {
        std::optional<std::tuple<double, size_t, size_t, size_t>> next;
        for (size_t i = 0; i < component_.count(); ++i) {
          if (free_[i] == 0 || !component_.Touch({i}, set)) continue;
          std::tuple<double, size_t, size_t, size_t> here = {-component_.WorthTo(i, set), FreeNeighbours(i),
                                                             order_[i], i};
          if (!next || here < *next) next = here;
        }
        if (!next) break;
        set.push_back(std::get<3>(*next));
        free_[set.back()] = 0;
      }
      if (set.size() == size_) {
        sets_.push_back(std::move(set));
      } else {
        for (size_t member : set) free_[member] = 1;
      }
    }
  }

  // Two members of two sets, or a member and a free vertex, change places. True when that gained something.
  bool Exchange() {
    bool gained = false;
    for (size_t a = 0; a < sets_.size(); ++a) {
      for (size_t i = 0; i < sets_[a].size(); ++i) {
        for (size_t b = a + 1; b < sets_.size(); ++b) {
          for (size_t j = 0; j < sets_[b].size(); ++j) gained = Swap(sets_[a], i, sets_[b], j) || gained;
        }
        for (size_t vertex = 0; vertex < component_.count(); ++vertex)
          gained = (free_[vertex] != 0 && SwapFree(sets_[a], i, vertex)) || gained;
      }
    }
    return gained;
  }

  bool Swap(VertexSet& a, size_t i, VertexSet& b, size_t j) const {
    double before = component_.WorthTo(a[i], a) + component_.WorthTo(b[j], b);
    std::swap(a[i], b[j]);
    double after = component_.WorthTo(a[i], a) + component_.WorthTo(b[j], b);
    if (after > before + kCoverGain && component_.HangsTogether(a) && component_.HangsTogether(b))
      return true;
    std::swap(a[i], b[j]);
    return false;
  }

  bool SwapFree(VertexSet& set, size_t i, size_t vertex) {
    VertexSet alone = {vertex};
    if (!Swap(set, i, alone, 0)) return false;
    free_[vertex] = 0;
    free_[alone.front()] = 1;
    return true;
  }

  // Two sets that edges join, or three in a row, are put together with free vertices beside them, and the
  // best sets of all these take their places. True when that gained something.
  bool Remake() {
    if (2 * size_ > kMostForExactCover) return false;
    for (size_t a = 0; a < sets_.size(); ++a) {
      for (size_t b = 0; b < sets_.size(); ++b) {
        if (a == b || !component_.Touch(sets_[a], sets_[b])) continue;
        if (a < b && Remake({a, b})) return true;
        if (3 * size_ > kMostForExactCover) continue;
        for (size_t c = a + 1; c < sets_.size(); ++c) {
          if (c != b && component_.Touch(sets_[b], sets_[c]) && Remake({a, b, c})) return true;
        }
      }
    }
    return false;
  }

  bool Remake(std::vector<size_t> which) {
    std::sort(which.begin(), which.end());
    std::vector<VertexSet> old;
    VertexSet all;
    for (size_t set : which) {
      old.push_back(sets_[set]);
      all.insert(all.end(), sets_[set].begin(), sets_[set].end());
    }
    const VertexSet held = all;
    for (size_t vertex = 0; vertex < component_.count() && all.size() < kMostForExactCover; ++vertex) {
      if (free_[vertex] != 0 && component_.Touch({vertex}, held)) all.push_back(vertex);
    }
    std::sort(all.begin(), all.end());
    const std::vector<VertexSet>& made = known_.Best(all, size_);
    if (!ValueOf(component_, made).Beats(ValueOf(component_, old))) return false;
    for (size_t member : all) free_[member] = 1;
    for (const VertexSet& set : made) {
      for (size_t member : set) free_[member] = 0;
    }
    for (auto set = which.rbegin(); set != which.rend(); ++set)
      sets_.erase(sets_.begin() + static_cast<std::ptrdiff_t>(*set));
    sets_.insert(sets_.end(), made.begin(), made.end());
    return true;
  }

  const CoverComponent& component_;
  const size_t size_;
  const VertexSet& order_;
  KnownBest& known_;
  std::vector<VertexSet> sets_;
  std::vector<char> free_;
};

// Now and then sets are given up, one and all beside it, and made anew in another order.
std::vector<VertexSet> Renewed(const CoverComponent& component, size_t size, KnownBest& known,
                               std::vector<VertexSet> best) {
  std::minstd_rand random;
  VertexSet order(component.count());
  std::iota(order.begin(), order.end(), size_t{0});
  for (int round = 0; round < kRenewals && best.size() > 1; ++round) {
    // Not std::shuffle(): its order is not the same everywhere.
    for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
    const VertexSet centre = best[random() % best.size()];
    std::vector<VertexSet> sets = best;
    std::erase_if(sets, [&](const VertexSet& set) { return component.Touch(set, centre); });
    std::erase(sets, centre);
    sets = Search(component, size, order, known, std::move(sets)).Run();
    if (!ValueOf(component, best).Beats(ValueOf(component, sets))) best = std::move(sets);
  }
  return best;
}

std::vector<VertexSet> Cover(const CoverComponent& component) {
  const size_t size = component.size();
  std::vector<VertexSet> single;
  for (size_t i = 0; i < component.count(); ++i) single.push_back({i});
  if (size == 2) return Doubled(component, single);
  VertexSet all(component.count());
  std::iota(all.begin(), all.end(), size_t{0});
  if (component.count() <= kMostForExactCover) return ExactCover(component, all, size);
  KnownBest known(component);
  std::vector<VertexSet> best = Search(component, size, all, known, {}).Run();
  // Best pairs of best pairs, as they are, and made better before each step.
  for (bool better : {false, true}) {
    if (!std::has_single_bit(size)) break;
    std::vector<VertexSet> sets = single;
    for (size_t reached = 1; reached < size; reached *= 2) {
      if (better && reached > 2) sets = Search(component, reached, all, known, std::move(sets)).Run();
      sets = Doubled(component, std::move(sets));
    }
    sets = Search(component, size, all, known, std::move(sets)).Run();
    if (ValueOf(component, sets).Beats(ValueOf(component, best))) best = std::move(sets);
  }
  return Renewed(component, size, known, std::move(best));
}

}  // namespace

std::vector<std::vector<size_t>> BestCover(const CoverQuestion& question) {
  std::vector<std::pair<size_t, size_t>> edges;
  for (size_t a = 0; a < question.vertices; ++a) {
    for (size_t b = a + 1; b < question.vertices; ++b) {
      if (question.joined(a, b)) edges.emplace_back(a, b);
    }
  }
  std::vector<VertexSet> sets;
  for (VertexSet& members : Components(question.vertices, edges)) {
    if (members.size() < question.size.value_or(2)) continue;
    if (!question.size) {
      sets.push_back(std::move(members));
      continue;
    }
    CoverComponent component(question, std::move(members));
    for (VertexSet& set : Cover(component)) {
      for (size_t& member : set) member = component.vertex(member);
      std::sort(set.begin(), set.end());
      sets.push_back(std::move(set));
    }
  }
  std::sort(sets.begin(), sets.end());
  return sets;
}

}  // namespace cleave
