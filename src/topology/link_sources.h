// SPDX-License-Identifier: Apache-2.0
// Where links come from: one file for each kind, one table of them all.
#ifndef CLEAVE_TOPOLOGY_LINK_SOURCES_H_
#define CLEAVE_TOPOLOGY_LINK_SOURCES_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/link_source.h"
#include "discovery/inventory.h"
#include "topology/graph.h"

namespace cleave {

// So begins what is odd about a source of which no link could be read.
inline constexpr std::string_view kLinksOf = "links of ";

// How a source names a card, and which card of the inventory that is.
// A name may be a card id, PCI address or an attribute `serial` (any case); -1 when no card or more than one
// has it.
int FindCard(const Inventory& inventory, std::string_view name);

// Where a source has its links from.
enum class LinkOrigin {
  kConfig,   // 'between' in cleave.toml
  kFile,     // the file at 'path'
  kMachine,  // the host's own file system
};

// What a source reads.
struct LinkInput {
  const LinkSource& source;
  const std::string& text;  // of kFile: what is in the file, else ""
  const Inventory& inventory;
  const HostRoot* root;  // for kMachine; null when there is none
};

struct LinkSourceKind {
  std::string_view name;  // as in [[links]] source = "..."
  std::string_view describes;
  LinkOrigin origin;
  // Links to cards that are not there are left out, with an Oddity. Fails when the input makes no sense at
  // all. Weights are set by the caller.
  absl::StatusOr<std::vector<Link>> (*read)(const LinkInput& input, std::vector<Oddity>& oddities);
};

// All kinds there are.
std::span<const LinkSourceKind> LinkSourceKinds();

// Unknown sources and missing paths, with positions.
void CheckLinkSources(const Config& config, Diagnostics& diagnostics);

// The texts of all link files, read when they change and not for every scan.
struct LinkTexts {
  std::vector<std::string> texts;     // in the order of Config::links
  std::vector<std::string> problems;  // "" or why the file could not be read
  const HostRoot* root = nullptr;     // for sources that read the machine: they do at every CollectLinks()
};
// `root`, if any, must outlive the result.
LinkTexts ReadLinkTexts(const Config& config, const HostRoot* root = nullptr);

// Link files that are there and make no sense, with their lines. No card must be lost for that, so that all
// but `check` go on without them. A file that is not there, or is another machine's, is none of these.
std::vector<Diagnostic> FindBrokenLinkFiles(const Config& config, const LinkTexts& texts,
                                            const Inventory& inventory);

// Every link of every source. A source that fails is an Oddity; the others count.
std::vector<Link> CollectLinks(const Config& config, const LinkTexts& texts, const Inventory& inventory,
                               std::vector<Oddity>& oddities);

}  // namespace cleave

#endif  // CLEAVE_TOPOLOGY_LINK_SOURCES_H_
