// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/plan.h"

namespace cleave {
namespace {

using Labels = std::map<std::string, std::string>;
using Counters = prometheus::Family<prometheus::Counter>;
using Gauges = prometheus::Family<prometheus::Gauge>;
using Histograms = prometheus::Family<prometheus::Histogram>;

// Calls take tens of microseconds; a second is where a kubelet begins to suffer.
const prometheus::Histogram::BucketBoundaries kCallBuckets = {50e-6, 100e-6, 200e-6, 400e-6, 800e-6, 1.6e-3,
                                                              5e-3,  20e-3,  100e-3, 400e-3, 1};
const prometheus::Histogram::BucketBoundaries kScanBuckets = {500e-6, 1e-3,   2e-3, 5e-3, 10e-3,
                                                              50e-3,  200e-3, 1,    5};

Counters& AddCounter(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
Gauges& AddGauge(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
Histograms& AddHistogram(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

// A set of gauges that is replaced as a whole.
class GaugeSet {
 public:
  explicit GaugeSet(Gauges& family) : family_(family) {}
  void Begin() {
    for (auto& [labels, entry] : shown_) entry.second = false;
  }
  void Set(const Labels& labels, double value) {
    auto [found, added] = shown_.try_emplace(labels);
    if (added) found->second.first = &family_.Add(labels);
    found->second.first->Set(value);
    found->second.second = true;
  }
  void End() {
    std::erase_if(shown_, [&](auto& item) {
      if (item.second.second) return false;
      family_.Remove(item.second.first);
      return true;
    });
  }

 private:
  Gauges& family_;
  std::map<Labels, std::pair<prometheus::Gauge*, bool>> shown_;
};

double HealthValue(Health health) {
  switch (health) {
    case Health::kHealthy:
      return 1;
    case Health::kUnhealthy:
      return 0;
    case Health::kUnknown:
      break;
  }
  return -1;
}

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  Gauges& build_info = AddGauge(registry, "cleave_build_info", "Always 1; the version is a label.");
  Counters& registrations =
      AddCounter(registry, "cleave_registrations_total", "Calls of Register on the kubelet, by result.");
  Gauges& registered = AddGauge(registry, "cleave_registered",
                                "1 while the kubelet has accepted the resource and watches its list.");
  Histograms& allocate =
      AddHistogram(registry, "cleave_allocate_duration_seconds", "Time an Allocate call took.");
  Histograms& preferred = AddHistogram(registry, "cleave_preferred_allocation_duration_seconds",
                                       "Time a GetPreferredAllocation call took.");
  Gauges& preferred_gap =
      AddGauge(registry, "cleave_preferred_allocation_gap_ratio",
               "Share by which the latest answer may score less than the best; 0: proven.");
  Counters& failures = AddCounter(registry, "cleave_allocate_failures_total",
                                  "Allocate calls that were refused, by gRPC code.");
  Counters& races = AddCounter(registry, "cleave_allocate_races_lost_total",
                               "Allocate calls refused because another shape of the card is in use.");
  Counters& lists = AddCounter(registry, "cleave_listandwatch_messages_total",
                               "Lists of devices that were sent to the kubelet.");
  prometheus::Histogram& scan =
      AddHistogram(registry, "cleave_scan_duration_seconds", "Time a look at the machine took.")
          .Add({}, kScanBuckets);
  prometheus::Gauge& reload_failed =
      AddGauge(registry, "cleave_config_reload_failed",
               "1 when the last reload failed and the settings before it are in use.")
          .Add({});
  prometheus::Gauge& plan_failed =
      AddGauge(registry, "cleave_plan_failed",
               "1 while the machine contradicts the settings and an earlier plan is in use.")
          .Add({});
  prometheus::Gauge& kubelet_up =
      AddGauge(registry, "cleave_kubelet_up", "1 while the kubelet's registration socket exists.").Add({});

  Mutex mutex;
  GaugeSet units ABSL_GUARDED_BY(mutex){
      AddGauge(registry, "cleave_units", "Devices in the list sent to the kubelet, by health.")};
  GaugeSet withheld ABSL_GUARDED_BY(mutex){
      AddGauge(registry, "cleave_units_withheld",
               "Devices out of offer because another shape of their card is in use.")};
  GaugeSet card_health ABSL_GUARDED_BY(mutex){
      AddGauge(registry, "cleave_card_health", "1 healthy, 0 unhealthy, -1 unknown (offered as healthy).")};
  GaugeSet card_warnings ABSL_GUARDED_BY(mutex){
      AddGauge(registry, "cleave_card_warnings",
               "Checks of a card that do not hold and do not withdraw it.")};
};

Metrics::Metrics(const std::string& version) : impl_(std::make_unique<Impl>()) {
  impl_->build_info.Add({{"version", version}}).Set(1);
}

Metrics::~Metrics() = default;

void Metrics::SetPlan(const Plan& plan) {
  MutexLock lock(impl_->mutex);
  impl_->units.Begin();
  impl_->withheld.Begin();
  for (const Resource& resource : plan.resources) {
    int unhealthy = 0;
    for (const Unit& unit : resource.units) unhealthy += unit.health == Health::kUnhealthy ? 1 : 0;
    int healthy = static_cast<int>(resource.units.size()) - unhealthy;
    impl_->units.Set({{"resource", resource.name}, {"health", "healthy"}}, healthy);
    impl_->units.Set({{"resource", resource.name}, {"health", "unhealthy"}}, unhealthy);
    if (resource.overlap != Overlap::kExclusive) continue;
    auto withheld = std::count_if(resource.units.begin(), resource.units.end(),
                                  [](const Unit& unit) { return unit.withheld; });
    impl_->withheld.Set({{"resource", resource.name}}, static_cast<double>(withheld));
  }
  impl_->units.End();
  impl_->withheld.End();
  impl_->card_health.Begin();
  impl_->card_warnings.Begin();
  for (const Card& card : plan.inventory->cards) {
    Labels labels = {{"card", card.id}, {"profile", card.profile}};
    impl_->card_health.Set(labels, HealthValue(card.health));
    impl_->card_warnings.Set(labels, static_cast<double>(card.warnings.size()));
  }
  impl_->card_health.End();
  impl_->card_warnings.End();
}

void Metrics::SetKubeletUp(bool up) { impl_->kubelet_up.Set(up ? 1 : 0); }

void Metrics::SetRegistered(const std::string& resource, bool registered) {
  impl_->registered.Add({{"resource", resource}}).Set(registered ? 1 : 0);
}

void Metrics::DropRegistered(const std::string& resource) {
  impl_->registered.Remove(&impl_->registered.Add({{"resource", resource}}));
}

void Metrics::CountRegistration(const std::string& resource, bool success) {
  impl_->registrations.Add({{"resource", resource}, {"result", success ? "success" : "failure"}}).Increment();
}

void Metrics::CountList(const std::string& resource) {
  impl_->lists.Add({{"resource", resource}}).Increment();
}

void Metrics::ObserveAllocate(const std::string& resource, Seconds took) {
  impl_->allocate.Add({{"resource", resource}}, kCallBuckets).Observe(took.count());
}

void Metrics::CountAllocateFailure(const std::string& resource, const std::string& code) {
  impl_->failures.Add({{"resource", resource}, {"code", code}}).Increment();
}

void Metrics::ObservePreferred(const std::string& resource, Seconds took) {
  impl_->preferred.Add({{"resource", resource}}, kCallBuckets).Observe(took.count());
}

void Metrics::CountRace(const std::string& resource) {
  impl_->races.Add({{"resource", resource}}).Increment();
}

void Metrics::SetPreferredGap(const std::string& resource, double gap_ratio) {
  impl_->preferred_gap.Add({{"resource", resource}}).Set(gap_ratio);
}

void Metrics::ObserveScan(Seconds took) { impl_->scan.Observe(took.count()); }

void Metrics::SetReloadFailed(bool failed) { impl_->reload_failed.Set(failed ? 1 : 0); }

void Metrics::SetPlanFailed(bool failed) { impl_->plan_failed.Set(failed ? 1 : 0); }

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace cleave
