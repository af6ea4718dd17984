// SPDX-License-Identifier: Apache-2.0
// `cleave capture`: what discovery reads of a machine, as one small archive.
#include <fmt/core.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/archive.h"
#include "base/host_root.h"
#include "base/recording_root.h"
#include "base/status.h"
#include "base/strings.h"
#include "commands.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "discovery/inventory.h"
#include "discovery/scanner.h"
#include "node_view.h"
#include "policy/plan.h"
#include "server/allocate.h"
#include "topology/link_sources.h"

namespace cleave {
namespace {

constexpr size_t kMostBytes = 4096;  // of one attribute
constexpr size_t kConfigBytes = 64;  // the standard header of the configuration space
constexpr int kDeepest = 3;          // folders below a PCI function: class/entry/group

// What is worth having of a machine beyond what this configuration asks of it. All of it is read through
// `seen`, which notes it.
class Capture {
 public:
  Capture(const HostRoot& root, const RecordingRoot& seen) : root_(root), seen_(seen) {}

  void Run(const Settings& settings) {
    Numa();
    Functions();
    for (const Profile& profile : settings.profiles) {
      for (const Entries& entries : profile.entries) {
        if (!entries.class_name.empty()) Class(entries.class_name);
      }
    }
    Class("hwmon");
    Tree("sys/devices/virtual/kfd/kfd/topology", 4);
    Link("sys/class/kfd/kfd");
    if (!root_.ReadLink("sys/class/kfd/kfd").ok()) Tree("sys/class/kfd/kfd/topology", 4);
    for (const char* file : {"sys/class/dmi/id/board_name", "sys/class/dmi/id/product_name"})
      File(file, kMostBytes);
    for (const std::string& path : root_.Glob("sys/module/*/version")) {
      if (drivers_.contains(Split(path, '/')[2])) File(path, kMostBytes);
    }
  }

 private:
  void See(const std::string& path) { (void)seen_.Stat(path); }
  // What cannot be read is left out, unless a profile asked for it.
  void File(const std::string& path, size_t limit) {
    if (root_.Read(path, 1).ok()) (void)seen_.Read(path, limit);
  }

  // Binary windows into the device, and files that act when read or written.
  static bool IsWanted(std::string_view name) {
    for (std::string_view prefix : {"resource", "rom", "vpd", "remove", "rescan", "reset", "msi_", "power",
                                    "driver_override", "irq", "d3cold", "p2pmem", "uevent_helper"}) {
      if (name.starts_with(prefix)) return false;
    }
    return true;
  }

  // Everything in a folder but folders of other PCI functions; links as they are.
  void Folder(const std::string& path, int depth) {
    absl::StatusOr<std::vector<std::string>> names = root_.List(path);
    if (!names.ok() || !folders_.insert(path).second) return;
    See(path);
    for (const std::string& name : *names) {
      std::string inner = path + "/" + name;
      if (!IsWanted(name) || PciAddress::Parse(name)) continue;
      if (absl::StatusOr<std::string> target = root_.ReadLink(inner); target.ok()) {
        Link(inner, *target);
        continue;
      }
      absl::StatusOr<FileInfo> info = root_.Stat(inner);
      if (!info.ok()) continue;
      if (info->kind == FileKind::kDirectory) {
        if (depth < kDeepest && name.find("pci_bus") == std::string::npos) Folder(inner, depth + 1);
      } else {
        File(inner, name == "config" ? kConfigBytes : kMostBytes);
      }
    }
  }

  void Link(const std::string& path, const std::string& target) {
    See(path);
    std::string name = BaseName(path);
    std::string leads_to = LinkTarget(path, target);
    if (name == "driver") {
      drivers_.insert(BaseName(leads_to));
    } else if (name == "iommu_group") {
      File(leads_to + "/type", kMostBytes);
    }
  }

  // Text files of a folder and all below it.
  void Tree(const std::string& path, int depth) {
    absl::StatusOr<std::vector<std::string>> names = root_.List(path);
    if (!names.ok()) return;
    See(path);
    for (const std::string& name : *names) {
      std::string inner = path + "/" + name;
      absl::StatusOr<FileInfo> info = root_.Stat(inner);
      if (!info.ok() || root_.ReadLink(inner).ok()) continue;
      if (info->kind == FileKind::kDirectory) {
        if (depth > 0) Tree(inner, depth - 1);
      } else {
        File(inner, kMostBytes);
      }
    }
  }

  void Link(const std::string& path) {
    if (absl::StatusOr<std::string> target = root_.ReadLink(path); target.ok()) Link(path, *target);
  }

  void Numa() {
    for (const char* folder : {"sys/devices/system/node", "sys/devices/system/cpu"}) {
      for (const char* file : {"online", "possible", "present"})
        File(fmt::format("{}/{}", folder, file), kMostBytes);
    }
    for (const std::string& node : root_.Glob("sys/devices/system/node/node[0-9]*")) {
      for (const char* file : {"cpulist", "cpumap", "distance"})
        File(fmt::format("{}/{}", node, file), kMostBytes);
      for (const std::string& file : root_.Glob(node + "/hugepages/*/*_hugepages")) File(file, kMostBytes);
    }
    for (const std::string& file :
         root_.Glob("sys/devices/system/cpu/cpu[0-9]*/topology/physical_package_id"))
      File(file, kMostBytes);
  }

  void Functions() {
    for (const std::string& path : root_.Glob("sys/bus/pci/devices/*")) {
      absl::StatusOr<std::string> target = root_.ReadLink(path);
      if (!target.ok()) {
        Folder(path, 0);
        continue;
      }
      See(path);
      Folder(LinkTarget(path, *target), 0);
    }
  }

  // A class folder: links to entries, the entries' own folders, their device nodes and what lies beside them.
  void Class(const std::string& name) {
    for (const std::string& path : root_.Glob("sys/class/" + name + "/*")) {
      absl::StatusOr<std::string> target = root_.ReadLink(path);
      if (!target.ok()) continue;
      See(path);
      std::string folder = LinkTarget(path, *target);
      Folder(folder, 1);
      absl::StatusOr<std::string> uevent = root_.Read(folder + "/uevent");
      if (!uevent.ok()) continue;
      for (const std::string& line : Split(*uevent, '\n')) {
        if (line.starts_with("DEVNAME=")) DeviceFolder("dev/" + line.substr(8));
      }
    }
  }

  void DeviceFolder(const std::string& node) {
    size_t slash = node.rfind('/');
    // A node directly under /dev stands alone; in a folder of its own its neighbours (by-id) belong to it.
    if (slash == std::string::npos || node.find('/') == slash) {
      See(node);
      return;
    }
    std::string folder = node.substr(0, slash);
    for (const char* pattern : {"/*", "/*/*"}) {
      for (const std::string& path : root_.Glob(folder + pattern)) See(path);
    }
  }

  const HostRoot& root_;
  const RecordingRoot& seen_;
  std::set<std::string> folders_;
  std::set<std::string> drivers_;
};

// Asks what the commands and the daemon ask, so that all of it is noted: with the settings as they are, and
// with all profiles there are, so that others may try theirs.
void LookAround(const RecordingRoot& seen, Settings settings, const std::string& node) {
  for (bool all : {false, true}) {
    if (all) {
      for (const Profile& profile : settings.profiles) settings.config.profiles.push_back(profile.name);
    }
    Settings own = settings;
    KeepLinksOf(node, own.config);
    Scanner scanner(seen, own, {.all_functions = true});
    Inventory inventory = scanner.Scan(Scanner::Clock::now());
    Diagnostics ignored;  // a machine that contradicts the settings is what one captures
    Plan plan = PlanFrom(own, ReadLinkTexts(own.config, &seen), std::move(inventory), node, ignored);
    if (ignored.ok()) (void)FindRefusals(plan, seen);
  }
}

// The table of mounts with the huge pages alone; the rest is nobody's business.
void KeepMounts(const HostRoot& root, const RecordingRoot& seen, std::vector<ArchiveEntry>& entries) {
  std::set<std::string> points = seen.huge_mounts();
  absl::StatusOr<std::string> mounts = root.Read("proc/mounts");
  std::string kept;
  for (const std::string& line : Split(mounts.value_or(""), '\n')) {
    std::vector<std::string> fields = Split(line, ' ');
    if (fields.size() < 3 || fields[2] != "hugetlbfs") continue;
    kept += line + "\n";
    (void)seen.Stat(fields[1]);
    points.erase(fields[1]);
  }
  // A mount that the table of this root does not have, because it is another container's.
  for (const std::string& point : points) kept += "hugetlbfs " + point + " hugetlbfs rw 0 0\n";
  entries = seen.Entries();
  std::erase_if(entries, [](const ArchiveEntry& entry) { return entry.path.starts_with("proc/mounts"); });
  if (mounts.ok() || !points.empty()) entries.push_back({"proc/mounts", FileKind::kRegular, kept});
}

// machine for /tmp/machine.tar.zst
std::string TopName(const std::string& file) {
  std::string name = BaseName(file);
  return name.substr(0, name.find(".tar"));
}

}  // namespace

int RunCapture(const NodeOptions& options, const std::string& file) {
  auto fail = [](const absl::Status& status) {
    fmt::print(stderr, "cleave: {}\n", MessageOf(status));
    return 1;
  };
  if (file != "-" && !file.ends_with(".tar") && !file.ends_with(".tar.gz") && !file.ends_with(".tar.zst")) {
    return fail(
        absl::InvalidArgumentError(fmt::format("{}: the name must end in .tar, .tar.gz or .tar.zst", file)));
  }
  absl::StatusOr<std::unique_ptr<HostRoot>> root = OpenHostRoot(options.root);
  if (!root.ok()) return fail(root.status());
  Diagnostics diagnostics;
  Settings settings =
      LoadSettings({options.config_file, options.profile_dirs, options.profile_files}, diagnostics);
  for (const Diagnostic& error : diagnostics.errors()) fmt::print(stderr, "{}\n", ToString(error));
  if (!diagnostics.ok()) return 1;
  RecordingRoot seen(**root);
  LookAround(seen, settings, options.node_name.empty() ? HostName() : options.node_name);
  Capture(**root, seen).Run(settings);
  std::vector<ArchiveEntry> entries;
  KeepMounts(**root, seen, entries);
  if (entries.empty()) {
    return fail(absl::NotFoundError(
        fmt::format("{}: there is nothing of a machine in it, no sys, proc or dev", options.root)));
  }
  bool to_stdout = file == "-";
  absl::Status status =
      WriteArchive(to_stdout ? "/dev/stdout" : file, to_stdout ? "machine" : TopName(file), entries);
  if (!status.ok()) return fail(status);
  fmt::print(
      stderr,
      "{}: {} entries. Serial numbers of cards and the like are among them; look before you give it away.\n",
      to_stdout ? "standard output" : file, entries.size());
  return 0;
}

}  // namespace cleave
