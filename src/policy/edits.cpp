// SPDX-License-Identifier: Apache-2.0
// What a container gets of the units it was given.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/resource_spec.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"
#include "discovery/inventory.h"
#include "policy/plan.h"

namespace cleave {
namespace {

// EXAMPLE_COM_GPU, as KubeVirt names its variables (pkg/util/util.go, ResourceNameToEnvVar).
std::string AsEnvName(std::string name) {
  for (char& c : name)
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? static_cast<char>(std::toupper(c)) : '_';
  return name;
}

// For so many ids an index is not worth making.
constexpr size_t kFewIds = 8;

// How much of a card a container holds.
struct Portion {
  size_t position = 0;  // of the card among the container's
  int64_t shares = 0;   // that the container holds of it
};

// One card of one unit of the container, with what templates may ask of it. A counted unit has no card.
class CardInContainer {
 public:
  CardInContainer(const Plan& plan, const Resource& resource, const Unit& unit, const Card* card,
                  const Portion& portion, size_t count)
      : unit_(unit), card_(card) {
    auto settings = plan.settings.find(card == nullptr ? resource.profile : card->profile);
    const std::map<std::string, std::string>* values =
        settings == plan.settings.end() ? nullptr : &settings->second;
    facts_ = card == nullptr ? SettingsLookup(values) : CardLookup(*card, *plan.inventory, values);
    own_ = {{"id", unit.id},
            {"resource", resource.name},
            {"resource.env", AsEnvName(resource.name)},
            {"node", plan.node_name},
            {"count", static_cast<int64_t>(count)},
            {"position", static_cast<int64_t>(portion.position)}};
    if (card != nullptr) AddShare(resource.memory, portion);
  }

  const Unit& unit() const { return unit_; }
  const Card* card() const { return card_; }

  std::optional<AttributeValue> Value(const std::string& name) const {
    if (auto own = own_.find(name); own != own_.end()) return own->second;
    if (all_ != nullptr && name.starts_with(kSum)) return Sum(name.substr(kSum.size()));
    return facts_(name);
  }
  // All cards of the container, over which {sum.NAME} adds up; they must outlive this one.
  void See(const std::vector<CardInContainer>& all) { all_ = &all; }

  bool Holds(const Condition& condition) const {
    return condition.Holds([this](const std::string& name) { return Value(name); });
  }
  absl::StatusOr<std::string> Expand(const TextTemplate& text) const {
    absl::StatusOr<std::string> value =
        text.Expand([this](const std::string& name) -> std::optional<std::string> {
          std::optional<AttributeValue> found = Value(name);
          return found ? std::optional<std::string>(ToText(*found)) : std::nullopt;
        });
    if (value.ok()) return value;
    return absl::FailedPreconditionError(
        fmt::format("unit {}: \"{}\": {}", unit_.id, text.source(), MessageOf(value.status())));
  }

 private:
  // Each card once, however many of its shares there are; without a value where one has none.
  std::optional<AttributeValue> Sum(const std::string& name) const {
    int64_t sum = 0;
    std::unordered_set<const Card*> seen;
    for (const CardInContainer& one : *all_) {
      if (one.card_ != nullptr && !seen.insert(one.card_).second) continue;
      std::optional<AttributeValue> value = one.Value(name);
      std::optional<int64_t> number = value ? ParseInt(ToText(*value)) : std::nullopt;
      if (!number || __builtin_add_overflow(sum, *number, &sum)) return std::nullopt;
    }
    return sum;
  }

  // What is not a share is all of its card. Rounded down, but never to nothing, which many read as no limit.
  void AddShare(const std::string& memory, const Portion& portion) {
    int64_t of = unit_.share ? unit_.share->of : 1;
    int64_t held = unit_.share ? portion.shares : 1;
    own_["share.percent"] = std::max<int64_t>(1, 100 * held / of);
    if (unit_.share) own_["share.index"] = static_cast<int64_t>(unit_.share->index);
    std::optional<AttributeValue> total = facts_(memory);
    std::optional<int64_t> number = total ? ParseInt(ToText(*total)) : std::nullopt;
    if (number && *number > 0) {
      // In two parts, so that bytes of a large card times thousands of shares do not overflow.
      int64_t part = *number / of * held + *number % of * held / of;
      own_["share.memory"] = std::max<int64_t>(1, part);
    }
  }

  static constexpr std::string_view kSum = "sum.";

  const Unit& unit_;
  const Card* card_;
  const std::vector<CardInContainer>* all_ = nullptr;
  Condition::Lookup facts_;
  std::map<std::string, AttributeValue> own_;
};

// Values in the order in which they came, one for each key.
class OnceEach {
 public:
  void Add(std::string value) {
    std::string key = value;
    Add(key, std::move(value));
  }
  void Add(const std::string& key, std::string value) {
    if (seen_.insert(key).second) values_.push_back(std::move(value));
  }
  const std::vector<std::string>& values() const { return values_; }

 private:
  std::vector<std::string> values_;
  std::unordered_set<std::string> seen_;
};

// What of the container's has one value of a list.
std::string KeyOf(Per per, const CardInContainer& card, const std::string& value) {
  if (per == Per::kUnit) return card.unit().id;
  if (per == Per::kCard && card.card() != nullptr) return card.card()->profile + "/" + card.card()->id;
  return value;
}

// The first choice that holds for a card; null when none does.
const ValueChoice* ChoiceFor(const NamedValue& spec, const CardInContainer& card) {
  auto choice = std::find_if(spec.choices.begin(), spec.choices.end(),
                             [&](const ValueChoice& one) { return card.Holds(one.when); });
  return choice == spec.choices.end() ? nullptr : &*choice;
}

absl::StatusOr<std::map<std::string, std::string>> ExpandValues(const std::vector<NamedValue>& specs,
                                                                const std::vector<CardInContainer>& cards) {
  std::map<std::string, OnceEach> lists;
  for (const NamedValue& spec : specs) {
    for (const CardInContainer& card : cards) {
      const ValueChoice* choice = ChoiceFor(spec, card);
      if (choice == nullptr) continue;
      CLEAVE_ASSIGN_OR_RETURN(std::string name, card.Expand(spec.name));
      CLEAVE_ASSIGN_OR_RETURN(std::string value, card.Expand(choice->value));
      std::string key = KeyOf(choice->per, card, value);
      lists[name].Add(key, std::move(value));
    }
  }
  std::map<std::string, std::string> values;
  for (const auto& [name, list] : lists) values[name] = Join(list.values(), ",");
  return values;
}

// What a container may do with its device nodes, where that is not "rw": as much as any of its cards says.
std::map<std::string, std::string> PermissionsOf(const std::vector<std::string>& devices,
                                                 const std::vector<CardInContainer>& cards) {
  std::map<std::string, std::string> allowed;
  for (const CardInContainer& card : cards) {
    if (card.card() == nullptr) continue;
    for (const auto& [role, path] : card.card()->nodes) {
      auto other = card.card()->permissions.find(path);
      std::string here = other == card.card()->permissions.end() ? "rw" : other->second;
      std::string& all = allowed.try_emplace(path, here).first->second;
      if (all != here) all = all == "rwm" || here == "rwm" ? "rwm" : "rw";
    }
  }
  std::erase_if(allowed, [&](const auto& item) {
    return item.second == "rw" || std::find(devices.begin(), devices.end(), item.first) == devices.end();
  });
  return allowed;
}

absl::Status ExpandMounts(const std::vector<MountSpec>& specs, const std::vector<CardInContainer>& cards,
                          ContainerEdits& edits) {
  for (const MountSpec& spec : specs) {
    for (const CardInContainer& card : cards) {
      if (!card.Holds(spec.when)) continue;
      ContainerEdits::Mount mount;
      CLEAVE_ASSIGN_OR_RETURN(mount.host, card.Expand(spec.host));
      CLEAVE_ASSIGN_OR_RETURN(mount.container, card.Expand(spec.container));
      for (const std::string& path : {mount.host, mount.container}) {
        if (!path.starts_with('/'))
          return absl::FailedPreconditionError(fmt::format("mount: '{}' is no absolute path", path));
      }
      mount.read_only = spec.read_only;
      mount.optional = spec.optional;
      mount.file_system = spec.file_system;
      bool there =
          std::any_of(edits.mounts.begin(), edits.mounts.end(),
                      [&](const ContainerEdits::Mount& other) { return other.container == mount.container; });
      if (!there) edits.mounts.push_back(std::move(mount));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<const Unit*>> FindUnits(const Resource& resource,
                                                   const std::vector<std::string>& unit_ids) {
  std::unordered_map<std::string_view, const Unit*> by_id;
  if (unit_ids.size() > kFewIds) {
    for (const Unit& unit : resource.units) by_id.emplace(unit.id, &unit);
  }
  std::vector<const Unit*> units;
  for (const std::string& id : unit_ids) {
    auto found = by_id.find(id);
    const Unit* unit = found != by_id.end()         ? found->second
                       : unit_ids.size() <= kFewIds ? resource.Find(id)
                                                    : nullptr;
    if (unit == nullptr) return absl::NotFoundError(fmt::format("{} has no device {}", resource.name, id));
    if (unit->health == Health::kUnhealthy) {
      return absl::FailedPreconditionError(fmt::format("device {} of {} is {}: {}", id, resource.name,
                                                       unit->withheld ? "withheld" : "not healthy",
                                                       unit->reason));
    }
    units.push_back(unit);
  }
  std::sort(units.begin(), units.end());  // pointers into one vector: PCI-walk order
  units.erase(std::unique(units.begin(), units.end()), units.end());
  return units;
}

absl::StatusOr<ContainerEdits> MakeEdits(const Plan& plan, const Resource& resource,
                                         const std::vector<std::string>& unit_ids) {
  CLEAVE_ASSIGN_OR_RETURN(std::vector<const Unit*> units, FindUnits(resource, unit_ids));
  std::map<size_t, Portion> portions;
  for (const Unit* unit : units) {
    for (size_t card : unit->cards) {
      Portion fresh{portions.size(), 0};
      ++portions.try_emplace(card, fresh).first->second.shares;
    }
  }
  std::vector<CardInContainer> cards;
  for (const Unit* unit : units) {
    for (size_t card : unit->cards)
      cards.emplace_back(plan, resource, *unit, &plan.inventory->cards[card], portions[card], units.size());
    if (unit->cards.empty())
      cards.emplace_back(plan, resource, *unit, nullptr, Portion{cards.size(), 0}, units.size());
  }
  for (CardInContainer& card : cards) card.See(cards);
  OnceEach devices;
  for (const TextTemplate& device : resource.container.devices) {
    for (const CardInContainer& card : cards) {
      if (device.source() == "{nodes.*}" && card.card() != nullptr) {
        for (const auto& [role, path] : card.card()->nodes) devices.Add(path);
        continue;
      }
      CLEAVE_ASSIGN_OR_RETURN(std::string path, card.Expand(device));
      devices.Add(std::move(path));
    }
  }
  ContainerEdits edits;
  edits.devices = devices.values();
  edits.permissions = PermissionsOf(edits.devices, cards);
  CLEAVE_ASSIGN_OR_RETURN(edits.env, ExpandValues(resource.container.env, cards));
  CLEAVE_ASSIGN_OR_RETURN(edits.annotations, ExpandValues(resource.container.annotations, cards));
  CLEAVE_RETURN_IF_ERROR(ExpandMounts(resource.container.mounts, cards, edits));
  return edits;
}

std::vector<Diagnostic> FindUnanswered(const Plan& plan, const Resource& resource) {
  struct Silent {
    std::string text;
    std::vector<std::string> ids;
  };
  std::map<SourcePos, Silent> found;
  const Unit* before = nullptr;
  for (const Unit& unit : resource.units) {
    bool again = before != nullptr && before->cards == unit.cards;  // another share of it
    before = &unit;
    if (again || unit.health == Health::kUnhealthy || unit.cards.empty()) continue;
    std::vector<CardInContainer> cards;
    for (size_t card : unit.cards)
      cards.emplace_back(plan, resource, unit, &plan.inventory->cards[card], Portion{cards.size(), 1}, 1);
    for (CardInContainer& card : cards) card.See(cards);
    for (const CardInContainer& card : cards) {
      auto ask = [&](const TextTemplate& text) {
        if (text.source() == "{nodes.*}" || card.Expand(text).ok()) return;
        Silent& silent = found[text.pos];
        silent.text = text.source();
        if (silent.ids.empty() || silent.ids.back() != unit.id) silent.ids.push_back(unit.id);
      };
      for (const std::vector<NamedValue>* list : {&resource.container.env, &resource.container.annotations}) {
        for (const NamedValue& value : *list) {
          const ValueChoice* choice = ChoiceFor(value, card);
          if (choice == nullptr) continue;
          ask(value.name);
          ask(choice->value);
        }
      }
      for (const MountSpec& mount : resource.container.mounts) {
        if (!card.Holds(mount.when)) continue;
        ask(mount.host);
        ask(mount.container);
      }
    }
  }
  std::vector<Diagnostic> unanswered;
  for (const auto& [pos, silent] : found) {
    std::string ids = silent.ids.front();
    if (silent.ids.size() > 1) ids += fmt::format(" and {} more", silent.ids.size() - 1);
    unanswered.push_back(
        {pos, fmt::format("\"{}\" has no value for {} of {}: a pod that gets it would be refused",
                          silent.text, ids, resource.name)});
  }
  return unanswered;
}

}  // namespace cleave
