// SPDX-License-Identifier: Apache-2.0
#include "topology/matching.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "topology/components.h"

namespace cleave {
namespace {

// Weights carry three ranks (number of pairs, affinity, nearness), which takes more than 64 bits.
using Number = __int128;
constexpr int kNone = -1;

// Edmonds' primal-dual method for maximum weight matching in general graphs (J. Edmonds, "Maximum matching
// and a polyhedron with 0,1-vertices", 1965), with the bookkeeping that makes it O(n^3) (Z. Galil, "Efficient
// algorithms for finding maximum matching in graphs", 1986).
//
// Nodes are vertices (0 to n-1) and blossoms (odd circles that were shrunk, n to 2n-1). An outer node is in
// no other. Alternating trees grow from free outer nodes: even nodes are roots or stand behind a matched
// edge, odd ones before it.
class Matcher {
 public:
  Matcher(size_t size, const std::vector<std::vector<Number>>& weights)
      : n_(static_cast<int>(size)),
        end_(n_),
        nodes_(2 * size),
        edges_(2 * size, std::vector<Edge>(2 * size)),
        weights_(weights) {
    Number most = 0;
    for (int u = 0; u < n_; ++u) {
      for (int v = 0; v < n_; ++v) {
        most = std::max(most, Weight(u, v));
        if (Weight(u, v) > 0) At(u, v) = {u, v};
      }
    }
    for (int u = 0; u < n_; ++u) {
      node(u).dual = most;
      node(u).outer = u;
      node(u).child_with.assign(size, kNone);
      node(u).child_with[static_cast<size_t>(u)] = u;
    }
    for (int b = n_; b < 2 * n_; ++b) node(b).child_with.assign(size, kNone);
  }

  // The partner of each vertex, or kNone.
  std::vector<int> Run() {
    while (Augment()) {
    }
    std::vector<int> partners;
    for (int u = 0; u < n_; ++u) partners.push_back(node(u).mate);
    return partners;
  }

 private:
  enum class Label { kFree, kEven, kOdd };
  struct Edge {
    int from = kNone;  // vertices
    int to = kNone;
    bool exists() const { return from != kNone; }
  };
  struct Node {
    Number dual = 0;
    int outer = kNone;   // the outer node that holds it; kNone: an unused blossom
    int mate = kNone;    // the vertex at the other end of its matched edge
    int parent = kNone;  // of an odd node: the vertex at the other end of the edge to its parent
    int best = kNone;    // the vertex of an even outer node whose edge to this one has the least slack
    int visit = 0;
    Label label = Label::kFree;
    std::vector<int> children;    // of a blossom: the circle, from its base on
    std::vector<int> child_with;  // by vertex: the child that holds it, or kNone
  };

  Node& node(int x) { return nodes_[static_cast<size_t>(x)]; }
  Edge& At(int x, int y) { return edges_[static_cast<size_t>(x)][static_cast<size_t>(y)]; }
  Number Weight(int u, int v) const { return weights_[static_cast<size_t>(u)][static_cast<size_t>(v)]; }
  bool IsOuter(int x) { return node(x).outer == x; }
  int Outer(int vertex) { return vertex == kNone ? kNone : node(vertex).outer; }

  // Twice the weight, so that halves of slacks stay whole numbers.
  Number Slack(const Edge& edge) {
    return node(edge.from).dual + node(edge.to).dual - 2 * Weight(edge.from, edge.to);
  }

  void Offer(int vertex, int x) {
    int& best = node(x).best;
    if (best == kNone || Slack(At(vertex, x)) < Slack(At(best, x))) best = vertex;
  }

  void FindBest(int x) {
    node(x).best = kNone;
    for (int u = 0; u < n_; ++u) {
      if (At(u, x).exists() && Outer(u) != x && node(Outer(u)).label == Label::kEven) Offer(u, x);
    }
  }

  void Enqueue(int x) {
    if (x < n_) {
      queue_.push_back(x);
      return;
    }
    for (int child : node(x).children) Enqueue(child);
  }

  void SetOuter(int x, int outer) {
    node(x).outer = outer;
    if (x < n_) return;
    for (int child : node(x).children) SetOuter(child, outer);
  }

  // Number of steps along the circle of blossom b from its base to `child`; turns the circle round so that it
  // is even.
  size_t EvenWay(int b, int child) {
    std::vector<int>& circle = node(b).children;
    auto at = static_cast<size_t>(std::find(circle.begin(), circle.end(), child) - circle.begin());
    if (at % 2 == 0) return at;
    std::reverse(circle.begin() + 1, circle.end());
    return circle.size() - at;
  }

  // Matches x by its edge to y, and the inside of x to suit.
  void Match(int x, int y) {
    Edge edge = At(x, y);
    node(x).mate = edge.to;
    if (x < n_) return;
    int child = node(x).child_with[static_cast<size_t>(edge.from)];
    size_t way = EvenWay(x, child);
    for (size_t i = 0; i < way; ++i) Match(node(x).children[i], node(x).children[i ^ 1U]);
    Match(child, y);
    std::vector<int>& circle = node(x).children;
    std::rotate(circle.begin(), circle.begin() + static_cast<std::ptrdiff_t>(way), circle.end());
  }

  // Matches x to y and turns matched and free edges round from x up to its root.
  void Flip(int x, int y) {
    while (true) {
      int odd = Outer(node(x).mate);
      Match(x, y);
      if (odd == kNone) return;
      int even = Outer(node(odd).parent);
      Match(odd, even);
      x = even;
      y = odd;
    }
  }

  // The next even node on the way from x to its root.
  int Up(int x) {
    int odd = Outer(node(x).mate);
    return odd == kNone ? kNone : Outer(node(odd).parent);
  }

  int Meet(int x, int y) {
    for (++visit_; x != kNone || y != kNone; std::swap(x, y)) {
      if (x == kNone) continue;
      if (node(x).visit == visit_) return x;
      node(x).visit = visit_;
      x = Up(x);
    }
    return kNone;
  }

  void Shrink(int x, int meet, int y) {
    int b = n_;
    while (b < end_ && node(b).outer != kNone) ++b;
    end_ = std::max(end_, b + 1);
    Node& blossom = node(b);
    blossom.dual = 0;
    blossom.label = Label::kEven;
    blossom.mate = node(meet).mate;
    blossom.parent = kNone;
    blossom.children = {meet};
    auto climb = [&](int from) {
      for (int even = from; even != meet; even = Up(even)) {
        int odd = Outer(node(even).mate);
        blossom.children.push_back(even);
        blossom.children.push_back(odd);
        Enqueue(odd);
      }
    };
    climb(x);
    std::reverse(blossom.children.begin() + 1, blossom.children.end());
    climb(y);
    SetOuter(b, b);
    for (int z = 0; z < end_; ++z) At(b, z) = At(z, b) = {};
    std::fill(blossom.child_with.begin(), blossom.child_with.end(), kNone);
    for (int child : blossom.children) {
      for (int z = 0; z < end_; ++z) {
        if (!At(child, z).exists()) continue;
        if (At(b, z).exists() && Slack(At(child, z)) >= Slack(At(b, z))) continue;
        At(b, z) = At(child, z);
        At(z, b) = At(z, child);
      }
      for (int u = 0; u < n_; ++u) {
        if (node(child).child_with[static_cast<size_t>(u)] != kNone)
          blossom.child_with[static_cast<size_t>(u)] = child;
      }
    }
    FindBest(b);
  }

  // Opens an odd blossom whose dual is used up.
  void Expand(int b) {
    for (int child : node(b).children) SetOuter(child, child);
    int parent = node(b).parent;
    int entry = node(b).child_with[static_cast<size_t>(At(b, parent).from)];
    size_t way = EvenWay(b, entry);
    const std::vector<int> circle = node(b).children;
    for (size_t i = 0; i < way; i += 2) {
      int odd = circle[i];
      int even = circle[i + 1];
      node(odd).parent = At(even, odd).from;
      node(odd).label = Label::kOdd;
      node(odd).best = kNone;
      node(even).label = Label::kEven;
      FindBest(even);
      Enqueue(even);
    }
    node(entry).label = Label::kOdd;
    node(entry).parent = parent;
    for (size_t i = way + 1; i < circle.size(); ++i) {
      node(circle[i]).label = Label::kFree;
      FindBest(circle[i]);
    }
    node(b).outer = kNone;
  }

  // An edge without slack from an even node. True when it led to an augmentation.
  bool Use(const Edge& edge) {
    int x = Outer(edge.from);
    int y = Outer(edge.to);
    if (node(y).label == Label::kFree) {
      int even = Outer(node(y).mate);
      node(y).parent = edge.from;
      node(y).label = Label::kOdd;
      node(y).best = node(even).best = kNone;
      node(even).label = Label::kEven;
      Enqueue(even);
    } else if (node(y).label == Label::kEven) {
      int meet = Meet(x, y);
      if (meet == kNone) {
        Flip(x, y);
        Flip(y, x);
        return true;
      }
      Shrink(x, meet, y);
    }
    return false;
  }

  bool Grow() {
    while (!queue_.empty()) {
      int u = queue_.front();
      queue_.pop_front();
      if (node(Outer(u)).label != Label::kEven) continue;
      for (int v = 0; v < n_; ++v) {
        if (!At(u, v).exists() || Outer(u) == Outer(v)) continue;
        if (Slack(At(u, v)) > 0) {
          Offer(u, Outer(v));
        } else if (Use(At(u, v))) {
          return true;
        }
      }
    }
    return false;
  }

  Number LeastStep() {
    Number step = std::numeric_limits<Number>::max();
    for (int x = 0; x < end_; ++x) {
      if (!IsOuter(x)) continue;
      const Node& outer = node(x);
      if (x >= n_ && outer.label == Label::kOdd) step = std::min(step, outer.dual / 2);
      if (outer.best == kNone || outer.label == Label::kOdd) continue;
      Number slack = Slack(At(outer.best, x));
      step = std::min(step, outer.label == Label::kEven ? slack / 2 : slack);
    }
    return step;
  }

  // False when a free vertex has nothing left to gain: the matching is the heaviest.
  bool MoveDuals(Number step) {
    for (int u = 0; u < n_; ++u) {
      Label label = node(Outer(u)).label;
      if (label == Label::kEven && node(u).dual <= step) return false;
    }
    for (int x = 0; x < end_; ++x) {
      bool is_vertex = x < n_;
      if (!is_vertex && !IsOuter(x)) continue;
      Label label = is_vertex ? node(Outer(x)).label : node(x).label;
      if (label == Label::kFree) continue;
      bool falls = (label == Label::kEven) == is_vertex;
      Number change = is_vertex ? step : 2 * step;
      node(x).dual += falls ? -change : change;
    }
    return true;
  }

  // One more pair; false when there is none to gain.
  bool Augment() {
    queue_.clear();
    for (int x = 0; x < end_; ++x) {
      node(x).label = Label::kFree;
      node(x).best = kNone;
    }
    for (int x = 0; x < end_; ++x) {
      if (!IsOuter(x) || node(x).mate != kNone) continue;
      node(x).parent = kNone;
      node(x).label = Label::kEven;
      Enqueue(x);
    }
    if (queue_.empty()) return false;
    while (true) {
      if (Grow()) return true;
      if (!MoveDuals(LeastStep())) return false;
      for (int x = 0; x < end_; ++x) {
        if (!IsOuter(x) || node(x).best == kNone || Outer(node(x).best) == x) continue;
        Edge edge = At(node(x).best, x);
        if (Slack(edge) == 0 && Use(edge)) return true;
      }
      for (int b = n_; b < end_; ++b) {
        if (IsOuter(b) && node(b).label == Label::kOdd && node(b).dual == 0) Expand(b);
      }
    }
  }

  const int n_;
  int end_;  // nodes from here on were never used
  int visit_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::vector<Edge>> edges_;  // between nodes: the one of least slack
  const std::vector<std::vector<Number>>& weights_;
  std::deque<int> queue_;
};

}  // namespace

std::vector<std::pair<size_t, size_t>> BestMatching(size_t size, const std::vector<WeightedEdge>& edges) {
  std::vector<std::pair<size_t, size_t>> joined;
  double heaviest = 0;
  for (const WeightedEdge& edge : edges) {
    joined.emplace_back(edge.a, edge.b);
    heaviest = std::max(heaviest, edge.weight);
  }
  auto steps = [](double weight) { return static_cast<Number>(std::llround(weight * 1024)); };
  const auto count = static_cast<Number>(size);
  const Number pair_rank = steps(heaviest) * count + 1;
  const Number near_rank = count * count + 1;
  std::vector<std::pair<size_t, size_t>> pairs;
  for (const std::vector<size_t>& members : Components(size, joined)) {
    if (members.size() < 2) continue;
    std::vector<std::vector<Number>> weights(members.size(), std::vector<Number>(members.size(), 0));
    for (const WeightedEdge& edge : edges) {
      auto a = std::lower_bound(members.begin(), members.end(), edge.a);
      auto b = std::lower_bound(members.begin(), members.end(), edge.b);
      if (a == members.end() || *a != edge.a) continue;
      Number nearness = count - static_cast<Number>(edge.a > edge.b ? edge.a - edge.b : edge.b - edge.a);
      Number weight = (pair_rank + steps(edge.weight)) * near_rank + nearness;
      auto row = static_cast<size_t>(a - members.begin());
      auto column = static_cast<size_t>(b - members.begin());
      weights[row][column] = weights[column][row] = weight;
    }
    std::vector<int> partners = Matcher(members.size(), weights).Run();
    for (size_t i = 0; i < partners.size(); ++i) {
      if (partners[i] > static_cast<int>(i))
        pairs.emplace_back(members[i], members[static_cast<size_t>(partners[i])]);
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

}  // namespace cleave
