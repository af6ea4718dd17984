// SPDX-License-Identifier: Apache-2.0
#include "bench/day/policy.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/day/partition.h"
#include "config/resource_spec.h"
#include "policy/choose.h"

namespace cleave::day {
namespace {

// Nodes of at most this many cards have each answer computed once.
constexpr size_t kRemembered = 16;

std::vector<size_t> Listed(Set set) {
  std::vector<size_t> cards;
  for (; set != 0; set &= set - 1) cards.push_back(Lowest(set));
  return cards;
}

// A policy whose answer depends on nothing but what is available.
class Fixed : public Policy {
 public:
  using Rule = std::function<Set(Set available, size_t size_index)>;
  Fixed(std::string name, const Node& node, Rule rule) : Policy(std::move(name)), rule_(std::move(rule)) {
    if (node.cards <= kRemembered) answers_ = std::vector<std::atomic<Set>>(kSizeCount << node.cards);
  }

  Set Pick(Set available, size_t size_index, Random&) const override {
    if (answers_.empty()) return rule_(available, size_index);
    // Threads may find the same answer twice; it is the same.
    std::atomic<Set>& answer = answers_[available * kSizeCount + size_index];
    Set known = answer.load(std::memory_order_relaxed);
    if (known == 0) answer.store(known = rule_(available, size_index), std::memory_order_relaxed);
    return known;
  }

 private:
  Rule rule_;
  mutable std::vector<std::atomic<Set>> answers_;  // 0: not asked yet
};

Set Closest(const UnitTopology& topology, Set all, Set available, size_t size_index) {
  ChoiceRequest request;
  request.size = kSizes[size_index];
  request.available = Listed(available);
  request.healthy = Listed(all);
  Set chosen = 0;
  for (size_t card : Choose(Preference::kClosest, topology, request).units) chosen |= Only(card);
  return chosen;
}

Set FirstFit(Set available, size_t size_index) {
  Set chosen = 0;
  for (size_t i = 0; i < kSizes[size_index]; ++i) {
    chosen |= available & -available;
    available &= available - 1;
  }
  return chosen;
}

// What the kubelet does by itself, without GetPreferredAllocation.
class AtRandom : public Policy {
 public:
  AtRandom() : Policy("random") {}
  Set Pick(Set available, size_t size_index, Random& random) const override {
    std::vector<size_t> cards = Listed(available);
    Set chosen = 0;
    for (size_t i = 0; i < kSizes[size_index]; ++i) {
      std::swap(cards[i], cards[i + random.Below(cards.size() - i)]);
      chosen |= Only(cards[i]);
    }
    return chosen;
  }
};

// NVIDIA's objective with the cards in the order in which the kubelet lists them: any.
class NvidiaShuffled : public Policy {
 public:
  explicit NvidiaShuffled(std::shared_ptr<const BestPartition> partition)
      : Policy("nvidia-shuffled"), partition_(std::move(partition)) {}
  Set Pick(Set available, size_t size_index, Random& random) const override {
    std::vector<size_t> cards = Listed(available);
    for (size_t i = 0; i < cards.size(); ++i) std::swap(cards[i], cards[i + random.Below(cards.size() - i)]);
    return partition_->Pick(cards, size_index);
  }

 private:
  std::shared_ptr<const BestPartition> partition_;
};

// The first set in PCI order of those with the highest score: what comes before a member is left out where
// that costs nothing.
Set FirstOfTheBest(const UnitTopology& topology, Set all, Set available, size_t size_index) {
  ChoiceRequest request;
  request.size = kSizes[size_index];
  request.healthy = Listed(all);
  request.available = Listed(available);
  Choice best = Choose(Preference::kClosest, topology, request);
  const double score = best.score;
  for (size_t card : Listed(available)) {
    if (request.must_include.size() == request.size) break;
    bool is_in = std::find(best.units.begin(), best.units.end(), card) != best.units.end();
    if (!is_in) {
      ChoiceRequest with = request;
      with.must_include.push_back(card);
      Choice other = Choose(Preference::kClosest, topology, with);
      is_in = other.score >= score - 1e-6;
      if (is_in) best = std::move(other);
    }
    if (is_in) request.must_include.push_back(card);
    std::erase(request.available, card);
  }
  Set chosen = 0;
  for (size_t card : request.must_include) chosen |= Only(card);
  return chosen;
}

// AMD's objective: the least sum of weights, the first such set in PCI order; whole GPUs have one partition
// each, so the rule "fewest free partitions first" does not tell them apart. Our search finds it: highest sum
// of (80 - weight).
Fixed::Rule Amd(const Node& node) {
  UnitTopology topology;
  topology.size = node.cards;
  topology.affinity.assign(node.cards * node.cards, 0);
  for (size_t i = 0; i < topology.affinity.size(); ++i) {
    if (i / node.cards != i % node.cards) topology.affinity[i] = 80 - node.amd[i];
  }
  return [topology, all = node.all](Set available, size_t size_index) {
    return FirstOfTheBest(topology, all, available, size_index);
  };
}

}  // namespace

std::vector<std::unique_ptr<Policy>> AllPolicies(const Node& node) {
  auto partition = std::make_shared<const BestPartition>(node);
  std::vector<std::unique_ptr<Policy>> policies;
  auto add = [&](const char* name, Fixed::Rule rule) {
    policies.push_back(std::make_unique<Fixed>(name, node, std::move(rule)));
  };
  add("ours", [&node](Set available, size_t size_index) {
    return Closest(*node.topology, node.all, available, size_index);
  });
  add("nvidia", [partition](Set available, size_t size_index) {
    return partition->Pick(Listed(available), size_index);
  });
  policies.push_back(std::make_unique<NvidiaShuffled>(partition));
  add("amd", Amd(node));
  add("first-fit", FirstFit);
  policies.push_back(std::make_unique<AtRandom>());
  return policies;
}

}  // namespace cleave::day
