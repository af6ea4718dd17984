// SPDX-License-Identifier: Apache-2.0
// What to offer and what a container gets: the [[resource]] tables of profiles and of the operator's file.
#ifndef CLEAVE_CONFIG_RESOURCE_SPEC_H_
#define CLEAVE_CONFIG_RESOURCE_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/text_template.h"

namespace cleave {

enum class UnitKind { kCard, kGroup, kPartition, kShare, kCount };
enum class Preference { kClosest, kPacked, kSpread, kBalanced };
enum class SameCard { kAllow, kForbid, kRequire };  // may a container have several units of one card
enum class Overlap { kError, kExclusive };          // may a card be in several resources

std::string ToString(UnitKind unit);
std::string ToString(Preference preference);
std::string ToString(SameCard same_card);
std::string ToString(Overlap overlap);

// Into how many shares cards are cut: digits, or text with placeholders of the card.
struct ShareNumbers {
  struct OfCard {
    std::string card;  // its id, PCI address or serial
    TextTemplate number;
    SourcePos pos;  // of the name
  };
  std::vector<OfCard> of_cards;
  std::optional<TextTemplate> otherwise;  // for cards that are not named; nullopt: those are not offered
};
// Most shares of one card, and most devices of a counting resource.
constexpr int64_t kMostPieces = 100'000;

// Of what a container has several, and so a list has several values.
enum class Per {
  kValue,  // each value once, however many cards have it
  kCard,   // one for each card
  kUnit,   // one for each device
};

// One value out of several, the first whose condition holds for a card of the container.
struct ValueChoice {
  TextTemplate value;
  Condition when;
  Per per = Per::kValue;
};

struct NamedValue {
  TextTemplate name;  // of the variable or annotation
  std::vector<ValueChoice> choices;
};

struct MountSpec {
  TextTemplate host;
  TextTemplate container;
  bool read_only = true;
  Condition when;           // must hold for at least one card
  bool optional = false;    // true: left out when the host lacks it; false: Allocate fails
  std::string file_system;  // "": any; else only when this type is mounted exactly there ("hugetlbfs")
};

// CDI: devices by name, which the container runtime looks up in a file that the daemon writes.
struct CdiSpec {
  std::string kind;       // "vendor.com/class"
  TextTemplate by;        // settings only: "field", "annotation", "spec" or "off"
  TextTemplate existing;  // settings only: "overwrite", or "keep" a file that has all the devices
};

// What a container gets of the units that it was given. Templates see the attributes of each card, {id}
// (unit), {resource}, {node}, {count} (units in the container), {position} (place of the card in the
// container, from 0), {nodes.NAME}, {settings.NAME} and {share.percent}, {share.memory}, {share.index}. A
// value is made for every card; equal values count once; several are joined by ",".
struct ContainerSpec {
  bool inherit = true;                // start from what the card's profile gives; own env and annotations win
  std::vector<TextTemplate> devices;  // device nodes, the same path on host and in the container
  std::vector<NamedValue> env;
  std::vector<MountSpec> mounts;
  std::vector<NamedValue> annotations;
  std::optional<CdiSpec> cdi;
};

// `own` on top of `base`: own devices replace, mounts are added, env and annotations replace those of the
// same name.
ContainerSpec Merge(const ContainerSpec& base, const ContainerSpec& own);

// How many cards a group may have.
struct GroupSize {
  int least = 1;
  int most = 1;
};

struct ResourceSpec {
  TextTemplate name;    // one resource per value of its placeholders
  std::string profile;  // whose cards; "": of any profile
  Condition when;       // settings only: is this resource wanted at all
  Condition where;      // which cards
  Condition except;     // which not
  UnitKind unit = UnitKind::kCard;
  std::vector<std::string> group_by;  // attributes whose values make a group; {"links"}: joined by links
  std::optional<GroupSize> size;      // other groups are not offered; one number with "links"
  double min_width = 1;               // with group_by "links": the least width that counts
  ShareNumbers shares;                // with unit "share"
  std::string memory = "memory";      // with unit "share": the attribute that {share.memory} is a part of
  std::optional<TextTemplate> count;  // with unit "count": digits, or a setting
  std::optional<TextTemplate> limit;  // most units, the first ones; digits, or a setting ("": no limit)
  std::optional<TextTemplate> id;     // of a unit; default: the card's id, or the group's values
  Preference prefer = Preference::kClosest;  // of shares by default kPacked
  // With unit "share" and "partition". nullopt: kAllow, but in cleave.toml as the profile's own resource has
  // it.
  std::optional<SameCard> same_card;
  std::vector<std::string> near;      // "net", "infiniband": network cards to be near to
  bool strict = false;                // Allocate refuses what breaks same_card
  Overlap overlap = Overlap::kError;  // kExclusive: each card in one of its resources at a time
  std::vector<std::string> nodes;     // shell patterns for names of nodes; empty: every node
  ContainerSpec container;            // on top of the profile's
  bool from_operator = false;         // of cleave.toml, not of a profile
  bool broken = false;                // has an error, which was said; nothing is to be made of it
  SourcePos pos;
  SourcePos group_by_pos;                  // of the keys, else of the table
  std::optional<SourcePos> min_width_pos;  // nullopt: not given
  SourcePos memory_pos;
};

// Whether `nodes` holds for a node of this name.
bool IsForNode(const ResourceSpec& spec, const std::string& node_name);

}  // namespace cleave

#endif  // CLEAVE_CONFIG_RESOURCE_SPEC_H_
