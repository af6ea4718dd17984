// SPDX-License-Identifier: Apache-2.0
#include "topology/link_sources.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/files.h"
#include "base/host_root.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_source_kinds.h"

namespace cleave {
namespace {

constexpr std::array<LinkSourceKind, 5> kKinds = {{
    {"toml", "pairs of cards in cleave.toml itself: between = [{ from = ..., to = ..., width = ... }]",
     LinkOrigin::kConfig, ReadTomlLinks},
    {"tt-cluster-descriptor", "a cluster descriptor (YAML) as tt-umd's topology tool writes it",
     LinkOrigin::kFile, ReadTtClusterDescriptor},
    {"kfd", "XGMI as the kernel shows it in /sys/class/kfd", LinkOrigin::kMachine, ReadKfdLinks},
    {"nccl-xml", "a topology file of NCCL or RCCL, as NCCL_TOPO_DUMP_FILE writes it", LinkOrigin::kFile,
     ReadNcclXml},
    {"matrix", "the matrix of GPUs that `topo -m` prints: X, NV#, PIX, ...", LinkOrigin::kFile, ReadMatrix},
}};

const LinkSourceKind* FindKind(std::string_view name) {
  auto found = std::find_if(kKinds.begin(), kKinds.end(),
                            [&](const LinkSourceKind& kind) { return kind.name == name; });
  return found == kKinds.end() ? nullptr : &*found;
}

// Readers begin with "line 3: " what they say of one line; that is taken from `problem`.
SourcePos LineOf(const std::string& path, std::string& problem) {
  constexpr std::string_view kLine = "line ";
  const size_t colon = problem.find(": ");
  if (!problem.starts_with(kLine) || colon == std::string::npos) return {path, 0, 0};
  std::optional<int64_t> line = ParseInt(problem.substr(kLine.size(), colon - kLine.size()));
  if (!line) return {path, 0, 0};
  problem.erase(0, colon + 2);
  return {path, static_cast<int>(*line), 0};
}

// The only card that `matches`; -1 when there is none, -2 when there are several.
int OnlyCard(const Inventory& inventory, const std::function<bool(const Card&)>& matches) {
  int only = -1;
  for (size_t i = 0; i < inventory.cards.size(); ++i) {
    if (!matches(inventory.cards[i])) continue;
    if (only != -1) return -2;
    only = static_cast<int>(i);
  }
  return only;
}

}  // namespace

int FindCard(const Inventory& inventory, std::string_view name) {
  if (name.empty()) return -1;
  const std::string wanted = ToLower(name);
  const std::array<std::function<bool(const Card&)>, 3> ways = {
      [&](const Card& card) { return card.id == name; },
      [&](const Card& card) { return ToLower(card.address) == wanted; },
      [&](const Card& card) {
        auto serial = card.attributes.find("serial");
        return serial != card.attributes.end() && ToLower(ToText(serial->second)) == wanted;
      },
  };
  for (const auto& way : ways) {
    int card = OnlyCard(inventory, way);
    if (card != -1) return std::max(card, -1);
  }
  return -1;
}

std::span<const LinkSourceKind> LinkSourceKinds() { return kKinds; }

void CheckLinkSources(const Config& config, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  for (const LinkSourceKind& kind : kKinds) names.emplace_back(kind.name);
  for (const LinkSource& source : config.links) {
    if (source.source.empty()) continue;  // reported where the file was read
    const LinkSourceKind* kind = FindKind(source.source);
    if (kind == nullptr) {
      std::string near = DidYouMean(source.source, names);
      for (const std::string& name : names) {
        if (near.empty() && source.source.size() > 1 && name.starts_with(source.source))
          near = fmt::format(" (did you mean '{}'?)", name);
      }
      diagnostics.Error(source.pos, fmt::format("unknown source '{}' in [[links]]{}; there is {}",
                                                source.source, near, Join(names, ", ")));
      continue;
    }
    const bool reads_file = kind->origin == LinkOrigin::kFile;
    if (reads_file && source.path.empty()) {
      diagnostics.Error(source.pos,
                        fmt::format("[[links]] with source = \"{}\" needs a 'path'", source.source));
    }
    if (!reads_file && !source.path.empty()) {
      diagnostics.Error(
          source.pos, fmt::format("[[links]] with source = \"{}\" reads no file: no 'path'", source.source));
    }
    if (kind->origin != LinkOrigin::kConfig && !source.pairs.empty()) {
      diagnostics.Error(source.pos, "'between' in [[links]] is for source = \"toml\"");
    }
    if (kind->origin == LinkOrigin::kConfig && source.pairs.empty() && !source.broken) {
      diagnostics.Error(source.pos,
                        fmt::format("[[links]] with source = \"{}\" needs 'between'", source.source));
    }
    if (source.kind == "board") {
      diagnostics.Error(source.pos,
                        "kind = \"board\" in [[links]] is taken: profiles say which cards share a board");
    }
  }
}

LinkTexts ReadLinkTexts(const Config& config, const HostRoot* root) {
  LinkTexts result;
  result.root = root;
  for (const LinkSource& source : config.links) {
    const LinkSourceKind* kind = FindKind(source.source);
    absl::StatusOr<std::string> text = "";
    if (kind != nullptr && kind->origin == LinkOrigin::kFile && !source.path.empty())
      text = ReadFile(source.path);
    result.problems.push_back(MessageOf(text.status()));
    result.texts.push_back(text.value_or(""));
  }
  return result;
}

std::vector<Diagnostic> FindBrokenLinkFiles(const Config& config, const LinkTexts& texts,
                                            const Inventory& inventory) {
  std::vector<Diagnostic> broken;
  for (size_t i = 0; i < config.links.size(); ++i) {
    const LinkSource& source = config.links[i];
    const LinkSourceKind* kind = FindKind(source.source);
    if (kind == nullptr || kind->origin != LinkOrigin::kFile || source.path.empty()) continue;
    std::error_code ignored;
    std::string problem = texts.problems[i];
    if (!problem.empty()) {
      if (std::filesystem::exists(source.path, ignored))
        broken.push_back({source.pos, fmt::format("{}: {}", source.path, problem)});
      continue;
    }
    std::vector<Oddity> oddities;  // what does not fit the machine
    problem = MessageOf(kind->read({source, texts.texts[i], inventory, texts.root}, oddities).status());
    if (problem.empty()) continue;
    SourcePos pos = LineOf(source.path, problem);
    broken.push_back({std::move(pos), std::move(problem)});
  }
  return broken;
}

std::vector<Link> CollectLinks(const Config& config, const LinkTexts& texts, const Inventory& inventory,
                               std::vector<Oddity>& oddities) {
  std::vector<Link> links;
  for (size_t i = 0; i < config.links.size(); ++i) {
    const LinkSource& source = config.links[i];
    const LinkSourceKind* kind = FindKind(source.source);
    if (kind == nullptr) continue;  // an error of the configuration, reported by CheckLinkSources
    const std::string subject = kind->origin == LinkOrigin::kFile ? source.path : ToString(source.pos);
    if (i < texts.problems.size() && !texts.problems[i].empty()) {
      oddities.push_back({subject, fmt::format("{}{}: {}", kLinksOf, source.source, texts.problems[i])});
      continue;
    }
    const std::string none;
    const bool has_text = i < texts.texts.size() && !texts.texts[i].empty();
    if (kind->origin == LinkOrigin::kFile && source.path.empty() && !has_text) continue;  // as above
    const LinkInput input = {source, i < texts.texts.size() ? texts.texts[i] : none, inventory, texts.root};
    absl::StatusOr<std::vector<Link>> found = kind->read(input, oddities);
    if (!found.ok() && source.of_profile && (texts.root == nullptr || absl::IsNotFound(found.status())))
      continue;
    if (!found.ok()) {
      oddities.push_back(
          {subject, fmt::format("{}{}: {}", kLinksOf, source.source, MessageOf(found.status()))});
      continue;
    }
    for (Link& link : *found) {
      link.weight = config.weights.link * link.width;
      links.push_back(std::move(link));
    }
  }
  return links;
}

}  // namespace cleave
