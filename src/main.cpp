// SPDX-License-Identifier: Apache-2.0
// The command line.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/http_address.h"
#include "base/status.h"
#include "base/strings.h"
#include "commands.h"
#include "config/diagnostics.h"
#include "daemon.h"
#include "node_view.h"

#ifndef CLEAVE_VERSION
#define CLEAVE_VERSION "unknown"
#endif

namespace {

constexpr int kUsage = 2;

std::string NotEmpty(const std::string& text) { return text.empty() ? "must not be empty" : ""; }

// A check for CLI11: a whole number from `least` to `most`.
std::function<std::string(const std::string&)> Whole(int64_t least, int64_t most) {
  return [least, most](const std::string& text) -> std::string {
    const std::optional<int64_t> number = cleave::ParseInt(text);
    if (number && *number >= least && *number <= most) return "";
    return fmt::format("must be a whole number from {} to {}, not '{}'", least, most, text);
  };
}

// What to do about words that no option takes: "" when there is nothing to say.
std::string WhereItBelongs(const CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands()) {
    for (const std::string& word : command->remaining()) {
      std::error_code ignored;
      const bool may_be = word.find(".tar") != std::string::npos || std::filesystem::exists(word, ignored);
      if (word.starts_with('-') || !may_be) continue;
      return fmt::format("To look at a captured machine: --root {}\n", word);
    }
  }
  return "";
}

// A directory that may still come, but not where a file is in its way.
std::string MayBeDirectory(const std::string& text) {
  std::error_code error;
  std::filesystem::path path;
  for (const std::filesystem::path& part : std::filesystem::path(text)) {
    path /= part;
    if (std::filesystem::exists(path, error) && !std::filesystem::is_directory(path, error))
      return path.string() + " is not a directory";
  }
  return NotEmpty(text);
}

// The options that every command has.
void AddNodeOptions(CLI::App& command, cleave::NodeOptions& node) {
  command
      .add_option("--config", node.config_file,
                  "The operator's file (default /etc/cleave/cleave.toml, if it exists)")
      ->check(NotEmpty)
      ->type_name("FILE");
  command
      .add_option("--profile-dir", node.profile_dirs,
                  "A directory of profiles that add to or replace the shipped ones")
      ->check(NotEmpty)
      ->type_name("DIR")
      ->allow_extra_args(false);
  command.add_option("--profile", node.profile_files, "One more profile; may be given several times")
      ->check(NotEmpty)
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      .add_option("--root", node.root,
                  "The host's file system: a directory, or an archive made by 'cleave capture'")
      ->check(NotEmpty)
      ->type_name("DIR|ARCHIVE")
      ->capture_default_str();
  command
      .add_option("--node-name", node.node_name,
                  "The name that 'nodes' in cleave.toml are matched with (default: the host's)")
      ->check(NotEmpty)
      ->type_name("NAME");
}

void AddPrintOptions(CLI::App& command, cleave::PrintOptions& options, std::string& format) {
  AddNodeOptions(command, options.node);
  command.add_option("--output", format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

int Run(int argc, char** argv) {
  CLI::App app{
      "cleave splits the accelerator cards of a node along their natural lines and hands the pieces to "
      "Kubernetes."};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("cleave ") + CLEAVE_VERSION);
  app.footer(
      "Exit codes: 0 all well, 1 a problem with the configuration, the machine or the question, 2 wrong "
      "usage.");
  std::string format = "text";

  cleave::DaemonOptions serve_options;
  CLI::App* serve = app.add_subcommand(
      "serve", "The daemon: registers every resource with the kubelet; SIGHUP or a changed file reloads");
  AddNodeOptions(*serve, serve_options.node);
  serve
      ->add_option("--cdi-dir", serve_options.cdi_dir,
                   "Where CDI files are written, when a resource asks for them")
      ->check(MayBeDirectory)
      ->type_name("DIR")
      ->capture_default_str();
  serve->add_option("--kubelet-dir", serve_options.kubelet_dir, "The kubelet's directory")
      ->check(MayBeDirectory)
      ->type_name("DIR")
      ->capture_default_str();
  serve
      ->add_option("--http", serve_options.http_address,
                   "HOST:PORT for /metrics, /healthz and /readyz (default: as in cleave.toml, else none)")
      ->check(NotEmpty)
      ->check(
          [](const std::string& text) { return cleave::MessageOf(cleave::ParseHttpAddress(text).status()); })
      ->type_name("ADDRESS");
  serve
      ->add_option("--log-format", serve_options.log_format,
                   "text or json (default: as in cleave.toml, else text)")
      ->check(CLI::IsMember({"text", "json"}));
  serve
      ->add_option("--log-level", serve_options.log_level,
                   "debug, info, warning or error (default: as in cleave.toml, else info)")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));

  cleave::CheckOptions check_options;
  check_options.kubelet_dir = "/var/lib/kubelet";
  CLI::App* check = app.add_subcommand(
      "check", "Start-up without effects: every problem with file:line:column, else this node's plan");
  AddPrintOptions(*check, check_options, format);
  check
      ->add_option("--kubelet-dir", check_options.kubelet_dir,
                   "The kubelet's directory, for the length of socket paths")
      ->check(MayBeDirectory)
      ->type_name("DIR")
      ->capture_default_str();

  cleave::PrintOptions plan_options;
  CLI::App* plan =
      app.add_subcommand("plan", "What this node offers: resources, units, NUMA nodes, device nodes");
  AddPrintOptions(*plan, plan_options, format);

  cleave::TopologyOptions topology_options;
  CLI::App* topology =
      app.add_subcommand("topology", "How the cards are connected: a tree, a matrix, or a picture");
  AddPrintOptions(*topology, topology_options, format);
  CLI::Option* matrix = topology->add_flag("--matrix", topology_options.matrix,
                                           "The relation of every two cards, with a legend");
  CLI::Option* functions = topology->add_flag("--functions", topology_options.functions,
                                              "Every PCI function instead of the cards");
  CLI::Option* svg = topology->add_flag("--svg", topology_options.svg, "A picture, as SVG");
  CLI::Option* dot = topology->add_flag("--dot", topology_options.dot, "A graph for Graphviz");
  topology
      ->add_option("--in-use", topology_options.in_use,
                   "Cards or devices to be marked in the picture, ids with commas between")
      ->delimiter(',')
      ->check(NotEmpty)
      ->type_name("IDS")
      ->needs(svg);
  topology
      ->add_option("--kubelet-dir", topology_options.kubelet_dir,
                   "Marks the cards that pods hold, as this kubelet says")
      ->check(MayBeDirectory)
      ->type_name("DIR")
      ->needs(svg);
  CLI::Option* output = topology->get_option("--output");
  matrix->excludes(functions)->excludes(svg)->excludes(dot);
  functions->excludes(svg)->excludes(dot);
  svg->excludes(dot)->excludes(output);
  dot->excludes(output);

  cleave::PreferOptions prefer_options;
  CLI::App* prefer = app.add_subcommand("prefer", "What GetPreferredAllocation would answer, and why");
  AddPrintOptions(*prefer, prefer_options, format);
  prefer->add_option("resource", prefer_options.resource, "Name of the resource")
      ->required()
      ->type_name("RESOURCE");
  prefer->add_option("-n,--size", prefer_options.size, "How many devices")
      ->required()
      ->check(Whole(1, 1000000))
      ->type_name("K");
  prefer
      ->add_option("--available", prefer_options.available,
                   "Device ids to choose from, with commas between (default: all healthy ones)")
      ->delimiter(',')
      ->check(NotEmpty)
      ->type_name("IDS")
      ->allow_extra_args(false);
  prefer
      ->add_option("--must-include", prefer_options.must_include,
                   "Device ids that must be chosen, with commas between")
      ->delimiter(',')
      ->check(NotEmpty)
      ->type_name("IDS")
      ->allow_extra_args(false);

  prefer
      ->add_option(
          "--budget", prefer_options.budget,
          "Search steps before the best so far is taken (default: about 3 ms worth); one guess at least is "
          "made, and of up to 16 candidates every set is looked at, whatever it says")
      ->check(Whole(0, int64_t{1} << 40))
      ->type_name("STEPS");

  cleave::NodeOptions capture_options;
  std::string capture_file;
  CLI::App* capture =
      app.add_subcommand("capture", "This node's relevant /sys, /proc and /dev as one small archive");
  AddNodeOptions(*capture, capture_options);
  capture
      ->add_option("file", capture_file,
                   "Where to write it: FILE.tar.zst, .tar.gz or .tar, or - for standard output (zstd)")
      ->required()
      ->check(NotEmpty)
      ->type_name("FILE");

  CLI::App* demo = app.add_subcommand(
      "demo", "The whole thing on a captured machine with an embedded kubelet stand-in; ends by itself");

  if (std::string word = argc > 1 ? argv[1] : ""; !word.empty() && !word.starts_with('-')) {
    std::vector<std::string> commands;
    for (const CLI::App* command : app.get_subcommands({})) commands.push_back(command->get_name());
    if (std::find(commands.begin(), commands.end(), word) == commands.end()) {
      std::cerr << "cleave: there is no command '" << word << "'" << cleave::DidYouMean(word, commands)
                << "\n"
                << "Run with --help for more information.\n";
      return kUsage;
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool wrong = app.exit(error) != 0;
    if (wrong) std::cerr << WhereItBelongs(app);
    return wrong ? kUsage : 0;
  }
  bool json = format == "json";
  check_options.json = plan_options.json = topology_options.json = prefer_options.json = json;
  if (serve->parsed()) {
    serve_options.version = CLEAVE_VERSION;
    const char* socket = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe): no thread yet
    if (socket != nullptr) serve_options.notify_socket = socket;
    return cleave::Daemon(serve_options).Run();
  }
  if (check->parsed()) return cleave::RunCheck(check_options);
  if (plan->parsed()) return cleave::RunPlan(plan_options);
  if (topology->parsed()) return cleave::RunTopology(topology_options);
  if (prefer->parsed()) return cleave::RunPrefer(prefer_options);
  if (capture->parsed()) return cleave::RunCapture(capture_options, capture_file);
  if (demo->parsed()) return cleave::RunDemo("/proc/self/exe");
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    int code = Run(argc, argv);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    std::cerr << "cleave: standard output: " << std::system_category().message(errno) << "\n";
    return code == 0 ? 1 : code;
  } catch (const std::exception& error) {
    std::cerr << "cleave: " << error.what() << "\n";
    return 1;
  }
}
