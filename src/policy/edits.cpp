// SPDX-License-Identifier: Apache-2.0
// What a container gets of the units it was given.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/resource_spec.h"
#include "config/text_template.h"
#include "discovery/inventory.h"
#include "policy/plan.h"

namespace cleave {
namespace {

// One card of the container, with what templates may ask of it.
class CardInContainer {
 public:
  CardInContainer(const Plan& plan, const Resource& resource, const Unit& unit, const Card& card,
                  size_t position, size_t count)
      : unit_(unit), card_(card) {
    auto settings = plan.settings.find(card.profile);
    const std::map<std::string, std::string>* values =
        settings == plan.settings.end() ? nullptr : &settings->second;
    facts_ = CardLookup(card, *plan.inventory, values);
    own_ = {{"id", unit.id},
            {"resource", resource.name},
            {"node", plan.node_name},
            {"count", static_cast<int64_t>(count)},
            {"position", static_cast<int64_t>(position)}};
  }

  const Unit& unit() const { return unit_; }
  const Card& card() const { return card_; }

  std::optional<AttributeValue> Value(const std::string& name) const {
    if (auto own = own_.find(name); own != own_.end()) return own->second;
    return facts_(name);
  }
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
  const Unit& unit_;
  const Card& card_;
  Condition::Lookup facts_;
  std::map<std::string, AttributeValue> own_;
};

void AddOnce(std::vector<std::string>& list, std::string value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(std::move(value));
}

absl::StatusOr<std::map<std::string, std::string>> ExpandValues(const std::vector<NamedValue>& specs,
                                                                const std::vector<CardInContainer>& cards) {
  std::map<std::string, std::vector<std::string>> lists;
  for (const NamedValue& spec : specs) {
    for (const CardInContainer& card : cards) {
      auto choice = std::find_if(spec.choices.begin(), spec.choices.end(),
                                 [&](const ValueChoice& one) { return card.Holds(one.when); });
      if (choice == spec.choices.end()) continue;
      CLEAVE_ASSIGN_OR_RETURN(std::string name, card.Expand(spec.name));
      CLEAVE_ASSIGN_OR_RETURN(std::string value, card.Expand(choice->value));
      AddOnce(lists[name], std::move(value));
    }
  }
  std::map<std::string, std::string> values;
  for (const auto& [name, list] : lists) values[name] = Join(list, ",");
  return values;
}

absl::Status ExpandMounts(const std::vector<MountSpec>& specs, const std::vector<CardInContainer>& cards,
                          ContainerEdits& edits) {
  for (const MountSpec& spec : specs) {
    for (const CardInContainer& card : cards) {
      if (!card.Holds(spec.when)) continue;
      ContainerEdits::Mount mount;
      CLEAVE_ASSIGN_OR_RETURN(mount.host, card.Expand(spec.host));
      CLEAVE_ASSIGN_OR_RETURN(mount.container, card.Expand(spec.container));
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

absl::StatusOr<ContainerEdits> MakeEdits(const Plan& plan, const Resource& resource,
                                         const std::vector<std::string>& unit_ids) {
  std::vector<const Unit*> units;
  for (const std::string& id : unit_ids) {
    const Unit* unit = resource.Find(id);
    if (unit == nullptr) return absl::NotFoundError(fmt::format("{} has no device {}", resource.name, id));
    if (unit->health == Health::kUnhealthy) {
      return absl::FailedPreconditionError(
          fmt::format("device {} of {} is not healthy: {}", id, resource.name, unit->reason));
    }
    if (std::find(units.begin(), units.end(), unit) == units.end()) units.push_back(unit);
  }
  std::sort(units.begin(), units.end());  // pointers into one vector: PCI-walk order
  std::vector<CardInContainer> cards;
  for (const Unit* unit : units) {
    for (size_t card : unit->cards) {
      size_t position = cards.size();
      cards.emplace_back(plan, resource, *unit, plan.inventory->cards[card], position, units.size());
    }
  }
  ContainerEdits edits;
  for (const TextTemplate& device : resource.container.devices) {
    for (const CardInContainer& card : cards) {
      if (device.source() == "{nodes.*}") {
        for (const auto& [role, path] : card.card().nodes) AddOnce(edits.devices, path);
        continue;
      }
      CLEAVE_ASSIGN_OR_RETURN(std::string path, card.Expand(device));
      AddOnce(edits.devices, std::move(path));
    }
  }
  CLEAVE_ASSIGN_OR_RETURN(edits.env, ExpandValues(resource.container.env, cards));
  CLEAVE_ASSIGN_OR_RETURN(edits.annotations, ExpandValues(resource.container.annotations, cards));
  CLEAVE_RETURN_IF_ERROR(ExpandMounts(resource.container.mounts, cards, edits));
  return edits;
}

}  // namespace cleave
