// SPDX-License-Identifier: Apache-2.0
// From a profile's [entries] to cards. Private to src/discovery.
#ifndef CLEAVE_DISCOVERY_ENTRIES_H_
#define CLEAVE_DISCOVERY_ENTRIES_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
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
  std::string near;     // of the function that it hangs on, for its NUMA node; "" when there is none
};

// card_2 before card_10.
bool NaturalLess(std::string_view a, std::string_view b);

// True when the function has the ids and the driver that `match` asks for.
bool Matches(const PciMatch& match, const PciFunction& function);

// The entries of one kind, in PCI-walk order, then by path with numbers by value. Where the
// host lacks what [entries] requires nothing is found, and inventory.not_cards says so of the kind.
std::vector<Entry> FindEntries(const HostRoot& root, const Profile& profile, const Entries& entries,
                               const std::map<std::string, std::string>& settings, Inventory& inventory);

// Functions that a kind of entries is about and that are none, with the reason, to inventory.not_cards.
// `taken`: addresses of all entries of the profile.
void NoteOthers(const Profile& profile, const std::map<std::string, std::string>& settings,
                const std::set<std::string>& taken, Inventory& inventory);

// What ReadAttributes() could not find out.
struct AttributeGaps {
  std::set<std::string> absent;  // known to have no value now, because nothing that fits is there
  std::string hangs;             // a driver that does not answer; "": none
  std::map<std::string, std::string> rejected;  // awaited ones that were read, and what no rule takes
};

// The attributes of one entry, as the profile's rules find them now; those without a value are left out,
// defaults not yet applied. What cannot be read although it is there is an oddity of `card`.
AttributeGaps ReadAttributes(const HostRoot& root, const Profile& profile, const Entries& entries,
                             const std::map<std::string, std::string>& settings, const Inventory& inventory,
                             Card& card, std::vector<Oddity>& oddities);

// Fills id, board, piece_of and nodes from the card's attributes. NOT_FOUND when the id has no value.
absl::Status NameCard(const HostRoot& root, const Entries& entries,
                      const std::map<std::string, std::string>& settings, const Inventory& inventory,
                      Card& card);

// `path` of an attribute, node or health check, from the entry or from the root.
std::string FromEntry(const Card& card, std::string_view path);

// What a path with shell patterns finds, in natural order; a path without is itself, there or not.
std::vector<std::string> FindPaths(const HostRoot& root, const std::string& path);

}  // namespace cleave

#endif  // CLEAVE_DISCOVERY_ENTRIES_H_
