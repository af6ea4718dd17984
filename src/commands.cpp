// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/diagnostics.h"
#include "discovery/inventory.h"
#include "node_view.h"
#include "notes.h"
#include "output.h"
#include "plan_keeper.h"
#include "policy/choose.h"
#include "policy/choose_explain.h"
#include "policy/choose_units.h"
#include "policy/plan.h"
#include "server/allocate.h"
#include "server/event_loop.h"
#include "server/kubelet_client.h"
#include "server/messages.h"
#include "topology/graph.h"
#include "topology/link_sources.h"
#include "topology/render.h"
#include "topology/render_svg.h"

namespace cleave {
namespace {

constexpr std::chrono::seconds kKubeletAnswers{2};

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void Complain(const std::string& text) { fmt::print(stderr, "cleave: {}\n", text); }

void PrintDiagnostics(const Diagnostics& diagnostics) {
  for (const std::string& line : Lines(diagnostics)) fmt::print(stderr, "{}\n", line);
}

// The node, with all problems of its configuration said; nullopt when it cannot be looked at or has errors.
std::optional<NodeView> Look(const NodeOptions& options) {
  absl::StatusOr<NodeView> view = LookAtNode(options);
  if (!view.ok()) {
    Complain(MessageOf(view.status()));
    return std::nullopt;
  }
  PrintDiagnostics(view->diagnostics);
  if (!view->diagnostics.ok()) return std::nullopt;
  return *std::move(view);
}

// What output for the eye and for programs alike has no place for: links that are not read, a root that is
// none. Said on standard error, a line each.
void SayWhatIsLost(const NodeView& view) {
  for (const Oddity& odd : view.plan.inventory->oddities) {
    const bool lost = odd.text.starts_with(kLinksOf) || odd.subject == kRootSubject;
    if (lost) Complain(odd.subject + ": " + odd.text);
  }
}

// "a, b, c and 5 more".
std::string FirstOf(std::vector<std::string> words) {
  constexpr size_t kShown = 3;
  const size_t more = words.size() > kShown ? words.size() - kShown : 0;
  words.resize(words.size() - more);
  return Join(words, ", ") + (more > 0 ? fmt::format(" and {} more", more) : "");
}

// The devices that a card, called by its id or address, is in or has pieces in.
std::vector<std::string> DevicesWith(const Plan& plan, const Resource& resource, const std::string& card) {
  std::vector<std::string> ids;
  for (const Unit& unit : resource.units) {
    bool in_it = std::any_of(unit.cards.begin(), unit.cards.end(), [&](size_t index) {
      const Card& one = plan.inventory->cards[index];
      return one.id == card || one.address == card;
    });
    if (in_it) ids.push_back(unit.id);
  }
  return ids;
}

// Ids to indexes of units, each once; nullopt (said) when one is not known.
std::optional<std::vector<size_t>> UnitIndexes(const Plan& plan, const Resource& resource,
                                               const std::vector<std::string>& ids) {
  std::vector<size_t> indexes;
  for (const std::string& word : ids) {
    const std::string id(Trim(word));
    const Unit* found = resource.Find(id);
    if (found == nullptr) {
      std::vector<std::string> known;
      for (const Unit& one : resource.units) known.push_back(one.id);
      const std::vector<std::string> has = DevicesWith(plan, resource, id);
      const std::string hint =
          has.empty() ? DidYouMean(id, known) : "; that card is part of device " + FirstOf(has);
      Complain(fmt::format("{} has no device '{}'{}", resource.name, id, hint));
      return std::nullopt;
    }
    const auto index = static_cast<size_t>(found - resource.units.data());
    if (std::find(indexes.begin(), indexes.end(), index) == indexes.end()) indexes.push_back(index);
  }
  std::sort(indexes.begin(), indexes.end());
  indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
  return indexes;
}

// "tt-galaxy" for /tmp/tt-galaxy.tar.zst: a captured machine is not called as this one.
std::string PictureTitle(const NodeOptions& node) {
  if (!node.node_name.empty()) return node.node_name;
  std::string name = std::filesystem::path(node.root).filename().string();
  const bool tells = name.find_first_not_of('.') != std::string::npos;
  return tells ? name.substr(0, name.find(".tar")) : HostName();
}

void AddCards(const Plan& plan, const Unit& unit, std::set<std::string>& cards) {
  for (size_t card : unit.cards) cards.insert(plan.inventory->cards[card].id);
}

// Ids of the cards that are meant by ids of cards or of devices; nullopt (said) when one is not known.
std::optional<std::set<std::string>> CardsCalled(const Plan& plan, const std::vector<std::string>& words) {
  std::set<std::string> known;
  for (const Card& card : plan.inventory->cards) known.insert(card.id);
  std::set<std::string> cards;
  for (const std::string& word : words) {
    const std::string id(Trim(word));
    if (known.contains(id)) {
      cards.insert(id);
      continue;
    }
    bool found = false;
    for (const Resource& resource : plan.resources) {
      const Unit* unit = resource.Find(id);
      if (unit == nullptr) continue;
      found = true;
      AddCards(plan, *unit, cards);
    }
    if (found) continue;
    for (const Resource& resource : plan.resources) {
      for (const Unit& unit : resource.units) known.insert(unit.id);
    }
    Complain(
        fmt::format("there is no card or device '{}'{}", id, DidYouMean(id, {known.begin(), known.end()})));
    return std::nullopt;
  }
  return cards;
}

// Ids of the cards that pods hold.
absl::StatusOr<std::set<std::string>> CardsInUse(const Plan& plan, const std::string& kubelet_dir) {
  EventLoop loop;
  std::unique_ptr<KubeletClient> client = NewKubeletClient(loop, kubelet_dir);
  absl::StatusOr<HeldIds> held = absl::DeadlineExceededError("it does not answer");
  bool answered = false;
  client->ListHeld([&](absl::StatusOr<HeldIds> answer) {
    held = std::move(answer);
    answered = true;
  });
  loop.RunUntil(EventLoop::Clock::now() + kKubeletAnswers, [&] { return answered; });
  if (!held.ok()) return Annotate(held.status(), "the kubelet in " + kubelet_dir);
  std::set<std::string> cards;
  for (const Resource& resource : plan.resources) {
    auto ids = held->find(resource.name);
    if (ids == held->end()) continue;
    for (const Unit& unit : resource.units) {
      if (ids->second.contains(unit.id)) AddCards(plan, unit, cards);
    }
  }
  return cards;
}

NotOfferedCards WhyNotOffered(const Plan& plan) {
  NotOfferedCards cards;
  for (const NotOffered& one : plan.not_offered) cards.emplace(one.card, one.reason);
  return cards;
}

// Kinds of network cards: those for RDMA, and what a resource wants to be near to.
std::vector<std::string> ShownNics(const Plan& plan) {
  std::vector<std::string> kinds = {"infiniband"};
  for (const Resource& one : plan.resources) kinds.insert(kinds.end(), one.near.begin(), one.near.end());
  return kinds;
}

int PrintPicture(const TopologyOptions& options, const Plan& plan) {
  std::optional<std::set<std::string>> in_use = CardsCalled(plan, options.in_use);
  if (!in_use) return 1;
  if (!options.kubelet_dir.empty()) {
    absl::StatusOr<std::set<std::string>> held = CardsInUse(plan, options.kubelet_dir);
    if (!held.ok()) {
      Complain(MessageOf(held.status()));
      return 1;
    }
    in_use->merge(*held);
  }
  Print(RenderSvg(*plan.inventory, *plan.graph,
                  {.title = PictureTitle(options.node),
                   .in_use = *std::move(in_use),
                   .not_offered = WhyNotOffered(plan),
                   .nics = ShownNics(plan)}));
  return 0;
}

}  // namespace

int RunCheck(const CheckOptions& options) {
  absl::StatusOr<NodeView> view = LookAtNode(options.node);
  if (!view.ok()) {
    Complain(MessageOf(view.status()));
    return 1;
  }
  CheckSocketPaths(view->plan, options.kubelet_dir, view->diagnostics);
  CheckListSizes(view->plan, view->diagnostics);
  const bool serves = view->diagnostics.ok();
  // A name that nobody knows has no value either; that was said.
  const std::vector<Diagnostic> said = view->diagnostics.errors();
  for (const Resource& resource : view->plan.resources) {
    for (const Diagnostic& one : FindUnanswered(view->plan, resource)) {
      bool twice = std::any_of(said.begin(), said.end(), [&](const Diagnostic& other) {
        return ToString(other.pos) == ToString(one.pos);
      });
      if (!twice) view->diagnostics.Error(one.pos, one.message);
    }
  }
  const bool answers = view->diagnostics.ok();
  for (const Diagnostic& one : view->plan.refused) view->diagnostics.Error(one.pos, one.message);
  const bool offers = view->diagnostics.ok();
  for (const Diagnostic& one : FindBrokenLinkFiles(view->settings.config, view->links, *view->plan.inventory))
    view->diagnostics.Error(one.pos, one.message);
  FindNotes(*view, options.node, view->diagnostics);
  PrintDiagnostics(view->diagnostics);
  const std::vector<Refusal> refusals = FindRefusals(view->plan, *view->root);
  if (options.json) {
    Print(PlanJson(view->plan, refusals, view->diagnostics));
  } else if (view->diagnostics.ok()) {
    Print(PlanText(view->plan, refusals));
  }
  if (!view->diagnostics.ok()) {
    size_t count = view->diagnostics.errors().size();
    Complain(fmt::format("{} problem{}; {}", count, count == 1 ? "" : "s",
                         !serves    ? "nothing would be registered"
                         : !answers ? "pods would be refused"
                         : !offers  ? "those cards would not be offered"
                                    : "those links would not count"));
  }
  return view->diagnostics.ok() ? 0 : 1;
}

int RunPlan(const PrintOptions& options) {
  std::optional<NodeView> view = Look(options.node);
  if (!view) return 1;
  const std::vector<Refusal> refusals = FindRefusals(view->plan, *view->root);
  Print(options.json ? PlanJson(view->plan, refusals, view->diagnostics) : PlanText(view->plan, refusals));
  return 0;
}

int RunTopology(const TopologyOptions& options) {
  NodeOptions node = options.node;
  node.scan.all_functions = options.functions;
  std::optional<NodeView> view = Look(node);
  if (!view) return 1;
  const Inventory& inventory = *view->plan.inventory;
  const Graph& graph = *view->plan.graph;
  if (options.svg || options.dot || options.matrix) SayWhatIsLost(*view);
  if (options.svg) return PrintPicture(options, view->plan);
  if (options.dot) {
    Print(RenderDot(inventory, graph,
                    {.title = "",
                     .in_use = {},
                     .not_offered = WhyNotOffered(view->plan),
                     .nics = ShownNics(view->plan)}));
    return 0;
  }
  if (options.functions) {
    Print(options.json ? FunctionsJson(inventory, graph) : RenderFunctions(inventory, graph));
    return 0;
  }
  const std::vector<std::string> nics = ShownNics(view->plan);
  if (options.json) {
    Print(TopologyJson(inventory, graph, nics));
  } else {
    Print(options.matrix ? RenderMatrix(inventory, graph, nics)
                         : RenderTree(inventory, graph, WhyNotOffered(view->plan)));
  }
  return 0;
}

int RunPrefer(const PreferOptions& options) {
  std::optional<NodeView> view = Look(options.node);
  if (!view) return 1;
  SayWhatIsLost(*view);
  const Resource* resource = view->plan.Find(options.resource);
  if (resource == nullptr) {
    std::vector<std::string> names;
    for (const Resource& one : view->plan.resources) names.push_back(one.name);
    std::string near = DidYouMean(options.resource, names);
    if (near.empty()) near = names.empty() ? "; it offers nothing" : "; it offers " + Join(names, ", ");
    Complain(fmt::format("this node does not offer '{}'{}", options.resource, near));
    return 1;
  }
  PreferReport preferred;
  preferred.plan = &view->plan;
  preferred.resource = resource;
  preferred.request.size = options.size;
  if (options.budget > 0) preferred.request.budget_steps = options.budget;
  for (size_t i = 0; i < resource->units.size(); ++i) {
    if (resource->units[i].health != Health::kUnhealthy) preferred.request.healthy.push_back(i);
  }
  std::optional<std::vector<size_t>> available = UnitIndexes(view->plan, *resource, options.available);
  std::optional<std::vector<size_t>> must = UnitIndexes(view->plan, *resource, options.must_include);
  if (!available || !must) return 1;
  preferred.request.available = options.available.empty() ? preferred.request.healthy : *available;
  preferred.request.must_include = *must;
  std::vector<size_t> all = preferred.request.available;
  all.insert(all.end(), must->begin(), must->end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (options.size > all.size()) {
    const size_t more = all.size() - preferred.request.available.size();
    Complain(fmt::format("{} of {} were asked for, {} are available{}", options.size, resource->name,
                         preferred.request.available.size(),
                         more == 0 ? "" : fmt::format(" and {} must be included", more)));
    return 1;
  }
  if (must->size() > options.size) {
    Complain(fmt::format("{} were asked for, but {} must be included", options.size, must->size()));
    return 1;
  }
  auto start = std::chrono::steady_clock::now();
  UnitChoice made = ChooseUnits(*resource, HealthyFirst(*resource, preferred.request));
  preferred.choice = std::move(made.choice);
  preferred.warning = std::move(made.warning);
  preferred.microseconds =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
  if (resource->strict) {
    std::vector<const Unit*> chosen;
    for (size_t unit : preferred.choice.units) chosen.push_back(&resource->units[unit]);
    preferred.refusal = BreaksSameCard(view->plan, *resource, chosen);
  }
  std::sort(preferred.request.available.begin(), preferred.request.available.end());
  preferred.next = NextBest(*resource, preferred.request, preferred.choice);
  preferred.whole = LeftWhole(view->plan, *resource, preferred.request, preferred.choice.units);
  Print(options.json ? PreferJson(preferred) : PreferText(preferred));
  return 0;
}

}  // namespace cleave
