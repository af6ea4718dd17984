// SPDX-License-Identifier: Apache-2.0
#include "discovery/entries.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/regex.h"
#include "base/strings.h"
#include "config/condition.h"
#include "config/profile.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"
#include "discovery/inventory.h"
#include "discovery/pci.h"

namespace cleave {
namespace {

constexpr int kMostCounted = 4096;

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

bool MatchesIds(const PciMatch& match, const PciFunction& function) {
  if (match.vendor && function.vendor != match.vendor) return false;
  if (!match.classes.empty()) {
    std::string code = function.class_code ? fmt::format("0x{:06x}", *function.class_code) : "";
    bool fits = std::any_of(match.classes.begin(), match.classes.end(),
                            [&](const std::string& pattern) { return GlobMatch(pattern, code); });
    if (!fits) return false;
  }
  return match.devices.empty() || std::any_of(match.devices.begin(), match.devices.end(),
                                              [&](int device) { return function.device == device; });
}

bool MatchesDriver(const PciMatch& match, const PciFunction& function) {
  return match.drivers.empty() ||
         std::find(match.drivers.begin(), match.drivers.end(), function.driver) != match.drivers.end();
}

// Which of the ids that are asked for cannot be read; "" when all can.
std::string UnreadableId(const PciMatch& match, const PciFunction& function) {
  if (match.vendor && !function.vendor) return "vendor";
  if (!match.classes.empty() && !function.class_code) return "class";
  if (!match.devices.empty() && !function.device) return "device";
  return "";
}

// A function that may be a card, and nobody can tell.
void NoteUnreadable(const PciMatch& match, const PciFunction& function, Inventory& inventory) {
  std::string what = UnreadableId(match, function);
  if (what.empty() || !MatchesDriver(match, function)) return;
  inventory.oddities.push_back({function.address, fmt::format("its {} cannot be read", what)});
}

// The lowest PCI function on the way that the entry's `device` link leads, or else the entry itself.
std::string AddressOf(const HostRoot& root, const std::string& entry) {
  absl::StatusOr<std::string> path = root.Resolve(entry + "/device");
  if (!path.ok() || root.ReadText(entry + "/device").ok()) path = root.Resolve(entry);
  if (!path.ok()) return "";
  std::vector<std::string> parts = Split(*path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (PciAddress::Parse(*part)) return *part;
  }
  return "";
}

bool HoldForSettings(const Condition& condition, const std::map<std::string, std::string>& settings) {
  return condition.Holds(SettingsLookup(&settings));
}

// "" when the requirement is met, else what is missing.
std::string Missing(const HostRoot& root, const Requirement& need,
                    const std::map<std::string, std::string>& settings) {
  std::string file = need.file.Expand(SettingsTextLookup(&settings)).value_or("");
  std::string holds = need.holds.Expand(SettingsTextLookup(&settings)).value_or("");
  std::vector<std::string> found = root.Glob(file);
  if (found.empty()) return fmt::format("{} is not there", file);
  bool held = holds.empty() || std::any_of(found.begin(), found.end(), [&](const std::string& path) {
                absl::StatusOr<std::string> text = root.ReadText(path);
                return text.ok() && Finds(holds, *text);
              });
  return held ? "" : fmt::format("no {} holds {}", file, holds);
}

bool MatchesUsb(const HostRoot& root, const UsbMatch& match, const std::string& path) {
  auto read = [&](const char* name) -> std::optional<uint64_t> {
    absl::StatusOr<std::string> text = root.ReadText(path + "/" + name);
    return text.ok() ? ParseHex(*text) : std::nullopt;
  };
  if (read("idVendor") != static_cast<uint64_t>(*match.vendor)) return false;
  std::optional<uint64_t> product = read("idProduct");
  return match.products.empty() || std::any_of(match.products.begin(), match.products.end(), [&](int wanted) {
           return product == static_cast<uint64_t>(wanted);
         });
}

// What lies below /dev and can be no device node: a directory (also through a link), a socket, a pipe. A
// plain file may stand for a node that was captured.
bool IsNoNode(const HostRoot& root, const std::string& path) {
  if (!NormalPath(path).starts_with("dev/")) return false;
  absl::StatusOr<FileInfo> info = root.Stat(path);
  return info.ok() && (info->kind == FileKind::kDirectory || info->kind == FileKind::kOther);
}

std::vector<std::string> PathsOf(const HostRoot& root, const Entries& entries,
                                 const std::map<std::string, std::string>& settings) {
  if (!entries.class_name.empty()) return root.Glob("sys/class/" + entries.class_name + "/*");
  std::vector<std::string> paths;
  if (entries.usb) {
    for (const std::string& path : root.Glob("sys/bus/usb/devices/*")) {
      if (MatchesUsb(root, *entries.usb, path)) paths.push_back(path);
    }
  }
  for (const TextTemplate& pattern : entries.paths) {
    absl::StatusOr<std::string> expanded = pattern.Expand(SettingsTextLookup(&settings));
    if (!expanded.ok() || expanded->empty()) continue;
    for (std::string& path : root.Glob(*expanded)) {
      if (!IsNoNode(root, path)) paths.push_back(std::move(path));
    }
  }
  return paths;
}

std::vector<Entry> Counted(const Entries& entries, const std::map<std::string, std::string>& settings,
                           const Profile& profile, Inventory& inventory) {
  std::string text = entries.count->Expand(SettingsTextLookup(&settings)).value_or("");
  std::optional<int64_t> number = ParseInt(text);
  if (!number || *number < 0 || *number > kMostCounted) {
    inventory.oddities.push_back(
        {profile.name, fmt::format("'{}' is no number from 0 to {}", text, kMostCounted)});
    return {};
  }
  std::vector<Entry> found;
  for (int64_t i = 0; i < *number; ++i) found.push_back({std::to_string(i), std::to_string(i), "", ""});
  return found;
}

std::vector<Entry> AllOf(const HostRoot& root, const Profile& profile, const Entries& entries,
                         const std::map<std::string, std::string>& settings, Inventory& inventory) {
  if (entries.count) return Counted(entries, settings, profile, inventory);
  std::vector<Entry> found;
  if (entries.class_name.empty() && entries.paths.empty() && !entries.usb) {
    for (const PciFunction& function : inventory.functions) {
      bool known_bad = entries.unsupported.contains(function.device.value_or(-1));
      if (!known_bad && Matches(*entries.pci, function)) {
        found.push_back({FunctionPath(function), function.address, function.address, function.address});
      } else if (!entries.pci->drivers.empty()) {  // of a bound driver of the profile's at least
        NoteUnreadable(*entries.pci, function, inventory);
      }
    }
    return found;
  }
  for (const std::string& path : PathsOf(root, entries, settings)) {
    Entry entry{path, BaseName(path), "", ""};
    if (!entries.name_pattern.empty() && !Fits(entries.name_pattern, entry.name)) continue;
    entry.near = AddressOf(root, path);
    // A USB device is not its controller, which has others too.
    if (!entries.usb && entries.address.empty()) entry.address = entry.near;
    if (entries.pci && entries.address.empty()) {
      const PciFunction* function = inventory.Function(entry.near);
      if (function != nullptr) NoteUnreadable(*entries.pci, *function, inventory);
      if (function == nullptr || !Matches(*entries.pci, *function)) continue;
    }
    found.push_back(std::move(entry));
  }
  return found;
}

std::string WhyNot(const Entries& entries, const PciFunction& function) {
  if (auto reason = entries.unsupported.find(function.device.value_or(-1));
      reason != entries.unsupported.end())
    return reason->second;
  if (function.driver.empty()) return "no driver is bound to it";
  if (!MatchesDriver(*entries.pci, function)) return fmt::format("it is bound to {}", function.driver);
  if (!entries.class_name.empty())
    return fmt::format("its driver shows no entry in /sys/class/{}", entries.class_name);
  return "its driver does not show it";
}

}  // namespace

bool NaturalLess(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (IsDigit(a.front()) && IsDigit(b.front())) {
      auto take = [](std::string_view& text) {
        size_t end = 0;
        while (end < text.size() && IsDigit(text[end])) ++end;
        std::string_view digits = text.substr(0, end);
        text.remove_prefix(end);
        while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
        return digits;
      };
      std::string_view left = take(a);
      std::string_view right = take(b);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
    } else {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  return a.empty() && !b.empty();
}

bool Matches(const PciMatch& match, const PciFunction& function) {
  return MatchesIds(match, function) && MatchesDriver(match, function);
}

std::vector<Entry> FindEntries(const HostRoot& root, const Profile& profile, const Entries& entries,
                               const std::map<std::string, std::string>& settings, Inventory& inventory) {
  if (!HoldForSettings(entries.when, settings)) return {};
  std::vector<Entry> found = AllOf(root, profile, entries, settings, inventory);
  if (found.empty()) return found;
  for (const Requirement& need : entries.require) {
    if (!HoldForSettings(need.when, settings)) continue;
    std::string missing = Missing(root, need, settings);
    if (missing.empty()) continue;
    inventory.not_cards.push_back({entries.kind, profile.name, missing});
    return {};
  }
  std::sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) {
    std::optional<PciAddress> left = PciAddress::Parse(a.address);
    std::optional<PciAddress> right = PciAddress::Parse(b.address);
    if (left != right) return left < right;
    return NaturalLess(a.path, b.path);
  });
  return found;
}

void NoteOthers(const Profile& profile, const std::map<std::string, std::string>& settings,
                const std::set<std::string>& taken, Inventory& inventory) {
  for (const PciFunction& function : inventory.functions) {
    if (taken.contains(function.address)) continue;
    for (const Entries& entries : profile.entries) {
      if (!entries.pci || !entries.pci->vendor || !HoldForSettings(entries.when, settings)) continue;
      if (!MatchesIds(*entries.pci, function)) continue;
      inventory.not_cards.push_back({function.address, profile.name, WhyNot(entries, function)});
      break;
    }
  }
}

}  // namespace cleave
