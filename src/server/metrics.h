// SPDX-License-Identifier: Apache-2.0
// What cleave measures of itself, in Prometheus' text format. docs/operations.md lists every name.
#ifndef CLEAVE_SERVER_METRICS_H_
#define CLEAVE_SERVER_METRICS_H_

#include <chrono>
#include <memory>
#include <string>

#include "policy/plan.h"

namespace cleave {

// One registry of its own, so that tests may have several. Threads: any.
class Metrics {
 public:
  using Seconds = std::chrono::duration<double>;

  explicit Metrics(const std::string& version);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  ~Metrics();

  // Units by health, and the health of cards. What is no longer in the plan is no longer shown.
  void SetPlan(const Plan& plan);

  void SetKubeletUp(bool up);
  void SetRegistered(const std::string& resource, bool registered);
  void DropRegistered(const std::string& resource);  // is not offered any more
  void CountRegistration(const std::string& resource, bool success);
  void CountList(const std::string& resource);

  void ObserveAllocate(const std::string& resource, Seconds took);
  void CountAllocateFailure(const std::string& resource, const std::string& code);
  // An Allocate was refused because another shape of the card is in use.
  void CountRace(const std::string& resource);
  void ObservePreferred(const std::string& resource, Seconds took);
  // How far the latest answer may be below the best one, as a share of its bound: 0 to 1.
  void SetPreferredGap(const std::string& resource, double gap_ratio);

  void ObserveScan(Seconds took);
  void SetReloadFailed(bool failed);
  void SetPlanFailed(bool failed);

  // Everything, as /metrics shows it: version 0.0.4 of the format.
  std::string Text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_METRICS_H_
