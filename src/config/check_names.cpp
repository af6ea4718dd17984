// SPDX-License-Identifier: Apache-2.0
#include "config/check_names.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "config/resource_spec.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"

namespace cleave {
namespace {

// Names that templates and conditions of one resource or profile may use.
class Names {
 public:
  explicit Names(const std::vector<const Profile*>& profiles) {
    for (const std::string& name : BuiltInNames()) known_.insert(name);
    for (const Profile* profile : profiles) {
      for (const Entries& entries : profile->entries) AddEntries(entries);
      AddSettings(*profile);
    }
  }

  // What the entries of one kind know, beside the built-in names and the settings.
  Names(const Profile& profile, const Entries& entries) {
    for (const std::string& name : BuiltInNames()) known_.insert(name);
    AddSettings(profile);
    AddEntries(entries);
  }

  // The settings alone.
  static Names OfSettings(const Profile& profile) {
    Names names;
    names.AddSettings(profile);
    return names;
  }

  Names With(const std::string& name) const {
    Names names = *this;
    names.Add({name});
    return names;
  }

  // The same, where only names of `others` are suggested.
  Names Suggesting(const Names& others) const {
    Names names = *this;
    names.suggested_ = others.known_;
    return names;
  }

  bool Has(const std::string& name) const { return known_.contains(name); }

  // The same, and what is known of a container.
  Names InContainer() const {
    Names names = *this;
    names.Add(ContainerNames());
    names.Add({"nodes.*"});
    names.in_container_ = true;
    return names;
  }

  void Check(const TextTemplate& text, Diagnostics& diagnostics) const {
    for (const std::string& name : text.Placeholders()) CheckName(name, text.pos, "placeholder", diagnostics);
  }
  // In [entries] a placeholder may also be a file below the entry: its name has a slash.
  void CheckEntry(const TextTemplate& text, Diagnostics& diagnostics) const {
    for (const std::string& name : text.Placeholders()) {
      if (name.find('/') == std::string::npos) CheckName(name, text.pos, "placeholder", diagnostics);
    }
  }
  void Check(const Condition& condition, Diagnostics& diagnostics) const {
    for (const AttributeTest& test : condition.tests)
      CheckName(test.name, test.pos, "attribute", diagnostics);
  }
  void CheckName(const std::string& name, const SourcePos& pos, std::string_view what,
                 Diagnostics& diagnostics) const {
    if (known_.contains(name)) return;
    constexpr std::string_view kSum = "sum.";
    if (in_container_ && name.starts_with(kSum))
      return CheckName(name.substr(kSum.size()), pos, what, diagnostics);
    const std::set<std::string>& suggested = suggested_.empty() ? known_ : suggested_;
    diagnostics.Error(pos, fmt::format("no {} is called '{}'{}", what, name,
                                       DidYouMean(name, {suggested.begin(), suggested.end()})));
  }

 private:
  Names() = default;
  void AddSettings(const Profile& profile) {
    for (const auto& [name, setting] : profile.settings) known_.insert("settings." + name);
  }
  void AddEntries(const Entries& entries) {
    for (const Attribute& attribute : entries.attributes) known_.insert(attribute.name);
    for (const NodeSpec& node : entries.nodes) known_.insert("nodes." + node.role);
  }

  void Add(const std::vector<std::string>& more) {
    known_.insert(more.begin(), more.end());
    if (!suggested_.empty()) suggested_.insert(more.begin(), more.end());
  }

  std::set<std::string> known_;
  std::set<std::string> suggested_;  // empty: all that are known
  bool in_container_ = false;
};

void CheckContainer(const ContainerSpec& container, const Names& card_names, Diagnostics& diagnostics) {
  Names names = card_names.InContainer();
  for (const TextTemplate& device : container.devices) {
    names.Check(device, diagnostics);
    if (device.source() != "{nodes.*}" && device.source().find("{nodes.*}") != std::string::npos) {
      diagnostics.Error(device.pos, "{nodes.*} stands for several paths and must stand alone");
    }
  }
  for (const std::vector<NamedValue>* list : {&container.env, &container.annotations}) {
    for (const NamedValue& value : *list) {
      names.Check(value.name, diagnostics);
      for (const ValueChoice& choice : value.choices) {
        names.Check(choice.value, diagnostics);
        names.Check(choice.when, diagnostics);
      }
    }
  }
  if (container.cdi) names.Check(container.cdi->by, diagnostics);
  if (container.cdi) names.Check(container.cdi->existing, diagnostics);
  for (const MountSpec& mount : container.mounts) {
    names.Check(mount.host, diagnostics);
    names.Check(mount.container, diagnostics);
    names.Check(mount.when, diagnostics);
  }
}

void CheckSpec(const ResourceSpec& spec, const Names& names, Diagnostics& diagnostics) {
  names.Check(spec.name, diagnostics);
  names.Check(spec.where, diagnostics);
  names.Check(spec.except, diagnostics);
  for (const AttributeTest& test : spec.when.tests) {
    if (!test.name.starts_with("settings.")) {
      diagnostics.Error(
          test.pos,
          fmt::format("'when' of [[resource]] tests settings only, not '{}': use 'where'", test.name));
    }
  }
  names.Check(spec.when, diagnostics);
  if (spec.id) names.Check(*spec.id, diagnostics);
  if (spec.count) names.Check(*spec.count, diagnostics);
  if (spec.limit) names.Check(*spec.limit, diagnostics);
  if (spec.shares.otherwise) names.Check(*spec.shares.otherwise, diagnostics);
  for (const ShareNumbers::OfCard& one : spec.shares.of_cards) names.Check(one.number, diagnostics);
  if (spec.unit == UnitKind::kShare && spec.memory != "memory")
    names.CheckName(spec.memory, spec.memory_pos, "attribute", diagnostics);
  const Names groups = names.With("links");
  for (const std::string& name : spec.group_by)
    groups.CheckName(name, spec.group_by_pos, "attribute", diagnostics);
  // Who mistook the name may well have meant "links".
  bool others = std::all_of(spec.group_by.begin(), spec.group_by.end(),
                            [&](const std::string& name) { return names.Has(name); });
  if (spec.min_width_pos && others)
    diagnostics.Error(*spec.min_width_pos, "'min_width' in [[resource]] is for group_by = \"links\"");
  CheckContainer(spec.container, names, diagnostics);
}

// A number that a driver gives its cards as they come: name = "x([0-9]+)".
bool IsOrdinal(const Attribute& attribute) {
  return std::any_of(attribute.rules.begin(), attribute.rules.end(), [](const AttributeRule& rule) {
    return rule.source == AttributeSource::kName &&
           re2::RE2::PartialMatch(rule.match, R"([(](\[0-9\]|\\d)[+*][)])");
  });
}

// Cards of the bus have an address, which stays; others may have nothing but their number.
void CheckId(const TextTemplate& id, const Entries& entries, Diagnostics& diagnostics) {
  if (!entries.pci) return;
  const std::vector<std::string> names = id.Placeholders();
  for (const Attribute& attribute : entries.attributes) {
    if (!IsOrdinal(attribute) || std::find(names.begin(), names.end(), attribute.name) == names.end())
      continue;
    diagnostics.Error(id.pos,
                      fmt::format("'{{{}}}' is no part of an id: the driver numbers its cards anew after a "
                                  "reset; '{{pci.address}}' stays",
                                  attribute.name));
  }
}

void CheckAttributes(const Profile& profile, const Entries& entries, Diagnostics& diagnostics) {
  Names names(profile, entries);
  std::set<std::string> above(BuiltInNames().begin(), BuiltInNames().end());
  for (const Attribute& attribute : entries.attributes) {
    auto check_order = [&](const std::string& name) {
      if (above.contains(name) || name == attribute.name || name.find('.') != std::string::npos) return;
      diagnostics.Error(attribute.pos, fmt::format("attribute '{}' uses '{}', which must stand above it",
                                                   attribute.name, name));
    };
    for (const AttributeRule& rule : attribute.rules) {
      names.Check(rule.when, diagnostics);
      if (!rule.table.empty() && !profile.tables.contains(rule.table)) {
        std::vector<std::string> known;
        for (const auto& [table, values] : profile.tables) known.push_back(table);
        diagnostics.Error(attribute.pos,
                          fmt::format("attribute '{}' looks into table '{}': there is no [tables.{}]{}",
                                      attribute.name, rule.table, rule.table, DidYouMean(rule.table, known)));
      }
      if (rule.source == AttributeSource::kOf) {
        names.CheckName(rule.from.source(), attribute.pos, "attribute", diagnostics);
        check_order(rule.from.source());
        continue;
      }
      for (const TextTemplate* text : {&rule.from, &rule.holds}) {
        names.Check(*text, diagnostics);
        for (const std::string& name : text->Placeholders()) check_order(name);
      }
    }
    above.insert(attribute.name);
  }
}

void CheckEntries(const Profile& profile, const Entries& entries, Diagnostics& diagnostics) {
  Names names(profile, entries);
  Names settings = Names::OfSettings(profile);
  settings.Check(entries.when, diagnostics);
  for (const TextTemplate& path : entries.paths) {
    settings.Check(path, diagnostics);
    if (path.HasPlaceholders()) continue;  // told with the settings
    if (std::string bad = BadGlob(path.source()); !bad.empty()) diagnostics.Error(path.pos, bad);
  }
  if (entries.count) settings.Check(*entries.count, diagnostics);
  for (const Requirement& need : entries.require) {
    settings.Check(need.file, diagnostics);
    settings.Check(need.holds, diagnostics);
    settings.Check(need.when, diagnostics);
  }
  names.CheckEntry(entries.id, diagnostics);
  CheckId(entries.id, entries, diagnostics);
  names.Check(entries.address, diagnostics);
  for (const std::vector<TextTemplate>* list : {&entries.piece_of, &entries.board}) {
    for (const TextTemplate& text : *list) names.CheckEntry(text, diagnostics);
  }
  for (const NodeSpec& node : entries.nodes) {
    (node.each.empty() ? names : names.With("item")).CheckEntry(node.path, diagnostics);
    names.Check(node.each, diagnostics);
    names.Check(node.when, diagnostics);
  }
  for (const SkipRule& rule : entries.skip) {
    names.Check(rule.when, diagnostics);
    names.Check(rule.reason, diagnostics);
  }
  CheckAttributes(profile, entries, diagnostics);
}

// Two resources that are wanted at the same time, over the same cards, with the same name.
void CheckTwice(const Profile& profile, Diagnostics& diagnostics) {
  const std::vector<ResourceSpec>& all = profile.resources;
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      bool same = !all[i].name.empty() && all[i].name.source() == all[j].name.source() &&
                  Same(all[i].when, all[j].when) && Same(all[i].where, all[j].where) &&
                  Same(all[i].except, all[j].except) && all[i].nodes == all[j].nodes;
      if (!same) continue;
      diagnostics.Error(all[i].pos, fmt::format("two [[resource]] are called {}; the other is at {}",
                                                all[i].name.source(), ToString(all[j].pos)));
      break;
    }
  }
}

// What another vendor's cards have is no help: the profiles that know most of the names of `spec`.
std::vector<const Profile*> Nearest(const ResourceSpec& spec, const std::vector<const Profile*>& profiles) {
  std::vector<const Profile*> nearest;
  size_t fewest = SIZE_MAX;
  for (const Profile* profile : profiles) {
    Diagnostics own;
    CheckSpec(spec, Names({profile}), own);
    const size_t errors = own.errors().size();
    if (errors < fewest) nearest.clear();
    fewest = std::min(fewest, errors);
    if (errors == fewest) nearest.push_back(profile);
  }
  return nearest;
}

// Settings that do not go together; the profile's own defaults must.
void CheckConflicts(const Profile& profile, Diagnostics& diagnostics) {
  const Names names = Names::OfSettings(profile);
  std::map<std::string, std::string> defaults;
  for (const auto& [name, setting] : profile.settings) defaults[name] = setting.fallback;
  for (const SkipRule& rule : profile.conflicts) {
    names.Check(rule.when, diagnostics);
    names.Check(rule.reason, diagnostics);
    if (!rule.when.empty() && rule.when.Holds(SettingsLookup(&defaults)))
      diagnostics.Error(rule.pos, "this [[conflict]] holds for the defaults of the settings");
  }
}

}  // namespace

void CheckProfile(const Profile& profile, Diagnostics& diagnostics) {
  Names names({&profile});
  CheckConflicts(profile, diagnostics);
  for (const Entries& entries : profile.entries) CheckEntries(profile, entries, diagnostics);
  CheckContainer(profile.container, names, diagnostics);
  for (const HealthCheck& check : profile.health) {
    names.Check(check.read, diagnostics);
    names.Check(check.when, diagnostics);
  }
  for (const ResourceSpec& spec : profile.resources) CheckResource(spec, {&profile}, diagnostics);
  CheckTwice(profile, diagnostics);
}

void CheckResource(const ResourceSpec& spec, const std::vector<const Profile*>& profiles,
                   Diagnostics& diagnostics) {
  const Names names(profiles);
  Diagnostics wrong;
  CheckSpec(spec, names, wrong);
  if (!wrong.ok()) CheckSpec(spec, names.Suggesting(Names(Nearest(spec, profiles))), diagnostics);
  if (!spec.id) return;
  for (const Profile* profile : profiles) {
    for (const Entries& entries : profile->entries) CheckId(*spec.id, entries, diagnostics);
  }
}

void CheckTests(const Condition& condition, const std::vector<const Profile*>& profiles,
                Diagnostics& diagnostics) {
  Names(profiles).Check(condition, diagnostics);
}

}  // namespace cleave
