// SPDX-License-Identifier: Apache-2.0
// What is in a machine: plain values, found by Scanner.
#ifndef CLEAVE_DISCOVERY_INVENTORY_H_
#define CLEAVE_DISCOVERY_INVENTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/condition.h"
#include "config/text_template.h"

namespace cleave {

// domain:bus:device.function; the domain may have more than four digits (VMD, Hyper-V).
struct PciAddress {
  uint32_t domain = 0;
  uint32_t bus = 0;
  uint32_t device = 0;
  uint32_t function = 0;

  static std::optional<PciAddress> Parse(std::string_view text);
  std::string ToString() const;  // "0000:3b:00.0"
  auto operator<=>(const PciAddress&) const = default;
};

struct NumaNode {
  int id = 0;
  std::vector<int> cpus;  // empty: memory only
  std::vector<int>
      distances;  // ACPI SLIT, in the order of Inventory::numa_nodes; empty when the machine does not say
  bool operator==(const NumaNode&) const = default;
};

struct PciFunction {
  PciAddress pci;
  std::string address;  // pci.ToString()
  // What stands above it, from the root bus ("pci0000:30") down to the bridge it hangs on ("0000:30:02.0");
  // empty when the machine does not show it. Bridges may be missing from the list of functions.
  std::vector<std::string> above;
  std::optional<int> class_code;  // 24 bits
  std::optional<int> vendor;
  std::optional<int> device;
  std::string driver;                    // "": none
  std::string iommu_group;               // "": none
  std::vector<std::string> iommu_peers;  // addresses of the other functions in it, bridges aside
  std::string physfn;                    // of a virtual function, its physical one
  std::optional<int> numa_node;          // as the kernel says; its -1 is nullopt
  std::vector<int> numa_nodes;           // that node, else the nodes of its local CPUs; empty: unknown
  std::string link;                      // "16.0 GT/s x16" as it runs now; "" unknown
  std::vector<std::string> rdma;         // of a network card: what it is called in /sys/class/infiniband
  // A network controller by its class code.
  bool IsNic() const { return class_code && *class_code >> 16 == 0x02; }
  bool operator==(const PciFunction&) const = default;
};

enum class Health { kHealthy, kUnhealthy, kUnknown };
std::string ToString(Health health);

struct Card {
  std::string id;  // stable over reboots, driver reloads and hot-plug
  std::string profile;
  std::string kind;     // of its [[entries]]
  std::string entry;    // path of its class entry or function, below the root
  std::string address;  // of its PCI function; "" when it has none
  std::map<std::string, AttributeValue> attributes;
  std::vector<std::pair<std::string, std::string>> nodes;  // role, path of the device node
  std::vector<std::string> shared_nodes;                   // those of them that other cards have too
  std::map<std::string, std::string> permissions;          // of nodes, by path, where not "rw"
  std::vector<int> numa_nodes;                             // at most one for a single function
  std::string board;     // cards of one profile with the same board are joined by it; "": none
  std::string piece_of;  // cards of one profile with the same value are pieces of one; "": whole
  int pieces = 1;        // how many pieces that card has
  int index = 0;  // place in PCI-walk order among the cards of its profile; pieces of one have the same
  int piece = 0;  // which of them this is, in PCI-walk order, from 0
  Health health = Health::kHealthy;
  std::string reason;                 // why it is not healthy
  std::vector<std::string> warnings;  // checks with level = "warn" that do not hold
  bool waiting = false;               // attributes are still to come; not offered yet
  bool present = true;                // false: seen before, gone now
  bool operator==(const Card&) const = default;
};

// A function that looks like a card but is none we can offer.
struct NotACard {
  std::string address;  // or the entry's name, where there is no function; a kind, where all of it is missing
  std::string profile;
  std::string reason;
  bool operator==(const NotACard&) const = default;
};

// Something on the machine that could not be read or made no sense. Never fatal.
struct Oddity {
  std::string subject;  // card, address, node or path
  std::string text;
  bool operator==(const Oddity&) const = default;
  auto operator<=>(const Oddity&) const = default;
};

struct Inventory {
  std::vector<NumaNode> numa_nodes;    // by id
  std::vector<PciFunction> functions;  // by address: the entries of /sys/bus/pci/devices that lead somewhere
  std::vector<Card> cards;             // in PCI-walk order, then by entry name
  std::vector<NotACard> not_cards;
  std::vector<Oddity> oddities;

  const PciFunction* Function(std::string_view address) const;
  const NumaNode* Node(int id) const;
};

// Values that templates and conditions see of a card: attributes, built-in names, nodes.ROLE and
// settings.NAME. `settings` may be null. The functions keep references.
Condition::Lookup CardLookup(const Card& card, const Inventory& inventory,
                             const std::map<std::string, std::string>* settings);
TextTemplate::Lookup CardTextLookup(const Card& card, const Inventory& inventory,
                                    const std::map<std::string, std::string>* settings);

}  // namespace cleave

#endif  // CLEAVE_DISCOVERY_INVENTORY_H_
