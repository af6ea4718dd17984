// SPDX-License-Identifier: Apache-2.0
// `cleave demo`: the daemon on a captured machine, a kubelet stand-in, and a few pods. Nothing is
// short-circuited: the daemon is a process of its own and is spoken to over its sockets only.
#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ios>
#include <map>
#include <ratio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/embedded.h"
#include "base/status.h"
#include "base/strings.h"
#include "commands.h"
#include "node_view.h"
#include "output.h"
#include "policy/choose.h"
#include "policy/choose_explain.h"
#include "policy/plan.h"
#include "server/kubelet_standin.h"
#include "topology/render.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX wants it declared

namespace cleave {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::duration took) { return std::chrono::duration<double, std::milli>(took).count(); }

// A folder of its own, removed at the end.
class Workplace {
 public:
  Workplace() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cleave-demo-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  bool ok() const { return !path_.empty(); }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// `self serve`, stopped by SIGTERM at the end.
class Served {
 public:
  Served(const std::string& self, const Workplace& place) {
    std::vector<std::string> words = {"cleave",        "serve",
                                      "--root",        place / "machine.tar.zst",
                                      "--config",      place / "cleave.toml",
                                      "--kubelet-dir", place / "kubelet",
                                      "--node-name",   "demo"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (place / "log").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (posix_spawn(&pid_, self.c_str(), &actions, nullptr, arguments.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  ~Served() { Stop(); }
  bool ok() const { return pid_ > 0; }
  // Its exit code; -1 when it did not exit by itself.
  int Stop() {
    if (pid_ <= 0) return -1;
    kill(pid_, SIGTERM);
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
};

class Demo {
 public:
  Demo(const Plan& plan, KubeletStandIn& kubelet)
      : plan_(plan), resource_(plan.resources.front()), kubelet_(kubelet) {}

  // False when the daemon did not do what it should.
  bool Run() {
    Admit("small", 1);
    Admit("pair", 2);
    Admit("second-pair", 2);
    fmt::print("\nPod small ends, and second-pair is tried again.\n");
    Release("small");
    Admit("second-pair", 2);
    auto start = Clock::now();
    fmt::print("\nThe kubelet restarts and forgets who was registered.\n");
    if (!kubelet_.Restart().ok() || !kubelet_.AwaitDevices(resource_.name, resource_.units.size()))
      return false;
    fmt::print("  {} is back with {} devices after {:.0f} ms.\n", resource_.name, resource_.units.size(),
               Milliseconds(Clock::now() - start));
    return good_;
  }

 private:
  void Admit(const std::string& pod, size_t count) {
    fmt::print("\nPod {} asks for {} x {}.\n", pod, count, resource_.name);
    absl::StatusOr<KubeletStandIn::Grant> grant = kubelet_.Admit(pod, resource_.name, count);
    if (absl::IsResourceExhausted(grant.status())) {
      fmt::print("  It waits: {}\n", MessageOf(grant.status()));
      return;
    }
    if (!grant.ok()) {
      fmt::print("  Refused: {}\n", MessageOf(grant.status()));
      good_ = false;
      return;
    }
    fmt::print("  devices {}\n", Join(grant->ids, " "));
    fmt::print("  in the container: {}\n", Join(grant->devices, ", "));
    for (const KubeletStandIn::Grant::Mount& mount : grant->mounts) {
      fmt::print("  mount {} at {}{}\n", mount.host, mount.container, mount.read_only ? " read-only" : "");
    }
    for (const auto& [name, value] : grant->env) fmt::print("  env {}={}\n", name, value);
    fmt::print("{}", Why(pod, *grant));
    fmt::print("  chosen in {:.2f} ms, allocated in {:.2f} ms, over the socket\n",
               Milliseconds(grant->prefer_took), Milliseconds(grant->allocate_took));
  }

  // What the pod's devices have in common, what came next, and what is left.
  std::string Why(const std::string& pod, const KubeletStandIn::Grant& grant) {
    PreferReport report;
    report.plan = &plan_;
    report.resource = &resource_;
    for (size_t unit = 0; unit < resource_.units.size(); ++unit) {
      report.request.healthy.push_back(unit);
      if (!held_by_.contains(resource_.units[unit].id)) report.request.available.push_back(unit);
    }
    for (const std::string& id : grant.ids) {
      held_by_[id] = pod;
      if (const Unit* found = resource_.Find(id))
        report.choice.units.push_back(static_cast<size_t>(found - resource_.units.data()));
    }
    std::sort(report.choice.units.begin(), report.choice.units.end());
    report.request.size = report.choice.units.size();
    report.choice.score = Score(*resource_.topology, report.choice.units);
    report.next = NextBest(resource_, report.request, report.choice);
    report.whole = LeftWhole(plan_, resource_, report.request, report.choice.units);
    std::string why = "  because:\n";
    for (const std::string& line :
         Split(PairsText(plan_, resource_, report.choice.units) + RestText(report), '\n')) {
      if (!line.empty()) why += "    " + std::string(Trim(line)) + "\n";
    }
    return why;
  }

  void Release(const std::string& pod) {
    kubelet_.Release(pod);
    std::erase_if(held_by_, [&](const auto& held) { return held.second == pod; });
  }

  const Plan& plan_;
  const Resource& resource_;
  KubeletStandIn& kubelet_;
  std::map<std::string, std::string> held_by_;  // pods by device
  bool good_ = true;
};

int Fail(const std::string& why, const std::string& log) {
  fmt::print(stderr, "cleave: {}\n", why);
  std::ifstream lines(log);
  for (std::string line; std::getline(lines, line);) fmt::print(stderr, "  {}\n", line);
  return 1;
}

}  // namespace

int RunDemo(const std::string& self) {
  Workplace place;
  if (!place.ok()) return Fail("no temporary folder can be made", "");
  for (const EmbeddedFile& file : EmbeddedDemo()) {
    std::ofstream(place / file.name, std::ios::binary) << file.bytes;
  }
  NodeOptions options;
  options.root = place / "machine.tar.zst";
  options.config_file = place / "cleave.toml";
  options.node_name = "demo";
  absl::StatusOr<NodeView> view = LookAtNode(options);
  if (!view.ok()) return Fail(MessageOf(view.status()), "");
  if (!view->diagnostics.ok() || view->plan.resources.empty()) return Fail(view->diagnostics.Text(), "");
  fmt::print(
      "The machine: a two-socket host with four boards, made after its driver's source and replayed from an "
      "archive in this\n"
      "program (cleave capture makes such archives).\n\n{}\n{}\n",
      RenderTree(*view->plan.inventory, *view->plan.graph),
      RenderMatrix(*view->plan.inventory, *view->plan.graph));
  fmt::print("What the node offers:\n{}\n", PlanText(view->plan, {}));

  KubeletStandIn kubelet(place / "kubelet");
  if (absl::Status status = kubelet.Start(); !status.ok()) return Fail(MessageOf(status), "");
  auto start = Clock::now();
  Served served(self, place);
  if (!served.ok()) return Fail("the daemon cannot be started", place / "log");
  for (const Resource& resource : view->plan.resources) {
    if (!kubelet.AwaitDevices(resource.name, resource.units.size()))
      return Fail("the daemon did not register", place / "log");
  }
  fmt::print(
      "cleave serve, a process of its own, is registered with a kubelet stand-in {:.0f} ms after its "
      "start.\n",
      Milliseconds(Clock::now() - start));
  if (!Demo(view->plan, kubelet).Run()) return Fail("the daemon did not do what it should", place / "log");
  int code = served.Stop();
  if (code != 0) return Fail(fmt::format("the daemon ended with {}", code), place / "log");
  fmt::print(
      "\nDone. SIGTERM ended the daemon cleanly. Next: cleave check, cleave topology, cleave serve on a node "
      "of yours.\n");
  return 0;
}

}  // namespace cleave
