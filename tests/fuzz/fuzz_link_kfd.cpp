// SPDX-License-Identifier: Apache-2.0
// The KFD topology of a machine that a user sent. The input is a list of files: "path\n" and the content, up
// to a NUL byte each; paths are below the directory of the nodes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/memory_root.h"
#include "base/strings.h"
#include "config/config.h"
#include "discovery/inventory.h"
#include "topology/graph.h"
#include "topology/link_sources.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cleave::MemoryRoot root;
  for (const std::string& file :
       cleave::Split(std::string_view(reinterpret_cast<const char*>(data), size), '\0')) {
    const size_t end = file.find('\n');
    if (end == std::string::npos) continue;
    const std::string path = cleave::NormalPath("sys/class/kfd/kfd/topology/nodes/" + file.substr(0, end));
    if (path.empty() || root.Exists(path)) continue;
    if (file.size() == end + 1) {
      root.AddFailingFile(path, absl::PermissionDeniedError("no"));
    } else {
      root.AddFile(path, file.substr(end + 1));
    }
  }
  cleave::Config config;
  config.links.emplace_back();
  config.links[0].source = "kfd";
  cleave::Inventory inventory;
  for (const char* address : {"0000:03:00.0", "0000:43:00.0", "0000:63:00.0", "", ""}) {
    cleave::Card card;
    card.id = card.address = address;
    card.nodes.emplace_back("render", "/dev/dri/renderD" + std::to_string(128 + inventory.cards.size()));
    inventory.cards.push_back(card);
  }
  cleave::LinkTexts texts = {.texts = {""}, .problems = {""}, .root = &root};
  std::vector<cleave::Oddity> oddities;
  std::vector<cleave::Link> links = CollectLinks(config, texts, inventory, oddities);
  if (oddities.size() > 8 || links.size() > 10) abort();
  for (const cleave::Link& link : links) {
    if (link.from >= link.to || link.to >= inventory.cards.size() || !(link.width > 0)) abort();
  }
  return 0;
}
