// SPDX-License-Identifier: Apache-2.0
#include "policy/choose_selection.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "policy/choose.h"

namespace cleave {
namespace {

// Clusters take the square of the number of kinds.
constexpr size_t kMostForClusters = 256;

}  // namespace

Selection::Selection(const UnitTopology& topology, const ChoiceRequest& request,
                     const std::vector<size_t>& must, const std::vector<size_t>& open)
    : topology_(topology),
      must_(must),
      open_(open),
      to_take_(request.size - must.size()),
      missing_(to_take_) {
  FindKinds();
  FindReach();
  FindSubtrees(request);
  FindCeiling();
}

void Selection::FindKinds() {
  constexpr size_t kNone = std::numeric_limits<size_t>::max();
  std::vector<size_t> kind_of(topology_.size, kNone);  // by number of alike ones, or place
  std::vector<size_t> model;                           // of each kind its first open unit
  std::vector<size_t> second;                          // another one; the first where there is none
  for (size_t unit : open_) {
    size_t& kind = kind_of[topology_.alike.empty() ? topology_.Place(unit) : topology_.alike[unit]];
    if (kind == kNone) {
      kind = model.size();
      model.push_back(unit);
      second.push_back(unit);
      capacity_.push_back(0);
    } else {
      second[kind] = unit;
    }
    ++capacity_[kind];
    kind_of_open_.push_back(kind);
  }
  taken_.assign(model.size(), 0);
  affinity_.resize(model.size() * model.size());
  gain_.assign(model.size(), 0);
  for (size_t a = 0; a < model.size(); ++a) {
    for (size_t b = 0; b < model.size(); ++b)
      affinity_[a * model.size() + b] = topology_.Affinity(model[a], a == b ? second[b] : model[b]);
    if (capacity_[a] == 1) affinity_[a * model.size() + a] = 0;
    near_.push_back(topology_.Near(model[a]));
    gain_[a] = near_[a];
    for (size_t unit : must_) gain_[a] += topology_.Affinity(model[a], unit);
  }
  for (size_t i = 0; i < must_.size(); ++i) {
    score_ += topology_.Near(must_[i]);
    for (size_t j = 0; j < i; ++j) score_ += topology_.Affinity(must_[i], must_[j]);
  }
}

void Selection::FindReach() {
  reach_of_ = gain_;  // that of the must-include ones
  for (size_t kind = 0; kind < kinds(); ++kind) {
    reach_of_[kind] += near_[kind];  // twice in all, as each pair of the chosen
    const double* row = &affinity_[kind * kinds()];
    for (size_t other = 0; other < kinds(); ++other)
      reach_of_[kind] += row[other] * static_cast<double>(capacity_[other] - (other == kind ? 1 : 0));
  }
  by_reach_.resize(kinds());
  std::iota(by_reach_.begin(), by_reach_.end(), size_t{0});
  std::stable_sort(by_reach_.begin(), by_reach_.end(),
                   [&](size_t a, size_t b) { return reach_of_[a] < reach_of_[b]; });
}

// Only a subtree whose healthy units are all free can be left untouched.
void Selection::FindSubtrees(const ChoiceRequest& request) {
  constexpr size_t kNotOpen = std::numeric_limits<size_t>::max();
  std::vector<size_t> kind(topology_.size, kNotOpen);
  std::vector<char> in_use(topology_.size, 0);
  for (size_t unit : request.healthy) in_use[unit] = 1;
  for (size_t i = 0; i < open_.size(); ++i) {
    kind[open_[i]] = kind_of_open_[i];
    in_use[open_[i]] = 0;
  }
  for (size_t unit : must_) in_use[unit] = 1;
  for (const std::vector<std::vector<size_t>>& level : topology_.subtrees) {
    std::vector<std::vector<size_t>> intact;
    for (const std::vector<size_t>& units : level) {
      std::vector<size_t> kinds;
      for (size_t unit : units) {
        if (kind[unit] != kNotOpen && (kinds.empty() || kinds.back() != kind[unit]))
          kinds.push_back(kind[unit]);
      }
      std::sort(kinds.begin(), kinds.end());
      kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
      if (kinds.size() > 1) blocks_.push_back(kinds);
      if (std::none_of(units.begin(), units.end(), [&](size_t unit) { return in_use[unit] != 0; }))
        intact.push_back(std::move(kinds));
    }
    intact_.push_back(std::move(intact));
  }
}

// How many subtrees can be left untouched at best, level by level: the units outside of them are taken first,
// then the largest of them. A set that reaches it cannot be beaten by one of equal score.
void Selection::FindCeiling() {
  for (const std::vector<std::vector<size_t>>& level : intact_) {
    std::vector<char> inside(kinds(), 0);
    std::vector<size_t> sizes;
    for (const std::vector<size_t>& members : level) {
      size_t open = 0;
      for (size_t kind : members) {
        open += capacity_[kind];
        inside[kind] = 1;
      }
      sizes.push_back(open);
    }
    std::sort(sizes.begin(), sizes.end(), std::greater<>());
    size_t covered = 0;
    for (size_t kind = 0; kind < kinds(); ++kind) covered += inside[kind] ? 0 : capacity_[kind];
    size_t touched = 0;
    while (covered < to_take_ && touched < sizes.size()) covered += sizes[touched++];
    ceiling_.push_back(static_cast<int>(sizes.size() - touched));
  }
}

// Single linkage: along the spanning tree of the highest affinities (Prim), from the highest one down, parts
// are joined; between two values every part that is new is a cluster.
void Selection::AddClusters() {
  if (kinds() > kMostForClusters) return;
  struct Edge {
    double affinity;
    size_t from;
    size_t to;
  };
  std::vector<Edge> best(kinds(), {-std::numeric_limits<double>::infinity(), 0, 0});
  std::vector<Edge> edges;
  std::vector<char> reached(kinds(), 0);
  for (size_t last = 0, round = 1; round < kinds(); ++round) {
    reached[last] = 1;
    size_t next = kinds();
    for (size_t kind = 0; kind < kinds(); ++kind) {
      if (reached[kind]) continue;
      if (affinity(last, kind) > best[kind].affinity) best[kind] = {affinity(last, kind), last, kind};
      if (next == kinds() || best[kind].affinity > best[next].affinity) next = kind;
    }
    edges.push_back(best[next]);
    last = next;
  }
  std::stable_sort(edges.begin(), edges.end(),
                   [](const Edge& a, const Edge& b) { return a.affinity > b.affinity; });
  std::vector<size_t> part(kinds());
  std::iota(part.begin(), part.end(), size_t{0});
  std::vector<std::vector<size_t>> members(kinds());
  for (size_t kind = 0; kind < kinds(); ++kind) members[kind] = {kind};
  std::set<size_t> changed;
  std::set<std::vector<size_t>> known(blocks_.begin(), blocks_.end());
  for (size_t i = 0; i < edges.size(); ++i) {
    const size_t kept = part[edges[i].from];
    const size_t gone = part[edges[i].to];
    for (size_t kind : members[gone]) part[kind] = kept;
    members[kept].insert(members[kept].end(), members[gone].begin(), members[gone].end());
    members[gone].clear();
    changed.erase(gone);
    changed.insert(kept);
    if (i + 1 < edges.size() && edges[i + 1].affinity > edges[i].affinity - kSameScore) continue;
    for (size_t one : changed) {
      std::vector<size_t> cluster = members[one];
      std::sort(cluster.begin(), cluster.end());
      if (known.insert(cluster).second) blocks_.push_back(std::move(cluster));
    }
    changed.clear();
  }
}

void Selection::Take(size_t kind, size_t count) {
  const double* row = &affinity_[kind * kinds()];
  auto number = static_cast<double>(count);
  score_ += number * gain_[kind] + row[kind] * number * (number - 1) / 2;
  for (size_t i = 0; i < kinds(); ++i) gain_[i] += number * row[i];
  reach_ += number * reach_of_[kind];
  taken_[kind] += count;
  missing_ -= count;
}

void Selection::Drop(size_t kind, size_t count) {
  const double* row = &affinity_[kind * kinds()];
  auto number = static_cast<double>(count);
  for (size_t i = 0; i < kinds(); ++i) gain_[i] -= number * row[i];
  score_ -= number * gain_[kind] + row[kind] * number * (number - 1) / 2;
  reach_ -= number * reach_of_[kind];
  taken_[kind] -= count;
  missing_ += count;
}

std::vector<int> Selection::Untouched() const {
  std::vector<int> counts;
  counts.reserve(intact_.size());
  for (const std::vector<std::vector<size_t>>& level : intact_) {
    counts.push_back(
        static_cast<int>(std::count_if(level.begin(), level.end(), [&](const std::vector<size_t>& members) {
          return std::none_of(members.begin(), members.end(), [&](size_t kind) { return taken_[kind] != 0; });
        })));
  }
  return counts;
}

bool Selection::Consider(bool first) {
  if (!best_.Improve(score_, reach_, first, [&] { return Untouched(); })) return false;
  best_taken_ = taken_;
  return true;
}

std::vector<size_t> Selection::Best() const {
  std::vector<size_t> units = must_;
  std::vector<size_t> left = best_taken_;
  for (size_t i = 0; i < open_.size(); ++i) {
    if (left[kind_of_open_[i]] == 0) continue;
    --left[kind_of_open_[i]];
    units.push_back(open_[i]);
  }
  std::sort(units.begin(), units.end());
  return units;
}

}  // namespace cleave
