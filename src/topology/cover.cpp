// SPDX-License-Identifier: Apache-2.0
#include "topology/cover.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "topology/components.h"
#include "topology/matching.h"

namespace cleave {
namespace {

constexpr size_t kMostExact = 16;
constexpr double kGain = 1e-6;  // sums of the same numbers in another order are no gain

using Set = std::vector<size_t>;

// Vertices of one component with their edges and worths at hand; they are numbered anew, from 0.
class Component {
 public:
  Component(const CoverQuestion& question, Set members)
      : members_(std::move(members)),
        size_(*question.size),
        joined_(members_.size() * members_.size()),
        worth_(members_.size() * members_.size()) {
    for (size_t a = 0; a < count(); ++a) {
      for (size_t b = 0; b < count(); ++b) {
        if (a == b) continue;
        joined_[a * count() + b] = question.joined(members_[a], members_[b]) ? 1 : 0;
        worth_[a * count() + b] = question.worth(members_[a], members_[b]);
      }
    }
  }

  size_t count() const { return members_.size(); }
  size_t size() const { return size_; }
  size_t vertex(size_t member) const { return members_[member]; }
  bool Joined(size_t a, size_t b) const { return joined_[a * count() + b] != 0; }
  double Worth(size_t a, size_t b) const { return worth_[a * count() + b]; }

  double WorthTo(size_t member, const Set& set) const {
    double sum = 0;
    for (size_t other : set) sum += other == member ? 0 : Worth(member, other);
    return sum;
  }

  bool HangsTogether(const Set& set) const {
    Set reached = {set.front()};
    for (size_t i = 0; i < reached.size(); ++i) {
      for (size_t other : set) {
        if (Joined(reached[i], other) && std::find(reached.begin(), reached.end(), other) == reached.end())
          reached.push_back(other);
      }
    }
    return reached.size() == set.size();
  }

 private:
  Set members_;
  size_t size_;
  std::vector<char> joined_;
  std::vector<double> worth_;
};

// Every way, vertex by vertex: the lowest that is left goes into one of its sets, or stays out.
class Exact {
 public:
  explicit Exact(const Component& component) : component_(component), by_lowest_(component.count()) {
    const uint32_t end = uint32_t{1} << component.count();
    for (uint32_t bits = (uint32_t{1} << component.size()) - 1; bits < end;) {
      Set set = Members(bits);
      if (component.HangsTogether(set)) {
        double worth = 0;
        for (size_t member : set) worth += component.WorthTo(member, set) / 2;
        by_lowest_[set.front()].push_back({bits, worth});
      }
      const int zeros = std::countr_zero(bits);  // to the next number with as many bits
      uint32_t carried = bits + (uint32_t{1} << zeros);
      bits = ((bits ^ carried) >> (zeros + 2)) | carried;
    }
  }

  std::vector<Set> Run() {
    std::vector<Set> sets;
    for (uint32_t left = (uint32_t{1} << component_.count()) - 1; left != 0;) {
      Best best = Of(left);
      if (best.sets == 0) break;
      if (best.taken != 0) sets.push_back(Members(best.taken));
      left = best.taken != 0 ? left & ~best.taken : left & (left - 1);
    }
    return sets;
  }

 private:
  struct Candidate {
    uint32_t bits;
    double worth;
  };
  struct Best {
    int sets = 0;
    double worth = 0;
    uint32_t taken = 0;  // the set of the lowest vertex; 0: it stays out
    bool Beats(const Best& other) const {
      return sets != other.sets ? sets > other.sets : worth > other.worth + kGain;
    }
  };

  Best Of(uint32_t left) {
    if (static_cast<size_t>(std::popcount(left)) < component_.size()) return {};
    if (auto known = known_.find(left); known != known_.end()) return known->second;
    Best best;
    for (const Candidate& candidate : by_lowest_[static_cast<size_t>(std::countr_zero(left))]) {
      if ((candidate.bits & ~left) != 0) continue;
      Best rest = Of(left & ~candidate.bits);
      Best with{rest.sets + 1, rest.worth + candidate.worth, candidate.bits};
      if (with.Beats(best)) best = with;
    }
    Best without = Of(left & (left - 1));
    without.taken = 0;
    if (without.Beats(best)) best = without;
    known_.emplace(left, best);
    return best;
  }

  static Set Members(uint32_t bits) {
    Set set;
    for (; bits != 0; bits &= bits - 1) set.push_back(static_cast<size_t>(std::countr_zero(bits)));
    return set;
  }

  const Component& component_;
  std::vector<std::vector<Candidate>> by_lowest_;
  std::unordered_map<uint32_t, Best> known_;
};

// Best pairs of best pairs of ..., for sizes that are powers of two.
std::vector<Set> ByDoubling(const Component& component) {
  std::vector<Set> sets;
  for (size_t i = 0; i < component.count(); ++i) sets.push_back({i});
  for (size_t size = 1; size < component.size(); size *= 2) {
    std::vector<WeightedEdge> edges;
    for (size_t a = 0; a < sets.size(); ++a) {
      for (size_t b = a + 1; b < sets.size(); ++b) {
        bool joined = false;
        double weight = 0;
        for (size_t from : sets[a]) {
          joined = joined || std::any_of(sets[b].begin(), sets[b].end(),
                                         [&](size_t to) { return component.Joined(from, to); });
          weight += component.WorthTo(from, sets[b]);
        }
        if (joined) edges.push_back({.a = a, .b = b, .weight = weight});
      }
    }
    std::vector<Set> doubled;
    for (auto [a, b] : BestMatching(sets.size(), edges)) {
      doubled.push_back(std::move(sets[a]));
      doubled.back().insert(doubled.back().end(), sets[b].begin(), sets[b].end());
    }
    sets = std::move(doubled);
  }
  return sets;
}

class Search {
 public:
  Search(const Component& component, std::vector<Set> sets)
      : component_(component), sets_(std::move(sets)), free_(component.count(), 1) {
    for (const Set& set : sets_) {
      for (size_t member : set) free_[member] = 0;
    }
  }

  std::vector<Set> Run() {
    Grow();
    while (Exchange()) {
    }
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
      std::optional<std::pair<size_t, size_t>> seed;
      for (size_t i = 0; i < component_.count(); ++i) {
        if (free_[i] == 0 || tried[i] != 0) continue;
        std::pair<size_t, size_t> here = {FreeNeighbours(i), i};
        if (!seed || here < *seed) seed = here;
      }
      if (!seed) return;
      tried[seed->second] = 1;
      Set set = {seed->second};
      free_[seed->second] = 0;
      while (set.size() < component_.size()) {
        std::optional<std::tuple<double, size_t, size_t>> next;
        for (size_t i = 0; i < component_.count(); ++i) {
          if (free_[i] == 0 || !Touches(i, set)) continue;
          std::tuple<double, size_t, size_t> here = {-component_.WorthTo(i, set), FreeNeighbours(i), i};
          if (!next || here < *next) next = here;
        }
        if (!next) break;
        set.push_back(std::get<2>(*next));
        free_[set.back()] = 0;
      }
      if (set.size() == component_.size()) {
        sets_.push_back(std::move(set));
      } else {
        for (size_t member : set) free_[member] = 1;
      }
    }
  }

  bool Touches(size_t member, const Set& set) const {
    return std::any_of(set.begin(), set.end(),
                       [&](size_t other) { return component_.Joined(member, other); });
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

  bool Swap(Set& a, size_t i, Set& b, size_t j) const {
    double before = component_.WorthTo(a[i], a) + component_.WorthTo(b[j], b);
    std::swap(a[i], b[j]);
    double after = component_.WorthTo(a[i], a) + component_.WorthTo(b[j], b);
    if (after > before + kGain && component_.HangsTogether(a) && component_.HangsTogether(b)) return true;
    std::swap(a[i], b[j]);
    return false;
  }

  bool SwapFree(Set& set, size_t i, size_t vertex) {
    Set alone = {vertex};
    if (!Swap(set, i, alone, 0)) return false;
    free_[vertex] = 0;
    free_[alone.front()] = 1;
    return true;
  }

  const Component& component_;
  std::vector<Set> sets_;
  std::vector<char> free_;
};

std::vector<Set> Cover(const Component& component) {
  bool doubles = std::has_single_bit(component.size());
  if (component.size() == 2) return ByDoubling(component);
  if (component.count() <= kMostExact) return Exact(component).Run();
  return Search(component, doubles ? ByDoubling(component) : std::vector<Set>()).Run();
}

}  // namespace

std::vector<std::vector<size_t>> BestCover(const CoverQuestion& question) {
  std::vector<std::pair<size_t, size_t>> edges;
  for (size_t a = 0; a < question.vertices; ++a) {
    for (size_t b = a + 1; b < question.vertices; ++b) {
      if (question.joined(a, b)) edges.emplace_back(a, b);
    }
  }
  std::vector<Set> sets;
  for (Set& members : Components(question.vertices, edges)) {
    if (members.size() < question.size.value_or(2)) continue;
    if (!question.size) {
      sets.push_back(std::move(members));
      continue;
    }
    Component component(question, std::move(members));
    for (Set& set : Cover(component)) {
      for (size_t& member : set) member = component.vertex(member);
      std::sort(set.begin(), set.end());
      sets.push_back(std::move(set));
    }
  }
  std::sort(sets.begin(), sets.end());
  return sets;
}

}  // namespace cleave
