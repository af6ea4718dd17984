// SPDX-License-Identifier: Apache-2.0
// Who chooses: first-fit, random, the two peers' objectives and ours.
#ifndef CLEAVE_BENCH_DAY_POLICY_H_
#define CLEAVE_BENCH_DAY_POLICY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/day/node.h"
#include "bench/day/trace.h"

namespace cleave::day {

// Threads: any; a policy keeps nothing but answers it has already found.
class Policy {
 public:
  explicit Policy(std::string name) : name_(std::move(name)) {}
  virtual ~Policy() = default;
  const std::string& name() const { return name_; }
  // k of `available`, which has at least k cards. `random` is for policies that depend on chance.
  virtual Set Pick(Set available, size_t size_index, Random& random) const = 0;

 private:
  std::string name_;
};

// "ours" comes first, all are compared with it. The node must outlive the policies.
std::vector<std::unique_ptr<Policy>> AllPolicies(const Node& node);

}  // namespace cleave::day

#endif  // CLEAVE_BENCH_DAY_POLICY_H_
