// SPDX-License-Identifier: Apache-2.0
// From a profile's [entries] to cards. Private to src/discovery.
#ifndef CLEAVE_DISCOVERY_ENTRIES_H_
#define CLEAVE_DISCOVERY_ENTRIES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/host_root.h"
#include "config/profile.h"
#include "discovery/inventory.h"

namespace cleave {

// One thing that the host shows and that the profile recognises.
struct Entry {
  std::string path;     // below the root
  std::string name;     // last component
  std::string address;  // of its PCI function; "" when it has none
};

// The entries of `profile`, in PCI-walk order, then by name with numbers by value. Functions of the profile's
// vendor that are no entry go to inventory.not_cards.
std::vector<Entry> FindEntries(const HostRoot& root, const Profile& profile, Inventory& inventory);

// The attributes of one entry, as the profile's rules find them now; those without a value are left out,
// defaults not yet applied. What cannot be read although it is there is an oddity of `card`.
void ReadAttributes(const HostRoot& root, const Profile& profile,
                    const std::map<std::string, std::string>& settings, const Inventory& inventory,
                    Card& card, std::vector<Oddity>& oddities);

// Fills id, board, piece_of and nodes from the card's attributes. NOT_FOUND when the id has no value.
absl::Status NameCard(const HostRoot& root, const Profile& profile,
                      const std::map<std::string, std::string>& settings, const Inventory& inventory,
                      Card& card);

}  // namespace cleave

#endif  // CLEAVE_DISCOVERY_ENTRIES_H_
