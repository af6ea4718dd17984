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
#include "config/link_source.h"
#include "config/resource_spec.h"
#include "config/text_template.h"

namespace cleave {

// Which PCI functions. Empty fields do not matter; numbers as in sysfs (vendor, device: 16 bits, class: 24
// bits).
struct PciMatch {
  std::optional<int> vendor;
  std::vector<int> devices;
  std::vector<std::string> classes;  // shell patterns of six digits: "0x0302*"
  std::vector<std::string> drivers;
};

// Which USB devices, by /sys/bus/usb/devices/*/{idVendor,idProduct}.
struct UsbMatch {
  std::optional<int> vendor;
  std::vector<int> products;
};

enum class AttributeSource {
  kName,    // the entry's own name
  kPath,    // the entry's own path
  kRead,    // a file
  kLink,    // the last component of what a link names
  kOf,      // another attribute
  kText,    // text with placeholders
  kFind,    // the path of the first file that fits
  kCount,   // how many files fit
  kExists,  // whether one does
};

// One way to find the value of an attribute: take it from a source, then match, split and join, bits, hex,
// encode, alias, map, is / not, in this order.
struct AttributeRule {
  AttributeSource source = AttributeSource::kRead;
  // With kRead, kLink, kFind, kCount, kExists a path, relative to the entry or with a / first, shell patterns
  // allowed; with kOf the other attribute; with kText the text.
  TextTemplate from;
  TextTemplate holds;  // with kFind, kCount: a regular expression that must be found in the file
  std::string match;   // regular expression (RE2); group 1, or else the whole match, is the value
  std::string split;   // cut here, sort, put together with `join`
  std::string join;
  std::optional<std::pair<int, int>> bits;    // lowest and highest bit that stay of a number
  int hex = 0;                                // a number as at least so many hexadecimal digits
  bool base64url = false;                     // hexadecimal digits as bytes in base64url without padding
  std::map<std::string, std::string> alias;   // other names of a value; the rest stays
  std::map<std::string, AttributeValue> map;  // a value that is not listed is absent
  std::string table;                          // the same, by name of a [tables] entry
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

// A device node, or one for each file that `each` finds.
struct NodeSpec {
  std::string role;
  TextTemplate path;
  TextTemplate each;      // shell pattern, as AttributeRule::from; {item} in `path` is the last component
  bool optional = false;  // left out when the host lacks it
  bool shared = false;    // other cards have it too, also those of other profiles
  std::string permissions = "rw";  // of a container's cgroup: "r", "w", "rw" or "rwm"
  Condition when;
};

// A file that must be there for anything to be an entry.
struct Requirement {
  TextTemplate file;   // path with a / first, shell patterns allowed
  TextTemplate holds;  // regular expression that must be found in one of them; empty: any content
  Condition when;      // settings only
};

// What is not wanted, with the reason: entries that are not offered, settings that exclude each other.
struct SkipRule {
  Condition when;
  TextTemplate reason;
  SourcePos pos;
};

// One kind of things that the host shows. Exactly one of class_name, paths, usb and count says what an entry
// is, or else `pci` alone does.
struct Entries {
  std::string kind = "card";          // tells the kinds of one profile apart
  Condition when;                     // settings only: are there such entries at all
  std::string class_name;             // each /sys/class/NAME/*
  std::vector<TextTemplate> paths;    // each path that matches; settings may be used
  std::optional<UsbMatch> usb;        // each such USB device
  std::optional<TextTemplate> count;  // so many, without hardware: 0, 1, 2, ...
  std::string name_pattern;           // regular expression for the whole name of an entry; "": any
  std::optional<PciMatch> pci;        // the function that an entry belongs to
  TextTemplate address;               // of that function; empty: where the entry or its `device` link leads
  std::vector<Requirement> require;
  std::map<int, std::string>
      unsupported;  // PCI device ids of this vendor that are never offered, with the reason
  TextTemplate id;
  std::vector<TextTemplate>
      piece_of;  // entries with one value are pieces of one card; the first with a value counts
  std::vector<TextTemplate> board;    // cards with one value share a board
  std::vector<Attribute> attributes;  // in the order of the file
  std::vector<SkipRule> skip;         // the first that holds counts
  std::vector<NodeSpec> nodes;        // of one role the first whose `when` holds counts
  SourcePos pos;
};

struct Setting {
  std::vector<std::string> values;  // that are allowed; empty: any that `match` fits
  std::string match;                // a regular expression for the whole value; "": any
  std::string what;                 // what that is, in words: "a number from 1"
  std::string fallback;
  SourcePos pos;
};

enum class HealthLevel { kFail, kWarn };

// One question about a card's health. Exactly one of is, is_not, must_change, below or above says what is
// well.
struct HealthCheck {
  std::string name;
  TextTemplate read;  // path, as AttributeRule::from
  std::optional<std::pair<int, int>>
      bytes;           // offset and number; the value is then their lower-case hex digits
  std::string is;      // regular expression that must match
  std::string is_not;  // ... that must not
  bool must_change = false;
  std::chrono::milliseconds within{0};  // with must_change: the longest time a value may stay the same
  std::string below;                    // a number, or the path of a file that holds it
  std::string above;
  std::string match;           // regular expression; group 1, or else the whole match, is what is judged
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
  bool shipped = false;    // part of the binary
  bool broken = false;     // it has errors: not in use, whoever names it
  std::vector<Entries> entries;
  std::map<std::string, Setting> settings;
  std::vector<SkipRule> conflicts;  // settings only: values that do not go together
  std::map<std::string, std::map<std::string, std::string>> tables;  // that attributes look values up in
  std::vector<LinkSource>
      links;  // what joins its cards by the host's own files; an operator's of that source wins
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
