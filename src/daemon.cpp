// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <malloc.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/program_pages.h"
#include "base/status.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "node_view.h"
#include "plan_keeper.h"
#include "server/event_loop.h"
#include "server/file_watcher.h"
#include "server/held_asker.h"
#include "server/http_server.h"
#include "server/inventory_log.h"
#include "server/kubelet_client.h"
#include "server/machine_watch.h"
#include "server/metrics.h"
#include "server/plugin_server.h"
#include "server/plugin_set.h"
#include "server/registrar.h"
#include "server/service_manager.h"
#include "server/socket.h"
#include "server/uevents.h"
#include "start_up.h"

namespace cleave {
namespace {

using Clock = EventLoop::Clock;

// Events of one change come close together.
constexpr std::chrono::milliseconds kMachineSettles{50};
constexpr std::chrono::milliseconds kFilesSettle{200};
// By then everything is registered, and what is needed from here on is little; what an admission needed is
// not needed for long either.
constexpr std::chrono::seconds kStarted{15};
constexpr std::chrono::minutes kPagesAreKept{1};
// A main loop that is at one thing for longer than this is stuck.
constexpr std::chrono::seconds kStuck{10};
// How often the kubelet is asked whether a card is free again that is offered in several shapes.
constexpr std::chrono::milliseconds kAskForFreeCards{1000};

}  // namespace

struct Daemon::Impl {
  explicit Impl(DaemonOptions given) : options(std::move(given)), metrics(options.version) {
    if (options.node.node_name.empty()) options.node.node_name = HostName();
  }

  int Run();
  bool SetUp();
  void DropMemory();
  bool StartHttp();
  void WatchEverything();
  void Stop();

  void ReadSignals();
  void Reload(std::string_view why);
  void Look();
  void LookSoon();
  void Publish();
  void CheckKubelet(bool created);
  void Answered(const absl::StatusOr<HeldIds>& held, Clock::time_point asked, bool incomplete);
  std::optional<std::chrono::milliseconds> AskEvery() const;
  void UpdateReadiness();
  HttpServer::Page Readiness();

  DaemonOptions options;
  LoadOptions files;
  EventLoop loop;
  Metrics metrics;
  std::shared_ptr<const HostRoot> root;
  std::unique_ptr<PlanKeeper> keeper;
  std::unique_ptr<FileWatcher> watcher;
  std::unique_ptr<UeventSocket> uevents;
  std::unique_ptr<Registrar> registrar;
  std::unique_ptr<KubeletClient> client;
  std::unique_ptr<HeldAsker> asker;
  std::unique_ptr<PluginSet> plugins;
  std::unique_ptr<HttpServer> http;
  std::string http_address;  // where it was asked to serve; "" nowhere
  InventoryLog inventory_log;

  int signal_fd = -1;
  EventLoop::TimerId look_timer = 0;
  EventLoop::TimerId soon_timer = 0;
  EventLoop::TimerId reload_timer = 0;
  std::optional<FileIdentity> kubelet;  // its socket, as known
  bool kubelet_known = false;           // looked for at least once

  Mutex mutex;
  HttpServer::Page readiness ABSL_GUARDED_BY(mutex) = {503, "starting\n"};
};

Daemon::Daemon(DaemonOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Daemon::~Daemon() = default;

int Daemon::Run() { return impl_->Run(); }

void Daemon::Quit() {
  impl_->loop.Post([this] { impl_->loop.Quit(); });
}

int Daemon::Impl::Run() {
  UseOneHeap();
  signal_fd = OpenSignals();
  RedirectGrpcLog();
  SetUpLog(FormatOf(options.log_format, LogFormat::kText), LevelOf(options.log_level, LogLevel::kInfo));
  bool started = SetUp();
  if (started) {
    NotifyServiceManager(options.notify_socket, "READY=1");
    loop.Run();
    Log(LogLevel::kInfo, "stopping");
    NotifyServiceManager(options.notify_socket, "STOPPING=1");
  }
  Stop();
  if (started) Log(LogLevel::kInfo, "stopped");
  return started ? 0 : 1;
}

bool Daemon::Impl::SetUp() {
  absl::StatusOr<std::unique_ptr<HostRoot>> opened = OpenHostRoot(options.node.root);
  if (!opened.ok()) {
    Log(LogLevel::kError, "cannot open the host's root", {{"reason", MessageOf(opened.status())}});
    return false;
  }
  root = *std::move(opened);
  files = {options.node.config_file, options.node.profile_dirs, options.node.profile_files};
  keeper = std::make_unique<PlanKeeper>(root, metrics,
                                        PlanKeeper::Options{.files = files,
                                                            .node_name = options.node.node_name,
                                                            .kubelet_dir = options.kubelet_dir,
                                                            .linger = options.linger});
  Diagnostics diagnostics;
  bool good = keeper->Load(diagnostics);
  if (good) {
    UseLogSettings(options, keeper->settings().config);
    Log(LogLevel::kInfo, "start",
        {{"version", options.version},
         {"root", options.node.root},
         {"node", options.node.node_name},
         {"kubelet_dir", options.kubelet_dir}});
  }
  LogDiagnostics(diagnostics);
  if (!good || !keeper->Look(Clock::now()) || !StartHttp()) return false;

  client = NewKubeletClient(loop, options.kubelet_dir);
  registrar = std::make_unique<Registrar>(loop, *client, metrics, [this] { UpdateReadiness(); });
  asker = std::make_unique<HeldAsker>(
      loop, *client,
      HeldAsker::Hooks{.answered = [this](const absl::StatusOr<HeldIds>& held, Clock::time_point asked,
                                          bool incomplete) { Answered(held, asked, incomplete); },
                       .every = [this] { return AskEvery(); }});
  auto rescan = [this] {
    Look();
    plugins->AnswerWaiting();
  };
  auto ask = [this] { asker->Ask(); };
  PluginSet::Options serving{.kubelet_dir = options.kubelet_dir,
                             .instance = NewInstanceId(),
                             .cdi_dir = options.cdi_dir,
                             .rescan = rescan,
                             .ask = ask};
  plugins = std::make_unique<PluginSet>(loop, *root, metrics, *registrar, std::move(serving));
  for (const std::string& name : RemoveStaleSockets(PluginDirectory(options.kubelet_dir))) {
    Log(LogLevel::kInfo, "removed a socket that a process before left behind", {{"socket", name}});
  }
  watcher = std::make_unique<FileWatcher>(loop);
  Publish();
  WatchEverything();
  CheckKubelet(false);
  look_timer = loop.RunAfter(keeper->LookAgainIn(), [this] { Look(); });
  loop.RunAfter(kStarted, [this] { DropMemory(); });
  return true;
}

void Daemon::Impl::DropMemory() {
  DropUnusedPages();
  malloc_trim(0);  // what a look has freed goes back to the kernel
  loop.RunAfter(kPagesAreKept, [this] { DropMemory(); });
}

bool Daemon::Impl::StartHttp() {
  http_address = HttpAddress(options, keeper->settings().config);
  if (http_address.empty()) return true;
  HttpServer::Sources sources;
  sources.metrics = [this] { return metrics.Text(); };
  sources.health = [this] {
    return loop.BusyFor() < kStuck ? HttpServer::Page{200, "ok\n"}
                                   : HttpServer::Page{503, "the main loop is stuck\n"};
  };
  sources.ready = [this] { return Readiness(); };
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(http_address, std::move(sources));
  if (!server.ok()) {
    Log(LogLevel::kError, "cannot serve HTTP", {{"reason", MessageOf(server.status())}});
    return false;
  }
  http = *std::move(server);
  Log(LogLevel::kInfo, "http listening", {{"address", http->address()}});
  return true;
}

void Daemon::Impl::WatchEverything() {
  loop.Watch(signal_fd, [this] { ReadSignals(); });
  if (IsKernelsOwn(*root)) {
    uevents = UeventSocket::Open(loop, [this](const Uevent& event) {
      if (Subsystems(keeper->settings()).contains(event.subsystem)) LookSoon();
    });
    if (uevents == nullptr) Log(LogLevel::kInfo, "no uevents here, changes are found by looking again");
  }
  std::string directory = std::filesystem::absolute(PluginDirectory(options.kubelet_dir)).string();
  watcher->Watch("kubelet", {{directory, {"kubelet.sock", "cleave-"}, false}},
                 [this](const FileWatcher::Change& change) {
                   plugins->CheckSockets();
                   CheckKubelet(change.created && change.name == "kubelet.sock");
                 });
}

void Daemon::Impl::Stop() {
  if (http != nullptr) http->BeginStop();
  plugins.reset();
  asker.reset();
  client.reset();
  registrar.reset();
  uevents.reset();
  watcher.reset();
  http.reset();
  if (signal_fd >= 0) {
    loop.Unwatch(signal_fd);
    close(std::exchange(signal_fd, -1));
  }
}

void Daemon::Impl::ReadSignals() {
  signalfd_siginfo info;
  while (read(signal_fd, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      Reload("SIGHUP");
    } else {
      Log(LogLevel::kInfo, "signal", {{"name", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT"}});
      loop.Quit();
    }
  }
}

void Daemon::Impl::Reload(std::string_view why) {
  loop.Cancel(std::exchange(reload_timer, 0));
  Diagnostics diagnostics;
  bool good = keeper->Load(diagnostics);
  LogDiagnostics(diagnostics);
  metrics.SetReloadFailed(!good);
  if (!good) {
    Log(LogLevel::kError, "reload failed, the settings before stay", {{"cause", std::string(why)}});
    return;
  }
  UseLogSettings(options, keeper->settings().config);
  Look();
  Log(LogLevel::kInfo, "reloaded", {{"cause", std::string(why)}});
  std::string address = HttpAddress(options, keeper->settings().config);
  if (address != http_address) {
    Log(LogLevel::kWarning, "another http address takes effect at the next start",
        {{"old", http_address}, {"new", address}});
  }
}

void Daemon::Impl::LookSoon() {
  if (soon_timer == 0) soon_timer = loop.RunAfter(kMachineSettles, [this] { Look(); });
}

// The one way: look, plan, publish.
void Daemon::Impl::Look() {
  loop.Cancel(std::exchange(soon_timer, 0));
  loop.Cancel(look_timer);
  if (keeper->Look(Clock::now())) Publish();
  // Also what no event tells of: a file system without inotify, a directory that was mounted over.
  watcher->Refresh();
  plugins->CheckSockets();
  plugins->WriteCdi();
  CheckKubelet(false);
  look_timer = loop.RunAfter(keeper->LookAgainIn(), [this] { Look(); });
}

void Daemon::Impl::Publish() {
  inventory_log.Note(*keeper->plan());
  plugins->Apply(keeper->plan());
  metrics.SetPlan(*keeper->plan());
  watcher->Watch("machine", MachineWants(*root, keeper->settings(), *keeper->plan()->inventory),
                 [this](const FileWatcher::Change& /*change*/) { LookSoon(); });
  watcher->Watch("files", ConfigWants(keeper->settings(), files),
                 [this](const FileWatcher::Change& /*change*/) {
                   if (reload_timer == 0)
                     reload_timer = loop.RunAfter(kFilesSettle, [this] { Reload("a file changed"); });
                 });
  if (kubelet) asker->AskLater();
  UpdateReadiness();
}

void Daemon::Impl::CheckKubelet(bool created) {
  std::optional<FileIdentity> now = IdentityOf(KubeletSocketPath(options.kubelet_dir));
  metrics.SetKubeletUp(now.has_value());
  // Where files have no time of birth, only the event tells a new socket from an old one with the same inode.
  bool appeared = now && (now != kubelet || (created && now->born_ns == 0));
  if (!now && !kubelet_known) {
    std::string socket = KubeletSocketPath(options.kubelet_dir);
    std::error_code ignored;
    if (std::filesystem::is_directory(PluginDirectory(options.kubelet_dir), ignored)) {
      Log(LogLevel::kInfo, "the kubelet is not there, waiting for it", {{"socket", socket}});
    } else {
      Log(LogLevel::kWarning, "the kubelet is not there, and its directory neither; waiting for both",
          {{"socket", socket}});
    }
  }
  if (!now && kubelet) {
    Log(LogLevel::kInfo, "the kubelet's socket is gone");
    registrar->KubeletGone();
  }
  bool started = std::exchange(kubelet_known, true);
  kubelet = now;
  if (appeared) {
    Log(LogLevel::kInfo, "the kubelet is there", {{"socket", KubeletSocketPath(options.kubelet_dir)}});
    // The first one is asked before anything is registered, so that the first list lacks nothing that a pod
    // holds.
    asker->KubeletAppeared(started);
    registrar->KubeletAppeared();
  }
  UpdateReadiness();
}

void Daemon::Impl::Answered(const absl::StatusOr<HeldIds>& held, Clock::time_point asked, bool incomplete) {
  if (held.ok() && keeper->SetHeld(*held, asked, incomplete)) Publish();
  PluginServer::Claims claims;
  claims.asked = asked;
  // What is known and what was given since is all there is, if the kubelet has ever said what was before us.
  if (!held.ok() && !keeper->ledger().known())
    claims.problem = "it cannot be asked: " + MessageOf(held.status());
  claims.look = [this] { Look(); };
  claims.give = [this](const std::string& resource, const std::vector<std::string>& ids) {
    bool changed = keeper->Give(resource, ids, Clock::now());
    asker->AskSoon();
    if (!changed) return;
    plugins->Apply(keeper->plan());
    metrics.SetPlan(*keeper->plan());
  };
  plugins->AnswerClaims(claims);
  registrar->Start();
}

std::optional<std::chrono::milliseconds> Daemon::Impl::AskEvery() const {
  if (keeper->ledger().in_use()) return std::min(options.ask_every, kAskForFreeCards);
  if (keeper->AwaitsHeld()) return options.ask_every;
  return std::nullopt;
}

void Daemon::Impl::UpdateReadiness() {
  if (plugins == nullptr || registrar == nullptr) return;
  std::vector<std::string> reasons = plugins->NotServing();
  for (std::string& line : registrar->NotReady()) reasons.push_back(std::move(line));
  if (reasons.empty() && !kubelet) reasons.emplace_back("the kubelet is not there");
  MutexLock lock(mutex);
  readiness = ReadinessPage(reasons);
}

HttpServer::Page Daemon::Impl::Readiness() {
  MutexLock lock(mutex);
  return readiness;
}

}  // namespace cleave
