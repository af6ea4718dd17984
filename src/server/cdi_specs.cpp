// SPDX-License-Identifier: Apache-2.0
#include "server/cdi_specs.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/files.h"
#include "config/resource_spec.h"
#include "config/settings_lookup.h"
#include "config/text_template.h"
#include "policy/plan.h"

namespace cleave {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kOurs = "cleave-";
constexpr std::string_view kVersion = "0.5.0";  // the first with names that begin with a digit

std::string FileName(std::string kind) {
  std::replace(kind.begin(), kind.end(), '/', '_');
  return fmt::format("{}{}.json", kOurs, kind);
}

absl::Status Problem(const std::string& path, int error) {
  return absl::FailedPreconditionError(
      fmt::format("CDI file {}: {}", path, std::generic_category().message(error)));
}

// A reader sees the old file or the new one, never a part.
absl::Status Replace(const std::string& path, const std::string& text) {
  static std::atomic<uint64_t> number{0};
  // The name must not end in .json, or a runtime would read it.
  std::string temporary = fmt::format("{}.{}.{}", path, getpid(), ++number);
  int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return Problem(temporary, errno);
  size_t done = 0;
  int error = 0;
  while (done < text.size() && error == 0) {
    ssize_t written = write(file, text.data() + done, text.size() - done);
    if (written > 0) done += static_cast<size_t>(written);
    if (written < 0 && errno != EINTR) error = errno;
  }
  if (error == 0 && fsync(file) != 0) error = errno;
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  unlink(temporary.c_str());
  return Problem(path, error);
}

// Whether a file that somebody else may have written serves for all devices of ours.
bool Covers(const std::string& text, const Json& spec) {
  Json there = Json::parse(text, nullptr, false);
  if (!there.is_object() || there.value("kind", Json()) != spec["kind"]) return false;
  std::map<std::string, Json> nodes;  // of each device, by name
  for (const Json& device : there.value("devices", Json::array())) {
    if (!device.is_object() || !device.value("name", Json()).is_string()) return false;
    Json& list = nodes[device["name"].get<std::string>()] = Json::array();
    Json edits = device.value("containerEdits", Json::object());
    if (!edits.is_object()) return false;
    for (const Json& node : edits.value("deviceNodes", Json::array())) {
      if (node.is_object()) list.push_back(node.value("path", Json()));
    }
  }
  return std::all_of(spec["devices"].begin(), spec["devices"].end(), [&](const Json& device) {
    auto found = nodes.find(device["name"].get<std::string>());
    if (found == nodes.end()) return false;
    const Json& wanted = device["containerEdits"]["deviceNodes"];
    return std::all_of(wanted.begin(), wanted.end(), [&](const Json& node) {
      return std::find(found->second.begin(), found->second.end(), node["path"]) != found->second.end();
    });
  });
}

absl::Status EnsureFile(const std::string& directory, const std::string& name, const std::string& text,
                        bool keep) {
  std::string path = directory + "/" + name;
  absl::StatusOr<std::string> there = ReadFile(path);
  if (there.ok() && *there == text) return absl::OkStatus();
  if (keep && there.ok() && Covers(*there, Json::parse(text))) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Problem(directory, error.value());
  return Replace(path, text);
}

std::string BySettings(const Plan& plan, const Resource& resource, const TextTemplate& text) {
  return text.Expand(SettingsTextLookup(plan.SettingsOf(resource.profile))).value_or("");
}

Json DeviceOf(const std::string& name, const Unit& unit) {
  Json nodes = Json::array();
  for (const std::string& path : unit.device_nodes) {
    auto permissions = unit.permissions.find(path);
    std::string text = permissions == unit.permissions.end() ? "rw" : permissions->second;
    nodes.push_back({{"path", path}, {"permissions", std::move(text)}});
  }
  Json edits;
  edits["deviceNodes"] = std::move(nodes);
  return {{"name", name}, {"containerEdits", std::move(edits)}};
}

}  // namespace

CdiMode CdiModeOf(const Plan& plan, const Resource& resource) {
  if (!resource.container.cdi) return CdiMode::kOff;
  std::string by = BySettings(plan, resource, resource.container.cdi->by);
  if (by == "field") return CdiMode::kField;
  if (by == "annotation") return CdiMode::kAnnotation;
  if (by == "spec") return CdiMode::kSpec;
  return CdiMode::kOff;
}

std::string CdiDeviceName(const Plan& plan, const Unit& unit) {
  std::string name =
      unit.share && !unit.cards.empty() ? plan.inventory->cards[unit.cards.front()].id : unit.id;
  for (char& c : name) {
    bool good = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                std::string_view("_-.:").find(c) != std::string_view::npos;
    if (!good) c = '_';
  }
  auto is_alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  if (!name.empty() && !is_alnum(name.front())) name.insert(0, "x");
  if (!name.empty() && !is_alnum(name.back())) name += 'x';
  return name;
}

CdiSpecs::CdiSpecs(const Plan& plan, std::string directory) : directory_(std::move(directory)) {
  std::map<std::string, std::map<std::string, std::pair<const Resource*, Json>>> kinds;
  for (const Resource& resource : plan.resources) {
    if (CdiModeOf(plan, resource) == CdiMode::kOff) continue;
    const std::string& kind = resource.container.cdi->kind;
    if (BySettings(plan, resource, resource.container.cdi->existing) == "keep") kept_.insert(FileName(kind));
    for (const Unit& unit : resource.units) {
      if (unit.device_nodes.empty()) continue;  // the schema wants edits that edit something
      std::string name = CdiDeviceName(plan, unit);
      Json device = DeviceOf(name, unit);
      auto [other, added] = kinds[kind].try_emplace(name, &resource, device);
      if (added || other->second.second == device) continue;
      problems_[kind] = fmt::format("CDI kind {}: '{}' of {} and of {} are different devices", kind, name,
                                    other->second.first->name, resource.name);
    }
  }
  for (const auto& [kind, devices] : kinds) {
    Json spec = {{"cdiVersion", kVersion}, {"kind", kind}, {"devices", Json::array()}};
    for (const auto& [name, device] : devices) spec["devices"].push_back(device.second);
    if (!problems_.contains(kind)) files_[FileName(kind)] = spec.dump(2) + "\n";
  }
}

absl::Status CdiSpecs::Write() const {
  absl::Status first;
  auto note = [&](const absl::Status& status) {
    if (first.ok()) first = status;
  };
  for (const auto& [kind, problem] : problems_) note(absl::FailedPreconditionError(problem));
  if (directory_.empty()) {
    if (!files_.empty()) note(absl::FailedPreconditionError("CDI is asked for, and there is no --cdi-dir"));
    return first;
  }
  for (const auto& [name, text] : files_) note(EnsureFile(directory_, name, text, kept_.contains(name)));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    std::string name = entry.path().filename().string();
    bool ours = name.starts_with(kOurs) && name.find(".json") != std::string::npos;
    if (!ours || files_.contains(name)) continue;
    if (unlink(entry.path().c_str()) != 0 && errno != ENOENT) note(Problem(entry.path().string(), errno));
  }
  return first;
}

absl::Status CdiSpecs::Ensure(const std::string& kind) const {
  if (auto problem = problems_.find(kind); problem != problems_.end())
    return absl::FailedPreconditionError(problem->second);
  auto file = files_.find(FileName(kind));
  if (file == files_.end() || directory_.empty())
    return absl::FailedPreconditionError(fmt::format("there is no CDI file for {}", kind));
  return EnsureFile(directory_, file->first, file->second, kept_.contains(file->first));
}

}  // namespace cleave
