// SPDX-License-Identifier: Apache-2.0
// The best cover of a few vertices, and what a search for one of many needs. Private to src/topology.
#ifndef CLEAVE_TOPOLOGY_EXACT_COVER_H_
#define CLEAVE_TOPOLOGY_EXACT_COVER_H_

#include <cstddef>
#include <vector>

#include "topology/cover.h"

namespace cleave {

// Of so many vertices every way to cover them is looked at.
inline constexpr size_t kMostForExactCover = 16;

// Sums of the same numbers in another order are no gain.
inline constexpr double kCoverGain = 1e-6;

using VertexSet = std::vector<size_t>;

// Vertices of one component with their edges and worths at hand; they are numbered anew, from 0.
class CoverComponent {
 public:
  CoverComponent(const CoverQuestion& question, VertexSet members);

  size_t count() const { return members_.size(); }
  size_t size() const { return size_; }
  size_t vertex(size_t member) const { return members_[member]; }
  bool Joined(size_t a, size_t b) const { return joined_[a * count() + b] != 0; }
  double Worth(size_t a, size_t b) const { return worth_[a * count() + b]; }

  // What a member and those of the set that are not itself have in common.
  double WorthTo(size_t member, const VertexSet& set) const;
  // Whether an edge joins the two sets.
  bool Touch(const VertexSet& a, const VertexSet& b) const;
  // Whether the set hangs together by edges.
  bool HangsTogether(const VertexSet& set) const;

 private:
  VertexSet members_;
  size_t size_;
  std::vector<char> joined_;
  std::vector<double> worth_;
};

// Sets are compared by how many there are, then by what they are worth.
struct CoverValue {
  size_t sets = 0;
  double worth = 0;
  bool Beats(const CoverValue& other) const {
    return sets != other.sets ? sets > other.sets : worth > other.worth + kCoverGain;
  }
};

CoverValue ValueOf(const CoverComponent& component, const std::vector<VertexSet>& sets);

// The best sets of `size` among these members of a component, at most kMostForExactCover.
std::vector<VertexSet> ExactCover(const CoverComponent& component, const VertexSet& members, size_t size);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_EXACT_COVER_H_
