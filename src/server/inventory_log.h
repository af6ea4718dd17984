// SPDX-License-Identifier: Apache-2.0
// Says in the log what changed on the machine: each thing once, when it happens.
#ifndef CLEAVE_SERVER_INVENTORY_LOG_H_
#define CLEAVE_SERVER_INVENTORY_LOG_H_

#include <memory>
#include <set>
#include <string>

#include "discovery/inventory.h"
#include "policy/plan.h"

namespace cleave {

// Threads: one only.
class InventoryLog {
 public:
  // The first plan is summed up, later ones are compared with the one before.
  void Note(const Plan& plan);

 private:
  void NoteCards(const Inventory& before, const Inventory& now) const;

  std::shared_ptr<const Inventory> before_;
  std::set<std::string> said_;  // oddities, functions that are no cards, cards that are not offered
  bool said_none_ = false;
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_INVENTORY_LOG_H_
