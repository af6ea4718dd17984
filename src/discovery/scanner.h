// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_DISCOVERY_SCANNER_H_
#define CLEAVE_DISCOVERY_SCANNER_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/host_root.h"
#include "config/config.h"
#include "config/profile.h"
#include "discovery/entries.h"
#include "discovery/health.h"
#include "discovery/inventory.h"
#include "discovery/pci.h"

namespace cleave {

struct ScanOptions {
  // Read every attribute of every PCI function, not only of bridges and cards' functions (for `topology
  // --functions`).
  bool all_functions = false;
};

// Looks at a machine, again and again, and remembers what a single look cannot know: attributes that were
// there before a reset, cards that are gone, how often a health check failed.
//
// A value: a copy that has scanned may take the place of the one that has not.
//
// Ownership: keeps references to the root and the settings. Threads: one thread only.
class Scanner {
 public:
  using Clock = std::chrono::steady_clock;

  Scanner(const HostRoot& root, const Settings& settings, ScanOptions options = {})
      : root_(&root), settings_(&settings), options_(options) {}

  // Never fails: what cannot be read is an Oddity. `now` must not go backwards.
  Inventory Scan(Clock::time_point now);

  // After a scan: when to look again at the latest, because an attribute is awaited or a check is in doubt;
  // nullopt when nothing is pending.
  std::optional<std::chrono::milliseconds> LookAgainIn() const { return look_again_; }

  // Stops listing a card that is gone. Does nothing while it is present.
  void Forget(const std::string& card_id);

  // New settings, or another way to look at the same machine; what is remembered stays, by card id.
  void Replace(const Settings& settings) { settings_ = &settings; }
  void Replace(const HostRoot& root) { root_ = &root; }

 private:
  struct Known {
    Clock::time_point first_seen;
    Clock::time_point last_seen;
    Card card;          // as last seen
    bool seen = false;  // in the scan under way
  };
  std::string Look(const Profile& profile, const Entries& entries,
                   const std::map<std::string, std::string>& settings, const Entry& entry,
                   Clock::time_point now, Inventory& inventory);
  bool FindFunction(const Profile& profile, const Entries& entries,
                    const std::map<std::string, std::string>& settings, Inventory& inventory, Card& card,
                    AttributeGaps& gaps, std::vector<Oddity>& oddities);
  void TakeNuma(const std::string& address, Inventory& inventory, Card& card);
  static bool Skip(const Entries& entries, const std::map<std::string, std::string>& settings,
                   Inventory& inventory, const Card& card);
  void CountPieces(Clock::time_point now, Inventory& inventory);
  void Remember(Clock::time_point now, Inventory& inventory);

  const HostRoot* root_;
  const Settings* settings_;
  ScanOptions options_;
  std::map<std::string, Known> known_;  // by profile/card id
  SeenFunctions functions_;
  HealthMonitor health_;
  std::optional<std::chrono::milliseconds> look_again_;
};

}  // namespace cleave

#endif  // CLEAVE_DISCOVERY_SCANNER_H_
