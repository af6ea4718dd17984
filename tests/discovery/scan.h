// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_TESTS_DISCOVERY_SCAN_H_
#define CLEAVE_TESTS_DISCOVERY_SCAN_H_

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory_root.h"
#include "config/config.h"
#include "discovery/inventory.h"
#include "discovery/scanner.h"
#include "tests/machine.h"

namespace cleave::testing {

// A machine that changes and a clock that is moved by hand.
class LiveMachine {
 public:
  explicit LiveMachine(std::unique_ptr<MemoryRoot> root, Settings settings = GoodSettings())
      : root_(std::move(root)), settings_(std::move(settings)), scanner_(*root_, settings_) {
    root_->set_live(true);
  }
  MemoryRoot& root() { return *root_; }
  Scanner& scanner() { return scanner_; }
  Inventory Scan(std::chrono::milliseconds later = std::chrono::seconds(1)) {
    now_ += later;
    return scanner_.Scan(now_);
  }

 private:
  std::unique_ptr<MemoryRoot> root_;
  Settings settings_;
  Scanner scanner_;
  Scanner::Clock::time_point now_{};
};

inline const Card* FindById(const Inventory& inventory, std::string_view id) {
  for (const Card& card : inventory.cards) {
    if (card.id == id) return &card;
  }
  return nullptr;
}

inline std::vector<std::string> Ids(const Inventory& inventory) {
  std::vector<std::string> ids;
  for (const Card& card : inventory.cards) ids.push_back(card.id);
  return ids;
}

inline std::string Attribute(const Card& card, const std::string& name) {
  auto found = card.attributes.find(name);
  return found == card.attributes.end() ? "(none)" : ToText(found->second);
}

// Where the entry of a card of the captured machine lies.
inline std::string EntryDir(const std::string& function_path, int ordinal) {
  return function_path + "/tenstorrent/tenstorrent!" + std::to_string(ordinal);
}

inline std::vector<std::string> Nodes(const Card& card) {
  std::vector<std::string> paths;
  for (const auto& [role, path] : card.nodes) paths.push_back(path);
  return paths;
}

inline std::string WhyNot(const Inventory& inventory, const std::string& address) {
  for (const NotACard& other : inventory.not_cards) {
    if (other.address == address) return other.reason;
  }
  return "";
}

// Where the link of a function leads: files are added there, since a path through the link would replace it.
inline std::string FunctionDir(const MemoryRoot& root, const std::string& address) {
  return root.Resolve("sys/bus/pci/devices/" + address).value_or("nowhere");
}

inline std::unique_ptr<MemoryRoot> EmptyMachine() {
  auto root = std::make_unique<MemoryRoot>();
  root->AddDirectory("sys/bus/pci/devices");
  root->AddDirectory("dev");
  return root;
}

// A function on the root bus, with an IOMMU group.
inline void AddFunction(MemoryRoot& root, const std::string& address, const std::string& ids,
                        const std::string& driver, const std::string& group) {
  std::string path = "sys/devices/pci0000:00/" + address;
  root.AddFile(path + "/vendor", "0x" + ids.substr(0, 4) + "\n");
  root.AddFile(path + "/device", "0x" + ids.substr(5) + "\n");
  root.AddFile(path + "/class", "0x020000\n");
  root.AddDirectory("sys/bus/pci/drivers/" + driver);
  root.AddLink(path + "/driver", "../../../bus/pci/drivers/" + driver);
  root.AddLink(path + "/iommu_group", "../../../kernel/iommu_groups/" + group);
  root.AddLink("sys/kernel/iommu_groups/" + group + "/devices/" + address,
               "../../../../../" + path.substr(4));
  root.AddLink("sys/bus/pci/devices/" + address, "../../../" + path.substr(4));
  root.AddFile("dev/vfio/" + group, "");
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_DISCOVERY_SCAN_H_
