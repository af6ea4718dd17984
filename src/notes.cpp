// SPDX-License-Identifier: Apache-2.0
#include "notes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "config/resource_spec.h"
#include "config/text_template.h"
#include "discovery/entries.h"
#include "discovery/inventory.h"
#include "discovery/patient_reader.h"
#include "node_view.h"
#include "policy/name_patterns.h"
#include "policy/plan.h"

namespace cleave {
namespace {

// The operator's own resources that are for this node, and those of profiles that are not shipped.
std::vector<const ResourceSpec*> OwnResources(const NodeView& view) {
  std::vector<const ResourceSpec*> own;
  for (const ResourceSpec& spec : view.settings.config.resources) {
    if (IsForNode(spec, view.plan.node_name)) own.push_back(&spec);
  }
  for (const Profile& profile : view.settings.profiles) {
    if (profile.shipped || !view.settings.Active(profile)) continue;
    for (const ResourceSpec& spec : profile.resources) own.push_back(&spec);
  }
  return own;
}

// [[exclude]] that holds for no card.
void FindIdleExcludes(const NodeView& view, Diagnostics& notes) {
  const Inventory& inventory = *view.plan.inventory;
  if (inventory.cards.empty()) return;
  for (const Condition& condition : view.settings.config.exclude) {
    bool holds = std::any_of(inventory.cards.begin(), inventory.cards.end(), [&](const Card& card) {
      return condition.Holds(CardLookup(card, inventory, view.plan.SettingsOf(card.profile)));
    });
    if (!holds && !condition.empty())
      notes.Note(condition.tests.front().pos, "[[exclude]] holds for no card of this node");
  }
}

// Patterns in `drop` that take nothing away.
void FindIdleDrops(const NodeView& view, Diagnostics& notes) {
  const Config& config = view.settings.config;
  const std::vector<std::string> possible = NamePatterns(view.settings);
  std::set<std::string> names = view.plan.dropped;
  for (const std::string& name : possible) {
    if (name.find('*') == std::string::npos) names.insert(name);
  }
  for (const Resource& resource : view.plan.resources) {
    bool own = std::any_of(config.resources.begin(), config.resources.end(),
                           [&](const ResourceSpec& spec) { return spec.pos == resource.pos; });
    if (!own) names.insert(resource.name);  // `drop` is for those of profiles
  }
  for (const std::string& pattern : config.drop) {
    bool takes = std::any_of(view.plan.dropped.begin(), view.plan.dropped.end(),
                             [&](const std::string& name) { return GlobMatch(pattern, name); });
    if (takes) continue;
    bool may = std::any_of(possible.begin(), possible.end(),
                           [&](const std::string& name) { return MayMeet(pattern, name); });
    if (may && view.plan.inventory->cards.empty()) continue;
    notes.Note(
        config.drop_pos,
        fmt::format("'drop': no profile in use {} '{}'{}{}", may ? "makes" : "ever makes", pattern,
                    may ? " of this node's cards" : "", DidYouMean(pattern, {names.begin(), names.end()})));
  }
}

// Cards that `shares` names and nobody has.
void FindUnknownCards(const NodeView& view, Diagnostics& notes) {
  const std::vector<Card>& cards = view.plan.inventory->cards;
  if (cards.empty()) return;
  std::vector<std::string> known;
  for (const Card& card : cards) known.push_back(card.id);
  for (const ResourceSpec* spec : OwnResources(view)) {
    for (const ShareNumbers::OfCard& one : spec->shares.of_cards) {
      bool found =
          std::any_of(cards.begin(), cards.end(), [&](const Card& card) { return IsCalled(card, one.card); });
      if (found) continue;
      notes.Note(one.pos,
                 fmt::format("'shares' names '{}', which is no id, address or serial of a card of this "
                             "node{}",
                             one.card, DidYouMean(one.card, known)));
    }
  }
}

void FindMissingNics(const NodeView& view, Diagnostics& notes) {
  for (const ResourceSpec* spec : OwnResources(view)) {
    if (spec->near.empty() || !view.plan.graph->Nics(spec->near).empty()) continue;
    bool made = std::any_of(view.plan.resources.begin(), view.plan.resources.end(),
                            [&](const Resource& resource) { return resource.pos == spec->pos; });
    if (!made) continue;
    bool rdma = std::find(spec->near.begin(), spec->near.end(), "net") == spec->near.end();
    notes.Note(spec->pos, fmt::format("'near' changes nothing here: this node has no network card{}",
                                      rdma ? " with RDMA" : ""));
  }
}

// Shares so many that the least percentage, 1, is more than a share of them, where a container is told it.
void FindRoundedShares(const NodeView& view, Diagnostics& notes) {
  const Inventory& inventory = *view.plan.inventory;
  for (const Resource& resource : view.plan.resources) {
    auto is_told = [&](const Unit& unit, const std::vector<NamedValue>& values) {
      const Card& card = inventory.cards[unit.cards.front()];
      const Condition::Lookup lookup = CardLookup(card, inventory, view.plan.SettingsOf(card.profile));
      return std::any_of(values.begin(), values.end(), [&](const NamedValue& value) {
        return std::any_of(value.choices.begin(), value.choices.end(), [&](const ValueChoice& choice) {
          const std::vector<std::string> names = choice.value.Placeholders();
          return std::find(names.begin(), names.end(), "share.percent") != names.end() &&
                 choice.when.Holds(lookup);
        });
      });
    };
    auto most =
        std::max_element(resource.units.begin(), resource.units.end(), [](const Unit& a, const Unit& b) {
          return (a.share ? a.share->of : 0) < (b.share ? b.share->of : 0);
        });
    if (most == resource.units.end() || !most->share || most->share->of <= 100) continue;
    if (!is_told(*most, resource.container.env) && !is_told(*most, resource.container.annotations)) continue;
    notes.Note(resource.pos,
               fmt::format("{{share.percent}} of one of {} shares is 1, so that a card's shares have {} % "
                           "together",
                           most->share->of, most->share->of));
  }
}

// The cards that one kind of entries of a profile made.
std::vector<const Card*> CardsOf(const NodeView& view, const Profile& profile, const std::string& kind) {
  std::vector<const Card*> cards;
  for (const Card& card : view.plan.inventory->cards) {
    if (card.profile == profile.name && (kind.empty() || card.kind == kind)) cards.push_back(&card);
  }
  return cards;
}

void FindSilentAttributes(const NodeView& view, const Profile& profile, Diagnostics& notes) {
  for (const Entries& entries : profile.entries) {
    const std::vector<const Card*> cards = CardsOf(view, profile, entries.kind);
    if (cards.empty()) continue;
    for (const Attribute& attribute : entries.attributes) {
      bool asked = std::any_of(attribute.rules.begin(), attribute.rules.end(),
                               [](const AttributeRule& rule) { return rule.when.empty(); });
      if (!asked) continue;  // each rule is for some cards only
      bool found = std::any_of(cards.begin(), cards.end(),
                               [&](const Card* card) { return card->attributes.contains(attribute.name); });
      if (found) continue;
      notes.Note(attribute.pos,
                 fmt::format("attribute '{}' has no value on any of {} cards", attribute.name, cards.size()));
    }
  }
}

// Health checks that have nothing to read on any card that they are for.
void FindSilentChecks(const NodeView& view, const Profile& profile, Diagnostics& notes) {
  const Inventory& inventory = *view.plan.inventory;
  const auto* settings = view.plan.SettingsOf(profile.name);
  for (const HealthCheck& check : profile.health) {
    size_t asked = 0;
    bool found = false;
    std::string path;
    for (const Card* card : CardsOf(view, profile, "")) {
      if (!check.when.Holds(CardLookup(*card, inventory, settings))) continue;
      ++asked;
      absl::StatusOr<std::string> own = check.read.Expand(CardTextLookup(*card, inventory, settings));
      if (!own.ok()) continue;
      path = "/" + FromEntry(*card, *own);
      found = found || !view.root->Glob(path).empty();
    }
    if (asked == 0 || found || check.absent_is_bad) continue;  // the last is said of the cards
    notes.Note(check.pos, fmt::format("health check '{}' finds no file on any of {} cards{}", check.name,
                                      asked, path.empty() ? "" : ", such as " + path));
  }
}

// Device nodes of a profile that no container gets.
void FindUnusedNodes(const NodeView& view, const Profile& profile, Diagnostics& notes) {
  std::set<std::string> named;
  bool by_name_only = false;  // what a CDI file of somebody else's gives
  auto take = [&](const ContainerSpec& container) {
    by_name_only = by_name_only || container.cdi.has_value();
    std::vector<TextTemplate> texts = container.devices;
    for (const MountSpec& mount : container.mounts) texts.push_back(mount.host);
    for (const TextTemplate& text : texts) {
      for (const std::string& name : text.Placeholders()) named.insert(name);
    }
  };
  take(profile.container);
  for (const ResourceSpec& spec : profile.resources) take(spec.container);
  for (const ResourceSpec& spec : view.settings.config.resources) take(spec.container);
  if (by_name_only || named.contains("nodes.*")) return;
  for (const Entries& entries : profile.entries) {
    for (const NodeSpec& node : entries.nodes) {
      if (named.contains("nodes." + node.role)) continue;
      notes.Note(
          node.path.pos,
          fmt::format("no container gets node '{}': '{{nodes.{}}}' or '{{nodes.*}}' is in no 'devices'",
                      node.role, node.role));
    }
  }
}

// A picture of /sys alone.
void FindLostNodes(const NodeView& view, const NodeOptions& options, Diagnostics& notes) {
  if (view.root->Exists("dev")) return;
  const std::vector<Card>& cards = view.plan.inventory->cards;
  bool any = std::any_of(cards.begin(), cards.end(), [](const Card& card) { return !card.nodes.empty(); });
  if (any) notes.Note({options.root, 0, 0}, "it has no /dev, so device nodes of cards are taken as there");
}

// Where nothing is found: profiles that would find something and are not in use.
void FindIdleProfiles(const NodeView& view, Diagnostics& notes) {
  if (!view.plan.inventory->cards.empty() || !view.plan.resources.empty()) return;
  Settings others = view.settings;
  std::vector<std::string> idle;
  for (const Profile& profile : others.profiles) {
    if (!others.Active(profile)) idle.push_back(profile.name);
  }
  if (idle.empty()) return;
  others.config.profiles = std::move(idle);
  auto settings = std::make_shared<const Settings>(std::move(others));
  PatientReader reader(view.root);
  const Inventory found = ScanPatiently(reader, settings);
  std::map<std::string, size_t> cards;
  for (const Card& card : found.cards) ++cards[card.profile];
  for (const auto& [name, count] : cards) {
    notes.Note({},
               fmt::format("profile '{}' is not in use and would find {} card{} here: name it in 'profiles'",
                           name, count, count == 1 ? "" : "s"));
  }
}

}  // namespace

void FindNotes(const NodeView& view, const NodeOptions& options, Diagnostics& diagnostics) {
  FindIdleExcludes(view, diagnostics);
  FindIdleDrops(view, diagnostics);
  FindUnknownCards(view, diagnostics);
  FindMissingNics(view, diagnostics);
  FindRoundedShares(view, diagnostics);
  FindLostNodes(view, options, diagnostics);
  FindIdleProfiles(view, diagnostics);
  const std::vector<std::string>& trial = options.profile_files;
  for (const Profile& profile : view.settings.profiles) {
    if (profile.shipped || profile.broken) continue;
    FindUnusedNodes(view, profile, diagnostics);
    // What is on no card of this node may be on others: worth knowing for who writes a profile by trial.
    if (std::find(trial.begin(), trial.end(), profile.file) == trial.end()) continue;
    FindSilentAttributes(view, profile, diagnostics);
    FindSilentChecks(view, profile, diagnostics);
  }
}

}  // namespace cleave
