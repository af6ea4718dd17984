// SPDX-License-Identifier: Apache-2.0
// From settings, inventory and graph to a plan.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "config/resource_spec.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"
#include "discovery/inventory.h"
#include "policy/claims.h"
#include "policy/plan.h"
#include "policy/seats.h"
#include "policy/units.h"
#include "topology/graph.h"

namespace cleave {
namespace {

class Planner {
 public:
  Planner(const Settings& settings, Plan& plan, Diagnostics& diagnostics)
      : settings_(settings),
        plan_(plan),
        inventory_(*plan.inventory),
        diagnostics_(diagnostics),
        offered_by_(inventory_.cards.size()),
        reasons_(inventory_.cards.size()),
        left_over_(inventory_.cards.size()),
        shareable_(inventory_.cards.size(), 0) {}

  void Run() {
    CheckClaims(settings_, inventory_, diagnostics_);
    for (size_t i = 0; i < inventory_.cards.size(); ++i) Screen(i);
    // The operator's resources come first; profiles offer what is left.
    for (const ResourceSpec& spec : settings_.config.resources) Offer(spec);
    for (const ResourceSpec& spec : settings_.config.resources) ReserveName(spec);
    for (const Profile& profile : settings_.profiles) {
      for (const ResourceSpec& spec : profile.resources) Offer(spec);
    }
    for (auto& [name, made] : made_) plan_.resources.push_back(std::move(made.resource));
    for (size_t i = 0; i < inventory_.cards.size(); ++i) {
      if (!offered_by_[i].empty()) continue;
      std::string reason = !reasons_[i].empty()     ? reasons_[i]
                           : !left_over_[i].empty() ? left_over_[i]
                                                    : WhyNothing(i);
      plan_.not_offered.push_back({inventory_.cards[i].id, std::move(reason)});
    }
  }

 private:
  struct Made {
    Resource resource;
    const ResourceSpec* spec;
  };

  // The first reason is the one to be told: it is of the resource that the operator wrote.
  void LeaveOver(size_t card, const std::string& why) {
    if (left_over_[card].empty()) left_over_[card] = why;
  }

  void Screen(size_t index) {
    const Card& card = inventory_.cards[index];
    Condition::Lookup lookup = CardLookup(card, inventory_, plan_.SettingsOf(card.profile));
    for (const Condition& condition : settings_.config.exclude) {
      if (condition.Holds(lookup)) reasons_[index] = "it is excluded in cleave.toml";
    }
    if (!card.waiting) return;
    if (reasons_[index].empty()) late_.push_back({index, Missing(card)});
    reasons_[index] = "it waits for " + Missing(card);
  }

  std::string Missing(const Card& card) const {
    std::vector<std::string> names;
    for (const Profile& profile : settings_.profiles) {
      if (profile.name != card.profile) continue;
      for (const Entries& entries : profile.entries) {
        if (entries.kind != card.kind) continue;
        for (const Attribute& attribute : entries.attributes) {
          if (attribute.wait.count() > 0 && !card.attributes.contains(attribute.name))
            names.push_back(attribute.name);
        }
      }
    }
    return Join(names, " and ");
  }

  std::string WhyNothing(size_t index) const {
    const Card& card = inventory_.cards[index];
    std::string missing = Missing(card);
    if (!missing.empty()) return fmt::format("its {} cannot be read", missing);
    // What the resources ask about is what the reader needs to know.
    Condition::Lookup lookup = CardLookup(card, inventory_, nullptr);
    std::set<std::string> facts;
    for (const Profile& profile : settings_.profiles) {
      if (profile.name != card.profile) continue;
      for (const ResourceSpec& spec : profile.resources) {
        for (const AttributeTest& test : spec.where.tests) {
          if (std::optional<AttributeValue> value = lookup(test.name))
            facts.insert(fmt::format("{} is {}", test.name, ToText(*value)));
        }
      }
    }
    std::string text = "no resource takes it";
    if (!facts.empty()) text += fmt::format(" ({})", Join({facts.begin(), facts.end()}, ", "));
    return text;
  }

  bool IsForThisNode(const ResourceSpec& spec) const { return IsForNode(spec, plan_.node_name); }

  bool IsCandidate(const ResourceSpec& spec, size_t index) const {
    const Card& card = inventory_.cards[index];
    if (!spec.profile.empty() && spec.profile != card.profile) return false;
    if (!reasons_[index].empty()) return false;
    Condition::Lookup lookup = CardLookup(card, inventory_, plan_.SettingsOf(card.profile));
    return spec.when.Holds(lookup) && spec.where.Holds(lookup) &&
           (spec.except.empty() || !spec.except.Holds(lookup));
  }

  // An operator's resource without placeholders replaces a profile's of the same name, even without cards.
  void ReserveName(const ResourceSpec& spec) {
    if (IsForThisNode(spec) && !spec.name.HasPlaceholders()) reserved_.insert(spec.name.source());
  }

  // The candidates by the name of the resource that they would be in.
  std::map<std::string, std::vector<size_t>> ByName(const ResourceSpec& spec) {
    std::map<std::string, std::vector<size_t>> by_name;
    for (size_t i = 0; i < inventory_.cards.size(); ++i) {
      if (!IsCandidate(spec, i)) continue;
      if (!spec.from_operator && by_operator_.contains(i) && !MayOverlap(spec, i)) continue;
      const Card& card = inventory_.cards[i];
      absl::StatusOr<std::string> name =
          spec.name.Expand(CardTextLookup(card, inventory_, plan_.SettingsOf(card.profile)));
      if (!name.ok()) {
        LeaveOver(i, fmt::format("\"{}\": {}", spec.name.source(), std::string(name.status().message())));
        continue;
      }
      by_name[*name].push_back(i);
    }
    return by_name;
  }

  void Offer(const ResourceSpec& spec) {
    if (spec.name.source().empty()) return;  // the loader has said so
    // Also where it is not for this node: one file serves many.
    std::string sample = spec.name.Expand([](const std::string&) { return "x"; }).value_or("");
    if (std::string bad = BadResourceName(sample); !bad.empty()) {
      diagnostics_.Error(spec.name.pos, fmt::format("resource name '{}': {}", spec.name.source(), bad));
      return;
    }
    if (spec.broken || !IsForThisNode(spec)) return;
    if (spec.unit == UnitKind::kCount) return OfferCount(spec);
    std::map<std::string, std::vector<size_t>> by_name = ByName(spec);
    if (by_name.empty()) NotMadeHere(spec, "no card of this node is what it asks for");
    for (auto& [name, cards] : by_name) OfferOne(spec, name, cards);
  }

  // In cleave.toml, or in a profile of the operator's.
  bool IsOwn(const ResourceSpec& spec) const {
    if (spec.from_operator) return true;
    auto profile = std::find_if(settings_.profiles.begin(), settings_.profiles.end(),
                                [&](const Profile& one) { return one.name == spec.profile; });
    return profile != settings_.profiles.end() && !profile->shipped;
  }

  // Two of a profile's that differ in their cards alone are one resource.
  static bool Joins(const ResourceSpec& a, const ResourceSpec& b) {
    auto plain = [](const ResourceSpec& one) {
      const ContainerSpec& own = one.container;
      return !one.from_operator && own.inherit && own.devices.empty() && own.env.empty() &&
             own.mounts.empty() && own.annotations.empty() && !own.cdi && !one.id && !one.limit;
    };
    return plain(a) && plain(b) && a.profile == b.profile && a.unit == b.unit && a.prefer == b.prefer &&
           a.same_card == b.same_card && a.strict == b.strict && a.overlap == b.overlap && a.near == b.near &&
           a.memory == b.memory && a.unit != UnitKind::kCount;
  }

  void NotMadeHere(const ResourceSpec& spec, const std::string& why) {
    if (spec.from_operator) plan_.not_made.push_back({spec.name.source(), why});
  }

  bool MayOverlap(const ResourceSpec& spec, size_t card) const {
    return spec.overlap == Overlap::kExclusive && shareable_[card] != 0;
  }

  // Settings of the resource's profile, else of any: there is no card that could say whose are meant.
  TextTemplate::Lookup SettingsFor(const ResourceSpec& spec) const {
    return [this, &spec](const std::string& name) -> std::optional<std::string> {
      for (const auto& [profile, values] : plan_.settings) {
        const std::string* found = SettingOf(&values, name);
        if (found != nullptr && (spec.profile.empty() || spec.profile == profile)) return *found;
      }
      return std::nullopt;
    };
  }

  // Devices without hardware. With `where` or `except` they are offered where a card is of that kind.
  void OfferCount(const ResourceSpec& spec) {
    TextTemplate::Lookup lookup = SettingsFor(spec);
    auto wanted = [&](const std::string& name) -> std::optional<AttributeValue> { return lookup(name); };
    bool active =
        spec.profile.empty() ||
        std::any_of(settings_.profiles.begin(), settings_.profiles.end(), [&](const Profile& profile) {
          return profile.name == spec.profile && settings_.Active(profile);
        });
    if (!active || !spec.when.Holds(wanted)) return;
    bool found = spec.where.empty() && spec.except.empty();
    const bool asks = !found;
    absl::StatusOr<std::string> name = spec.name.Expand(lookup);
    for (size_t i = 0; asks && i < inventory_.cards.size(); ++i) {
      if (!IsCandidate(spec, i)) continue;
      found = true;
      if (name.ok()) LeaveOver(i, fmt::format("it is why {} is offered", *name));
    }
    if (!found) return;
    absl::StatusOr<int64_t> count = NumberFrom(*spec.count, lookup, 0);
    auto complain = [&](const auto& status, const auto& pos) { diagnostics_.Error(pos, MessageOf(status)); };
    if (!name.ok()) return complain(name.status(), spec.name.pos);
    if (!count.ok()) return complain(count.status(), spec.count->pos);
    if (std::string bad = BadResourceName(*name); !bad.empty())
      return diagnostics_.Error(spec.name.pos, fmt::format("resource name '{}': {}", *name, bad));
    std::string stem = name->substr(name->find('/') + 1);
    if (spec.id) {
      absl::StatusOr<std::string> id = spec.id->Expand(lookup);
      if (!id.ok()) return complain(id.status(), spec.id->pos);
      stem = *id;
    }
    std::vector<Unit> units = MakeCountedUnits(stem, *count);
    if (units.empty()) return;
    if (std::string bad = BadDeviceId(units.back().id); !bad.empty()) {
      return diagnostics_.Error((spec.id ? *spec.id : spec.name).pos,
                                fmt::format("device id '{}': {}", units.back().id, bad));
    }
    if (MayOffer(spec, *name, {})) Make(spec, *name, {}, std::move(units));
  }

  // Whether nothing stands against a resource of this name; said of `cards`, or as an error.
  bool MayOffer(const ResourceSpec& spec, const std::string& name, const std::vector<size_t>& cards) {
    auto leave_out = [&](const std::string& why) {
      for (size_t card : cards) LeaveOver(card, why);
      return false;
    };
    // A name made of what a card says must not stop the other cards.
    if (std::string bad = BadResourceName(name); !bad.empty()) {
      std::string why = fmt::format("resource name '{}': {}", name, bad);
      if (IsOwn(spec)) plan_.refused.push_back({spec.name.pos, why});
      return leave_out(why);
    }
    if (!spec.from_operator) {
      for (const std::string& pattern : settings_.config.drop) {
        if (!GlobMatch(pattern, name)) continue;
        plan_.dropped.insert(name);
        return leave_out(fmt::format("{} is dropped in cleave.toml", name));
      }
      if (reserved_.contains(name))
        return leave_out(fmt::format("{} is replaced in cleave.toml, which does not take it", name));
    }
    auto other = made_.find(name);
    if (other == made_.end() || Joins(spec, *other->second.spec)) return true;
    if (other->second.spec->from_operator && !spec.from_operator)
      return leave_out(fmt::format("{} is replaced in cleave.toml, which does not take it", name));
    std::string at = ToString(other->second.spec->pos);
    diagnostics_.Error(spec.pos, fmt::format("two [[resource]] are called {}; the other is at {}", name, at));
    return false;
  }

  void OfferOne(const ResourceSpec& spec, const std::string& name, const std::vector<size_t>& cards) {
    if (!MayOffer(spec, name, cards)) return;
    std::vector<size_t> free;
    std::map<std::string, std::vector<std::string>> taken;  // ids by the resource that has them
    for (size_t card : cards) {
      if (offered_by_[card].empty() || MayOverlap(spec, card)) {
        free.push_back(card);
      } else {
        taken[offered_by_[card]].push_back(inventory_.cards[card].id);
      }
    }
    for (const auto& [other, ids] : taken) {
      std::string more = ids.size() > 1 ? fmt::format(" (and {} more)", ids.size() - 1) : "";
      diagnostics_.Error(
          spec.pos, fmt::format("card {}{} is offered as {} and as {}: a card may be in one resource only, "
                                "unless all of them have overlap = \"exclusive\"",
                                ids.front(), more, other, name));
    }
    Make(spec, name, free, {});
  }

  // Where same_card and strict are: in `spec`, else where the profile, whose values are used, has them.
  const ResourceSpec& LimitsOf(const ResourceSpec& spec, const std::vector<size_t>& cards) const {
    if (!spec.from_operator || spec.same_card || !spec.container.inherit || cards.empty()) return spec;
    for (const Profile& profile : settings_.profiles) {
      for (const ResourceSpec& own : profile.resources) {
        if (own.unit == spec.unit && own.same_card && IsCandidate(own, cards.front())) return own;
      }
    }
    return spec;
  }

  // Of `cards`, or of units that are made already.
  void Make(const ResourceSpec& spec, const std::string& name, const std::vector<size_t>& cards,
            std::vector<Unit> units) {
    Resource resource;
    resource.name = name;
    resource.unit = spec.unit;
    resource.prefer = spec.prefer;
    resource.near = spec.near;
    resource.overlap = spec.overlap;
    resource.memory = spec.memory;
    resource.pos = spec.pos;
    resource.container = spec.container;
    resource.profile = cards.empty() ? spec.profile : inventory_.cards[cards.front()].profile;
    for (const Profile& profile : settings_.profiles) {
      if (profile.name == resource.profile) resource.container = Merge(profile.container, spec.container);
    }
    const ResourceSpec& limits = LimitsOf(spec, cards);
    resource.same_card = limits.same_card.value_or(SameCard::kAllow);
    resource.strict = limits.strict;
    std::vector<NotOffered> left_out;
    resource.units =
        units.empty() ? MakeUnits(spec, plan_, resource, cards, late_, left_out) : std::move(units);
    for (const Unit& unit : resource.units) {
      for (size_t card : unit.cards) {
        shareable_[card] = spec.overlap == Overlap::kExclusive ? 1 : 0;
        offered_by_[card] = name;
        if (spec.from_operator) by_operator_.insert(card);
      }
    }
    std::set<std::string> said;
    for (const NotOffered& one : left_out) {
      if (one.refused && IsOwn(spec) && said.insert(one.reason).second)
        plan_.refused.push_back({spec.id ? spec.id->pos : spec.pos, one.reason});
      for (size_t card : cards) {
        if (inventory_.cards[card].id != one.card) continue;
        LeaveOver(card, one.reason);
        if (one.refused && spec.from_operator) by_operator_.insert(card);
      }
    }
    if (resource.units.empty()) {
      return NotMadeHere(spec,
                         left_out.empty() ? "no cards are joined by links here" : left_out.front().reason);
    }
    if (auto other = made_.find(name); other != made_.end()) {  // see Joins()
      for (Unit& unit : other->second.resource.units) resource.units.push_back(std::move(unit));
      std::sort(resource.units.begin(), resource.units.end(), [](const Unit& a, const Unit& b) {
        return std::pair(a.cards, a.share ? a.share->index : 0) <
               std::pair(b.cards, b.share ? b.share->index : 0);
      });
      made_.erase(other);
    }
    Arrange(inventory_, *plan_.graph, settings_.config.weights, resource);
    made_.emplace(name, Made{std::move(resource), &spec});
  }

  const Settings& settings_;
  Plan& plan_;
  const Inventory& inventory_;
  Diagnostics& diagnostics_;
  std::vector<std::string> offered_by_;  // of each card; "" none
  std::vector<std::string> reasons_;     // why a card must not be offered; "" none
  std::vector<std::string> left_over_;   // why a resource that wanted it could not take it; another may
  std::vector<LateCard> late_;           // not excluded, but not told apart yet
  std::vector<char> shareable_;          // every resource that has the card may overlap with others
  std::set<size_t> by_operator_;         // cards in the operator's resources
  std::set<std::string> reserved_;
  std::map<std::string, Made> made_;
};

}  // namespace

Plan MakePlan(const Settings& settings, std::shared_ptr<const Inventory> inventory,
              std::shared_ptr<const Graph> graph, const std::string& node_name, Diagnostics& diagnostics) {
  Plan plan;
  plan.inventory = std::move(inventory);
  plan.graph = std::move(graph);
  plan.node_name = node_name;
  for (const Profile& profile : settings.profiles) plan.settings[profile.name] = settings.Values(profile);
  Planner(settings, plan, diagnostics).Run();
  return plan;
}

}  // namespace cleave
