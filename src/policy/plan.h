// SPDX-License-Identifier: Apache-2.0
// What a node offers: computed from settings, inventory and graph. Plain values; no I/O, no locks, no clock.
#ifndef CLEAVE_POLICY_PLAN_H_
#define CLEAVE_POLICY_PLAN_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/resource_spec.h"
#include "discovery/inventory.h"
#include "policy/choose.h"
#include "topology/graph.h"

namespace cleave {

struct Seats;

// One of several software shares of a card.
struct Share {
  int index = 0;  // from 0
  int of = 1;     // how many there are
  bool operator==(const Share&) const = default;
};

// What the kubelet knows as one device id.
struct Unit {
  std::string id;                         // at most 63 characters
  std::vector<size_t> cards;              // indexes into Inventory::cards, in PCI-walk order; none: counted
  std::optional<Share> share;             // of its only card; nullopt: the unit has its cards as a whole
  std::vector<int> numa_nodes;            // all nodes of its cards, sorted; empty: unknown
  std::vector<std::string> device_nodes;  // as a container would see them
  std::map<std::string, std::string> permissions;  // of them, where not "rw"
  Health health = Health::kHealthy;                // unknown counts as healthy for the kubelet
  std::string reason;                              // why it is not healthy
  bool withheld = false;  // unhealthy only because a card of it is in use in another shape
  bool gone = false;      // listed only because a pod may hold it
  bool operator==(const Unit&) const = default;
};

struct Resource {
  std::string name;  // "example.com/gpu"
  std::string profile;
  UnitKind unit = UnitKind::kCard;
  Preference prefer = Preference::kClosest;
  SameCard same_card = SameCard::kAllow;
  std::vector<std::string> near;                 // network cards to be near to, see Graph::NicAffinity()
  bool strict = false;                           // Allocate refuses what breaks same_card
  Overlap overlap = Overlap::kError;             // kExclusive: its cards may be in other resources, too
  std::string memory;                            // attribute that {share.memory} is a part of
  ContainerSpec container;                       // the profile's and the resource's own, merged
  std::vector<Unit> units;                       // in PCI-walk order of their first cards
  std::shared_ptr<const UnitTopology> topology;  // of `units`, for choosing; null: of counted ones
  std::shared_ptr<const Seats> seats;            // on which cards units sit; null: on none
  SourcePos pos;
  const Unit* Find(std::string_view id) const;
};

// A card that no resource offers, and why.
struct NotOffered {
  std::string card;
  std::string reason;
  bool refused = false;  // the kubelet would not take what the resource makes of it
  bool operator==(const NotOffered&) const = default;
};

// A resource of the operator's that has nothing on this node, and why.
struct NotMade {
  std::string resource;  // its name as written
  std::string reason;
  bool operator==(const NotMade&) const = default;
};

struct Plan {
  std::shared_ptr<const Inventory> inventory;
  std::shared_ptr<const Graph> graph;
  std::map<std::string, std::map<std::string, std::string>>
      settings;                     // of each active profile, defaults included
  std::vector<Resource> resources;  // by name
  std::vector<NotOffered> not_offered;
  std::vector<NotMade> not_made;
  std::set<std::string> dropped;  // names of resources of profiles that `drop` in cleave.toml has taken away
  // Names and ids that the operator's resources make of cards and the kubelet would refuse. A daemon leaves
  // those cards out and goes on, since a single odd card must not cost the others; `check` refuses them.
  std::vector<Diagnostic> refused;
  std::string node_name;
  const Resource* Find(std::string_view name) const;
  // Of a profile; null when it is not active.
  const std::map<std::string, std::string>* SettingsOf(const std::string& profile) const;
};

// Names that are written out, two resources that want one card, and the like are errors in `diagnostics`,
// positions being those of the resource. With errors the plan is still complete enough to be printed, but
// must not be served.
Plan MakePlan(const Settings& settings, std::shared_ptr<const Inventory> inventory,
              std::shared_ptr<const Graph> graph, const std::string& node_name, Diagnostics& diagnostics);

// Whether `shares` in cleave.toml may name this card so: by its id, PCI address (any case) or serial.
bool IsCalled(const Card& card, const std::string& name);

// What a container gets. Paths are the host's.
struct ContainerEdits {
  struct Mount {
    std::string host;
    std::string container;
    bool read_only = true;
    bool optional = false;    // leave it out when the host lacks it
    std::string file_system;  // leave it out unless this type is mounted exactly there
    bool operator==(const Mount&) const = default;
  };
  std::vector<std::string> devices;                // each once
  std::map<std::string, std::string> permissions;  // of them, by path, where not "rw"
  std::map<std::string, std::string> env;
  std::vector<Mount> mounts;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> cdi_devices;  // fully qualified names
};

// The units of these ids, each once, in the order of the plan. Errors as of MakeEdits().
absl::StatusOr<std::vector<const Unit*>> FindUnits(const Resource& resource,
                                                   const std::vector<std::string>& unit_ids);

// NOT_FOUND: an id that the resource does not have. FAILED_PRECONDITION: a unit that is not healthy, or a
// template without a value. The message names unit and reason.
absl::StatusOr<ContainerEdits> MakeEdits(const Plan& plan, const Resource& resource,
                                         const std::vector<std::string>& unit_ids);

// Templates of what a container gets that have no value for some healthy device, each once with its position.
std::vector<Diagnostic> FindUnanswered(const Plan& plan, const Resource& resource);

// Why the kubelet would refuse this resource name; "" when it would not.
// Source: k8s.io/kubernetes pkg/apis/core/v1/helper IsExtendedResourceName, apimachinery
// validation.IsQualifiedName.
std::string BadResourceName(std::string_view name);

// Why a device id is bad; "" when it is good: 1 to 63 characters (device plugin API: api.proto, Device.ID),
// printable ASCII without blanks.
std::string BadDeviceId(std::string_view id);

}  // namespace cleave

#endif  // CLEAVE_POLICY_PLAN_H_
