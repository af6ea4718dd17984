// SPDX-License-Identifier: Apache-2.0
// What to offer and what a container gets: the [[resource]] tables of profiles and of the operator's file.
#ifndef CLEAVE_CONFIG_RESOURCE_SPEC_H_
#define CLEAVE_CONFIG_RESOURCE_SPEC_H_

#include <optional>
#include <string>
#include <vector>

#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/text_template.h"

namespace cleave {

enum class UnitKind { kCard, kGroup, kPartition };
enum class Preference { kClosest };

std::string ToString(UnitKind unit);
std::string ToString(Preference preference);

// One value out of several, the first whose condition holds for a card of the container.
struct ValueChoice {
  TextTemplate value;
  Condition when;
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

// What a container gets of the units that it was given. Templates see the attributes of each card, {id}
// (unit), {resource}, {node}, {count} (units in the container), {position} (place of the card in the
// container, from 0), {nodes.NAME} and {settings.NAME}. A value is made for every card; equal values count
// once; several are joined by ",".
struct ContainerSpec {
  bool inherit = true;                // start from what the card's profile gives; own env and annotations win
  std::vector<TextTemplate> devices;  // device nodes, the same path on host and in the container, "rw"
  std::vector<NamedValue> env;
  std::vector<MountSpec> mounts;
  std::vector<NamedValue> annotations;
};

// `own` on top of `base`: own devices replace, mounts are added, env and annotations replace those of the
// same name.
ContainerSpec Merge(const ContainerSpec& base, const ContainerSpec& own);

struct ResourceSpec {
  TextTemplate name;    // one resource per value of its placeholders
  std::string profile;  // whose cards; "": of any profile
  Condition when;       // settings only: is this resource wanted at all
  Condition where;      // which cards
  Condition except;     // which not
  UnitKind unit = UnitKind::kCard;
  std::vector<std::string> group_by;  // attributes whose values make a group; {"links"}: joined by links
  std::optional<int> size;            // cards in a group; smaller groups are not offered
  double min_width = 1;               // with group_by "links": the least width that counts
  std::optional<TextTemplate> id;     // of a unit; default: the card's id, or the group's values
  Preference prefer = Preference::kClosest;
  std::vector<std::string> nodes;  // shell patterns for names of nodes; empty: every node
  ContainerSpec container;         // on top of the profile's
  bool from_operator = false;      // of cleave.toml, not of a profile
  SourcePos pos;
};

}  // namespace cleave

#endif  // CLEAVE_CONFIG_RESOURCE_SPEC_H_
