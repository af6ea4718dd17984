// SPDX-License-Identifier: Apache-2.0
#include "plan_keeper.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/log.h"
#include "base/status.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"
#include "discovery/scanner.h"
#include "node_view.h"
#include "policy/plan.h"
#include "server/kubelet_client.h"
#include "server/messages.h"
#include "server/metrics.h"
#include "server/socket.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

bool Same(const Inventory& a, const Inventory& b) {
  return a.cards == b.cards && a.functions == b.functions && a.numa_nodes == b.numa_nodes &&
         a.not_cards == b.not_cards && a.oddities == b.oddities;
}

// `old` with the health that its units have now.
Plan WithHealth(const Plan& old, const Inventory& now) {
  std::map<std::string, const Card*> cards;
  for (const Card& card : now.cards) cards[card.profile + "/" + card.id] = &card;
  Plan plan = old;
  for (Resource& resource : plan.resources) {
    for (Unit& unit : resource.units) {
      if (unit.cards.empty()) continue;
      unit.health = Health::kHealthy;
      unit.reason.clear();
      for (size_t index : unit.cards) {
        const Card& known = old.inventory->cards[index];
        auto found = cards.find(known.profile + "/" + known.id);
        if (found != cards.end() && found->second->health != Health::kUnhealthy) continue;
        unit.health = Health::kUnhealthy;
        unit.reason =
            "card " + known.id + ": " + (found == cards.end() ? "it is gone" : found->second->reason);
      }
    }
  }
  return plan;
}

}  // namespace

void CheckSocketPaths(const Plan& plan, const std::string& kubelet_dir, Diagnostics& diagnostics) {
  for (const Resource& resource : plan.resources) {
    absl::StatusOr<std::string> path = SocketPath(kubelet_dir, resource.name, "000000");
    if (path.ok()) continue;
    // Names are shortened as far as need be, so it is the directory that is too long, for every resource.
    diagnostics.Error({"--kubelet-dir", 0, 0}, MessageOf(path.status()));
    return;
  }
}

PlanKeeper::PlanKeeper(std::shared_ptr<const HostRoot> root, Metrics& metrics, Options options)
    : root_(std::move(root)),
      metrics_(metrics),
      options_(std::move(options)),
      reader_(root_, options_.patience),
      held_(options_.linger) {}

bool PlanKeeper::Load(Diagnostics& diagnostics) {
  auto loaded = std::make_shared<Settings>(LoadSettings(options_.files, diagnostics));
  CheckLinkSources(loaded->config, diagnostics);
  KeepLinksOf(options_.node_name, loaded->config);
  const std::shared_ptr<const Settings> settings = std::move(loaded);
  LinkTexts links = ReadLinkTexts(settings->config, root_.get());
  // With errors too: all of them are to be told at once.
  Planned trial =
      PlanPatiently(reader_, settings, links, ScanPatiently(reader_, settings), options_.node_name);
  diagnostics.Add(trial.diagnostics);
  CheckSocketPaths(trial.plan, options_.kubelet_dir, diagnostics);
  CheckListSizes(trial.plan, diagnostics);
  if (!diagnostics.ok()) return false;
  if (!scanner_) {
    scanner_.emplace(*root_, *settings);
  } else {
    scanner_->Replace(*settings);
  }
  settings_ = settings;
  links_ = std::move(links);
  stale_ = true;
  return true;
}

Inventory PlanKeeper::Scan(Clock::time_point now) {
  struct Scanned {
    Scanner scanner;
    Inventory inventory;
  };
  auto start = Clock::now();
  Scanned scanned =
      reader_.Run([scanner = *scanner_, settings = settings_, now](const HostRoot& root) mutable {
        scanner.Replace(root);
        Inventory inventory = scanner.Scan(now);
        return Scanned{std::move(scanner), std::move(inventory)};
      });
  scanner_ = std::move(scanned.scanner);
  scanner_->Replace(*root_);
  metrics_.ObserveScan(Clock::now() - start);
  return std::move(scanned.inventory);
}

bool PlanKeeper::Look(Clock::time_point now) {
  Inventory inventory = Scan(now);
  if (!stale_ && seen_ && Same(inventory, *seen_)) return false;
  seen_ = inventory;
  stale_ = false;
  Planned planned = PlanPatiently(reader_, settings_, links_, std::move(inventory), options_.node_name);
  Diagnostics& diagnostics = planned.diagnostics;
  auto plan = std::make_shared<Plan>(std::move(planned.plan));
  CheckSocketPaths(*plan, options_.kubelet_dir, diagnostics);
  CheckListSizes(*plan, diagnostics);
  std::string complaints = diagnostics.Text();
  if (complaints != complaints_) {
    for (const Diagnostic& error : diagnostics.errors()) {
      Log(LogLevel::kError, "the machine does not fit the settings, the plan before stays",
          {{"error", ToString(error)}});
    }
  }
  complaints_ = std::move(complaints);
  metrics_.SetPlanFailed(!diagnostics.ok());
  if (!diagnostics.ok()) {
    if (base_ == nullptr) return false;
    *plan = WithHealth(*base_, *seen_);
  }
  held_.Complete(*plan, base_.get(), *settings_, now);
  base_ = std::move(plan);
  plan_ = ledger_.Withhold(base_);
  Forget(now);
  return true;
}

bool PlanKeeper::SetHeld(HeldIds held, Clock::time_point asked, bool incomplete) {
  ledger_.SetHeld(held, asked, incomplete);
  // Which devices are listed only because a pod may hold them is a matter of the whole plan.
  bool is_about_lists = held_.Pending() || (held != last_held_ && base_ != nullptr && Lacks(held));
  last_held_ = held;
  held_.SetHeld(std::move(held), asked);
  if (base_ == nullptr) return false;
  Forget(Clock::now());
  if (!is_about_lists) return Withhold();
  stale_ = true;
  return Look(Clock::now());
}

bool PlanKeeper::Lacks(const HeldIds& held) const {
  return std::any_of(held.begin(), held.end(), [&](const auto& item) {
    const auto& [name, ids] = item;
    const Resource* resource = base_->Find(name);
    // Of another plugin's devices those count that are named by PCI address: the card may be ours.
    if (resource == nullptr) {
      return CouldOffer(*settings_, options_.node_name, name) ||
             std::any_of(ids.begin(), ids.end(),
                         [](const auto& id) { return PciAddress::Parse(id.first).has_value(); });
    }
    auto known = last_held_.find(name);
    return std::any_of(ids.begin(), ids.end(), [&](const auto& id) {
      bool is_new = known == last_held_.end() || !known->second.contains(id.first);
      return is_new && resource->Find(id.first) == nullptr;
    });
  });
}

bool PlanKeeper::Give(const std::string& resource, const std::vector<std::string>& ids,
                      Clock::time_point now) {
  ledger_.Give(resource, ids, now);
  return Withhold();
}

bool PlanKeeper::Withhold() {
  std::shared_ptr<const Plan> marked = ledger_.Withhold(base_);
  if (marked == plan_) return false;
  plan_ = std::move(marked);
  return true;
}

void PlanKeeper::Forget(Clock::time_point now) {
  for (const std::string& card : held_.CardsToForget(*plan_, now)) scanner_->Forget(card);
}

PlanKeeper::Clock::duration PlanKeeper::LookAgainIn() const {
  Clock::duration delay = settings_->config.rescan;
  if (auto sooner = scanner_->LookAgainIn()) delay = std::min<Clock::duration>(delay, *sooner);
  return delay;
}

}  // namespace cleave
