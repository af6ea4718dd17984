// SPDX-License-Identifier: Apache-2.0
// What cleave knows of a vendor: a profile, read from TOML. The language is described in docs/profiles.md.
#ifndef CLEAVE_CONFIG_PROFILE_H_
#define CLEAVE_CONFIG_PROFILE_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/resource_spec.h"
#include "config/text_template.h"

namespace cleave {

// Which PCI functions. Empty fields do not matter; numbers as in sysfs (vendor, device: 16 bits, class: 24
// bits).
struct PciMatch {
  std::optional<int> vendor;
  std::vector<int> devices;
  std::optional<int> class_code;
  std::vector<std::string> drivers;
};

enum class AttributeSource {
  kName,  // the entry's own name
  kRead,  // a file
  kLink,  // the last component of what a link names
  kOf,    // another attribute
};

// One way to find the value of an attribute: take it from a source, then match, alias, map, is / not, in this
// order.
struct AttributeRule {
  AttributeSource source = AttributeSource::kRead;
  std::string from;   // path relative to the entry (shell patterns allowed), or the other attribute
  std::string match;  // regular expression (RE2); group 1, or else the whole match, is the value
  std::map<std::string, std::string> alias;   // other names of a value; the rest stays
  std::map<std::string, AttributeValue> map;  // a value that is not listed is absent
  std::string is;                             // regular expression: the value becomes true or false
  std::string is_not;
  Condition when;  // tests on attributes above
};

struct Attribute {
  std::string name;
  std::vector<AttributeRule> rules;  // the first that gives a value counts
  std::optional<AttributeValue> fallback;
  std::chrono::milliseconds wait{0};  // how long after the entry appeared the value may still be missing
  SourcePos pos;
};

struct Entries {
  std::string class_name;       // each /sys/class/NAME/*; "": the PCI functions themselves
  std::string name_pattern;     // regular expression for the whole name of a class entry; "": any
  std::optional<PciMatch> pci;  // the function that an entry belongs to
  std::map<int, std::string>
      unsupported;  // PCI device ids of this vendor that are never offered, with the reason
  TextTemplate id;
  std::vector<TextTemplate>
      piece_of;  // entries with one value are pieces of one card; the first with a value counts
  std::vector<TextTemplate> board;                          // cards with one value share a board
  std::vector<Attribute> attributes;                        // in the order of the file
  std::vector<std::pair<std::string, TextTemplate>> nodes;  // role, path of the device node
};

struct Setting {
  std::vector<std::string> values;
  std::string fallback;
  SourcePos pos;
};

enum class HealthLevel { kFail, kWarn };

// One question about a card's health. Exactly one of is, is_not, must_change, below or above says what is
// well.
struct HealthCheck {
  std::string name;
  std::string read;  // path relative to the entry, shell patterns allowed
  std::optional<std::pair<int, int>>
      bytes;           // offset and number; the value is then their lower-case hex digits
  std::string is;      // regular expression that must match
  std::string is_not;  // ... that must not
  bool must_change = false;
  std::chrono::milliseconds within{0};  // with must_change: the longest time a value may stay the same
  std::string below;                    // a number, or the path of a file that holds it
  std::string above;
  int strikes = 2;             // bad samples in a row that make the card unhealthy
  int recover = 2;             // good ones that make it healthy again
  bool absent_is_bad = false;  // a file that is not there: unknown (default) or a bad sample
  HealthLevel level = HealthLevel::kFail;
  Condition when;  // tests on the card and the settings: is it asked at all
  SourcePos pos;
};

struct Profile {
  std::string name;
  std::string file;
  std::string summary;
  bool is_default = true;  // used without being named in `profiles`, where its cards are present
  Entries entries;
  std::map<std::string, Setting> settings;
  std::vector<HealthCheck> health;
  ContainerSpec container;  // what every container gets that is given a card of this profile
  std::vector<ResourceSpec> resources;
};

// Reads a profile. Every problem is added to `diagnostics`; the result is only good when none was.
Profile ParseProfile(std::string_view text, const std::string& file, Diagnostics& diagnostics);

// Names that a template or condition may use besides attributes, settings.* and nodes.*.
const std::vector<std::string>& BuiltInNames();

// Further ones that have a value only where a container gets its devices.
const std::vector<std::string>& ContainerNames();

}  // namespace cleave

#endif  // CLEAVE_CONFIG_PROFILE_H_
