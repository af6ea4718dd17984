// SPDX-License-Identifier: Apache-2.0
// `cleave capture`: what discovery reads of a machine, as one small archive.
#include <fmt/core.h>

#include <cstddef>
#include <cstdio>
#include <map>
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
#include "base/status.h"
#include "base/strings.h"
#include "commands.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/profile.h"
#include "discovery/inventory.h"
#include "node_view.h"

namespace cleave {
namespace {

constexpr size_t kMostBytes = 4096;  // of one attribute
constexpr size_t kConfigBytes = 64;  // the standard header of the configuration space
constexpr int kDeepest = 3;          // folders below a PCI function: class/entry/group

class Capture {
 public:
  explicit Capture(const HostRoot& root) : root_(root) {}

  void Run(const Settings& settings) {
    Numa();
    Functions();
    for (const Profile& profile : settings.profiles) {
      for (const cleave::Entries& entries : profile.entries) {
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
    Mounts();
  }

  std::vector<ArchiveEntry> Entries() const {
    std::vector<ArchiveEntry> entries;
    for (const auto& [path, entry] : entries_) entries.push_back(entry);
    return entries;
  }

 private:
  void Add(const ArchiveEntry& entry) { entries_.try_emplace(entry.path, entry); }

  void File(const std::string& path, size_t limit) {
    absl::StatusOr<std::string> text = root_.Read(path, limit);
    if (text.ok()) Add({path, FileKind::kRegular, *std::move(text)});
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
    Add({path, FileKind::kDirectory, ""});
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
    Add({path, FileKind::kSymlink, target});
    std::string name = BaseName(path);
    std::string leads_to = LinkTarget(path, target);
    if (name == "driver") {
      drivers_.insert(BaseName(leads_to));
      Add({leads_to, FileKind::kDirectory, ""});
    } else if (name == "iommu_group") {
      Add({leads_to, FileKind::kDirectory, ""});
      File(leads_to + "/type", kMostBytes);
    } else if (name == "subsystem") {
      Add({leads_to, FileKind::kDirectory, ""});
    }
  }

  // Text files of a folder and all below it.
  void Tree(const std::string& path, int depth) {
    absl::StatusOr<std::vector<std::string>> names = root_.List(path);
    if (!names.ok()) return;
    Add({path, FileKind::kDirectory, ""});
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
      Add({path, FileKind::kSymlink, *target});
      Folder(LinkTarget(path, *target), 0);
    }
  }

  // A class folder: links to entries, the entries' own folders, their device nodes and what lies beside them.
  void Class(const std::string& name) {
    for (const std::string& path : root_.Glob("sys/class/" + name + "/*")) {
      absl::StatusOr<std::string> target = root_.ReadLink(path);
      if (!target.ok()) continue;
      Add({path, FileKind::kSymlink, *target});
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
      if (root_.Exists(node)) Add({node, FileKind::kRegular, ""});
      return;
    }
    std::string folder = node.substr(0, slash);
    for (const char* pattern : {"/*", "/*/*"}) {
      for (const std::string& path : root_.Glob(folder + pattern)) {
        absl::StatusOr<std::string> target = root_.ReadLink(path);
        absl::StatusOr<FileInfo> info = root_.Stat(path);
        if (target.ok()) {
          Add({path, FileKind::kSymlink, *target});
        } else if (info.ok()) {
          bool is_folder = info->kind == FileKind::kDirectory;
          Add({path, is_folder ? FileKind::kDirectory : FileKind::kRegular, ""});
        }
      }
    }
  }

  // Only huge page mounts; the rest is nobody's business.
  void Mounts() {
    absl::StatusOr<std::string> mounts = root_.Read("proc/mounts");
    if (!mounts.ok()) return;
    std::string kept;
    for (const std::string& line : Split(*mounts, '\n')) {
      std::vector<std::string> fields = Split(line, ' ');
      if (fields.size() < 3 || fields[2] != "hugetlbfs") continue;
      kept += line + "\n";
      Add({NormalPath(fields[1]), FileKind::kDirectory, ""});
    }
    Add({"proc/mounts", FileKind::kRegular, kept});
  }

  const HostRoot& root_;
  std::map<std::string, ArchiveEntry> entries_;
  std::set<std::string> folders_;
  std::set<std::string> drivers_;
};

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
  Capture capture(**root);
  capture.Run(settings);
  std::vector<ArchiveEntry> entries = capture.Entries();
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
