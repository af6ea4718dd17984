// SPDX-License-Identifier: Apache-2.0
#include "topology/exact_cover.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "topology/cover.h"

namespace cleave {
namespace {

// Sets of `size` of a few members, at most kMostForExactCover: every way, vertex by vertex. The lowest that
// is left goes into one of its sets, or stays out.
class Exact {
 public:
  Exact(const CoverComponent& component, VertexSet members, size_t size)
      : component_(component), members_(std::move(members)), size_(size), by_lowest_(members_.size()) {
    for (size_t a = 0; a < members_.size(); ++a) {
      uint32_t& beside = beside_.emplace_back(0);
      for (size_t b = 0; b < members_.size(); ++b)
        beside |= component.Joined(members_[a], members_[b]) ? uint32_t{1} << b : 0;
    }
    const uint32_t end = uint32_t{1} << members_.size();
    for (uint32_t bits = (uint32_t{1} << size) - 1; bits < end;) {
      if (HangsTogether(bits))
        by_lowest_[static_cast<size_t>(std::countr_zero(bits))].push_back({bits, Worth(bits)});
      const int zeros = std::countr_zero(bits);  // to the next number with as many bits
      uint32_t carried = bits + (uint32_t{1} << zeros);
      bits = ((bits ^ carried) >> (zeros + 2)) | carried;
    }
  }

  std::vector<VertexSet> Run() {
    std::vector<VertexSet> sets;
    for (uint32_t left = (uint32_t{1} << members_.size()) - 1; left != 0;) {
      Best best = Of(left);
      if (best.value.sets == 0) break;
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
    CoverValue value;
    uint32_t taken = 0;  // the set of the lowest vertex; 0: it stays out
  };

  Best Of(uint32_t left) {
    if (static_cast<size_t>(std::popcount(left)) < size_) return {};
    if (auto known = known_.find(left); known != known_.end()) return known->second;
    Best best;
    for (const Candidate& candidate : by_lowest_[static_cast<size_t>(std::countr_zero(left))]) {
      if ((candidate.bits & ~left) != 0) continue;
      CoverValue rest = Of(left & ~candidate.bits).value;
      Best with{{rest.sets + 1, rest.worth + candidate.worth}, candidate.bits};
      if (with.value.Beats(best.value)) best = with;
    }
    Best without{Of(left & (left - 1)).value, 0};
    if (without.value.Beats(best.value)) best = without;
    known_.emplace(left, best);
    return best;
  }

  bool HangsTogether(uint32_t bits) const {
    uint32_t reached = bits & (~bits + 1);
    for (uint32_t before = 0; before != reached;) {
      before = reached;
      for (uint32_t left = before; left != 0; left &= left - 1)
        reached |= beside_[static_cast<size_t>(std::countr_zero(left))] & bits;
    }
    return reached == bits;
  }

  double Worth(uint32_t bits) const {
    double worth = 0;
    for (; bits != 0; bits &= bits - 1) {
      const size_t member = members_[static_cast<size_t>(std::countr_zero(bits))];
      for (uint32_t others = bits & (bits - 1); others != 0; others &= others - 1)
        worth += component_.Worth(member, members_[static_cast<size_t>(std::countr_zero(others))]);
    }
    return worth;
  }

  VertexSet Members(uint32_t bits) const {
    VertexSet set;
    for (; bits != 0; bits &= bits - 1) set.push_back(members_[static_cast<size_t>(std::countr_zero(bits))]);
    return set;
  }

  const CoverComponent& component_;
  const VertexSet members_;
  const size_t size_;
  std::vector<uint32_t> beside_;  // of each member, those that an edge joins it to
  std::vector<std::vector<Candidate>> by_lowest_;
  std::unordered_map<uint32_t, Best> known_;
};

}  // namespace

CoverComponent::CoverComponent(const CoverQuestion& question, VertexSet members)
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

double CoverComponent::WorthTo(size_t member, const VertexSet& set) const {
  double sum = 0;
  for (size_t other : set) sum += other == member ? 0 : Worth(member, other);
  return sum;
}

bool CoverComponent::Touch(const VertexSet& a, const VertexSet& b) const {
  return std::any_of(a.begin(), a.end(), [&](size_t from) {
    return std::any_of(b.begin(), b.end(), [&](size_t to) { return Joined(from, to); });
  });
}

bool CoverComponent::HangsTogether(const VertexSet& set) const {
  VertexSet reached = {set.front()};
  for (size_t i = 0; i < reached.size(); ++i) {
    for (size_t other : set) {
      if (Joined(reached[i], other) && std::find(reached.begin(), reached.end(), other) == reached.end())
        reached.push_back(other);
    }
  }
  return reached.size() == set.size();
}

CoverValue ValueOf(const CoverComponent& component, const std::vector<VertexSet>& sets) {
  CoverValue value{.sets = sets.size(), .worth = 0};
  for (const VertexSet& set : sets) {
    for (size_t member : set) value.worth += component.WorthTo(member, set) / 2;
  }
  return value;
}

std::vector<VertexSet> ExactCover(const CoverComponent& component, const VertexSet& members, size_t size) {
  return Exact(component, members, size).Run();
}

}  // namespace cleave
