// SPDX-License-Identifier: Apache-2.0
// [container] of a profile or a resource.
#include <fmt/core.h>
#include <re2/re2.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "config/condition.h"
#include "config/diagnostics.h"
#include "config/resource_parser.h"
#include "config/resource_spec.h"
#include "config/text_template.h"
#include "config/toml_reader.h"

namespace cleave {
namespace {

// What an environment variable may be called (POSIX.1-2017, 8.1, and the dots and dashes that Kubernetes
// allows).
bool IsEnvName(std::string_view name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  });
}

// Why Kubernetes would not have it as the key of an annotation; "" when it would. Source: apimachinery
// pkg/util/validation, IsQualifiedName(), which annotations pass in small letters.
std::string BadAnnotation(std::string_view key) {
  constexpr size_t kMostDomain = 253;
  constexpr size_t kMostName = 63;
  size_t slash = key.find('/');
  std::string_view name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  std::string_view domain = slash == std::string_view::npos ? "example.com" : key.substr(0, slash);
  auto fits = [](std::string_view text, const char* expression) {
    return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), expression);
  };
  if (domain.size() > kMostDomain)
    return fmt::format("its domain has {} characters, at most {} are allowed", domain.size(), kMostDomain);
  if (!fits(domain, "[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*"))
    return fmt::format("'{}' is no domain name", domain);
  if (name.size() > kMostName)
    return fmt::format("its name has {} characters, at most {} are allowed", name.size(), kMostName);
  if (!fits(name, "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"))
    return "a name is letters, digits, '-', '_' and '.', with a letter or digit at both ends, perhaps after "
           "a domain and a slash";
  return "";
}

// Where a mount is in the container, written in one way.
std::string Place(const MountSpec& mount) {
  std::string path = mount.container.source();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::vector<NamedValue> ParseNamedValues(TableReader& reader, std::string_view key, bool env) {
  std::vector<NamedValue> values;
  const toml::table* table = reader.Table(key);
  if (table == nullptr) return values;
  std::string where = fmt::format("{} of {}", key, reader.where());
  TableReader inner(*table, where, reader.file(), reader.diagnostics());
  for (auto&& [name, node] : *table) {
    std::string text(name.str());
    NamedValue value;
    absl::StatusOr<TextTemplate> parsed = TextTemplate::Parse(text);
    if (!parsed.ok()) {
      inner.ErrorAt(text, fmt::format("{}: {}", where, MessageOf(parsed.status())));
      continue;
    }
    value.name = *std::move(parsed);
    value.name.pos = inner.PosOfKey(text);
    if (env && !value.name.HasPlaceholders() && !IsEnvName(text)) {
      inner.ErrorAt(text, fmt::format("'{}' in {} is not the name of an environment variable", text, where));
    }
    if (!env && !value.name.HasPlaceholders()) {
      if (std::string bad = BadAnnotation(text); !bad.empty())
        inner.ErrorAt(text, fmt::format("'{}' in {} is no key of an annotation: {}", text, where, bad));
    }
    if (node.is_string()) {
      if (std::optional<TextTemplate> simple = inner.Template(text))
        value.choices.push_back({*std::move(simple), {}, Per::kValue});
    } else if (!node.is_table() && !node.is_array()) {
      inner.ErrorAt(
          text, fmt::format("'{}' in {} must be a string, or tables with 'value' and 'when'", text, where));
    } else {
      for (const toml::table* choice : inner.TableOrTables(text)) {
        TableReader one(*choice, fmt::format("{} of {}", text, where), reader.file(), reader.diagnostics());
        std::optional<TextTemplate> chosen = one.Template("value");
        Condition when = one.Tests("when");
        auto per = static_cast<Per>(one.OneOf("per", {"value", "card", "device"}).value_or(0));
        if (!chosen && !one.Has("value"))
          one.Error(one.Pos(), fmt::format("{} needs a 'value'", one.where()));
        one.Finish();
        if (chosen) value.choices.push_back({*std::move(chosen), std::move(when), per});
      }
    }
    values.push_back(std::move(value));
  }
  return values;
}

// Source: container-device-interface pkg/parser/parser.go; a class may hold dots only since version 0.6.0.
bool IsCdiKind(std::string_view kind) {
  return re2::RE2::FullMatch(re2::StringPiece(kind.data(), kind.size()),
                             "[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?");
}

CdiSpec ParseCdi(const toml::table& table, const std::string& where, const std::string& file,
                 Diagnostics& diagnostics) {
  CdiSpec cdi;
  TableReader reader(table, "cdi of " + where, file, diagnostics);
  cdi.kind = reader.String("kind").value_or("");
  if (!IsCdiKind(cdi.kind)) {
    reader.ErrorAt(
        "kind",
        fmt::format("'{}' is no CDI kind, such as \"vendor.com/class\": letters, digits, '_' and '-', "
                    "the vendor also '.', a letter first",
                    cdi.kind));
  }
  cdi.by = reader.Template("by").value_or(TextTemplate::Parse("field").value_or(TextTemplate()));
  if (!cdi.by.HasPlaceholders()) (void)reader.OneOf("by", {"field", "annotation", "spec", "off"});
  cdi.existing =
      reader.Template("existing").value_or(TextTemplate::Parse("overwrite").value_or(TextTemplate()));
  if (!cdi.existing.HasPlaceholders()) (void)reader.OneOf("existing", {"overwrite", "keep"});
  for (const auto& [key, text] : {std::pair("by", &cdi.by), std::pair("existing", &cdi.existing)}) {
    for (const std::string& name : text->Placeholders()) {
      if (!name.starts_with("settings."))
        reader.ErrorAt(
            key, fmt::format("'{}' in {} may hold settings only, not '{{{}}}'", key, reader.where(), name));
    }
  }
  reader.Finish();
  return cdi;
}

// As far as it is written out; what a placeholder stands for is seen on the machine.
void CheckAbsolute(const TextTemplate& path, Diagnostics& diagnostics) {
  if (path.source().starts_with('/') || path.source().starts_with('{')) return;
  diagnostics.Error(path.pos, fmt::format("\"{}\" must be an absolute path", path.source()));
}

}  // namespace

ContainerSpec Merge(const ContainerSpec& base, const ContainerSpec& own) {
  if (!own.inherit) return own;
  ContainerSpec merged = base;
  if (!own.devices.empty()) merged.devices = own.devices;
  merged.mounts.insert(merged.mounts.end(), own.mounts.begin(), own.mounts.end());
  auto merge_values = [](std::vector<NamedValue>& into, const std::vector<NamedValue>& from) {
    for (const NamedValue& value : from) {
      std::erase_if(into, [&](const NamedValue& old) { return old.name.source() == value.name.source(); });
      into.push_back(value);
    }
  };
  merge_values(merged.env, own.env);
  merge_values(merged.annotations, own.annotations);
  if (own.cdi) merged.cdi = own.cdi;
  return merged;
}

ContainerSpec ParseContainer(const toml::table& table, const std::string& where, const std::string& file,
                             Diagnostics& diagnostics) {
  ContainerSpec spec;
  TableReader reader(table, where, file, diagnostics);
  spec.inherit = reader.Bool("inherit").value_or(true);
  spec.devices = reader.Templates("devices");
  for (const TextTemplate& device : spec.devices) CheckAbsolute(device, diagnostics);
  spec.env = ParseNamedValues(reader, "env", true);
  spec.annotations = ParseNamedValues(reader, "annotations", false);
  if (const toml::table* cdi = reader.Table("cdi")) spec.cdi = ParseCdi(*cdi, where, file, diagnostics);
  reader.Tables("mounts", [&](const toml::table& item) {
    TableReader mount_reader(item, "mounts of " + where, file, diagnostics);
    MountSpec mount;
    std::optional<TextTemplate> host = mount_reader.Template("host");
    std::optional<TextTemplate> container = mount_reader.Template("container");
    if (!host && !mount_reader.Has("host"))
      mount_reader.Error(mount_reader.Pos(), "a mount needs 'host', a path");
    if (host) mount.host = *host;
    if (host || container) mount.container = container ? *container : *host;
    if (host) CheckAbsolute(mount.host, diagnostics);
    if (container) CheckAbsolute(mount.container, diagnostics);
    mount.read_only = mount_reader.Bool("read_only").value_or(true);
    mount.when = mount_reader.Tests("when");
    mount.optional = mount_reader.Bool("optional").value_or(false);
    mount.file_system = mount_reader.String("file_system").value_or("");
    mount_reader.Finish();
    auto same = [&](const MountSpec& other) {
      return Place(other) == Place(mount) && Same(other.when, mount.when);
    };
    if (std::any_of(spec.mounts.begin(), spec.mounts.end(), same)) {
      mount_reader.Error(mount_reader.Pos(), fmt::format("two mounts of {} are at {} in the container", where,
                                                         mount.container.source()));
    }
    if (host) spec.mounts.push_back(std::move(mount));
  });
  reader.Finish();
  return spec;
}

}  // namespace cleave
