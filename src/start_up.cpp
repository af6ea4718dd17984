// SPDX-License-Identifier: Apache-2.0
#include "start_up.h"

#include <linux/magic.h>
#include <malloc.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>

#include <csignal>
#include <string>
#include <vector>

#include "base/host_root.h"
#include "base/log.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "daemon.h"
#include "server/http_server.h"

namespace cleave {

LogLevel LevelOf(const std::string& name, LogLevel otherwise) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return otherwise;
}

LogFormat FormatOf(const std::string& name, LogFormat otherwise) {
  if (name == "json") return LogFormat::kJson;
  if (name == "text") return LogFormat::kText;
  return otherwise;
}

void UseLogSettings(const DaemonOptions& options, const Config& config) {
  SetUpLog(FormatOf(options.log_format, config.log_format), LevelOf(options.log_level, config.log_level));
}

std::string HttpAddress(const DaemonOptions& options, const Config& config) {
  return options.http_address.empty() ? config.http_address : options.http_address;
}

HttpServer::Page ReadinessPage(const std::vector<std::string>& reasons) {
  if (reasons.empty()) return {200, "ready\n"};
  HttpServer::Page page = {503, ""};
  for (const std::string& line : reasons) page.text += line + "\n";
  return page;
}

void LogDiagnostics(const Diagnostics& diagnostics) {
  for (const Diagnostic& error : diagnostics.errors())
    Log(LogLevel::kError, "bad configuration", {{"error", ToString(error)}});
  for (const Diagnostic& note : diagnostics.notes())
    Log(LogLevel::kWarning, "the configuration may not be what was meant", {{"note", ToString(note)}});
}

bool IsKernelsOwn(const HostRoot& root) {
  struct statfs fs = {};
  return root.live() && statfs(root.WatchPath("sys").c_str(), &fs) == 0 && fs.f_type == SYSFS_MAGIC;
}

void UseOneHeap() {
  mallopt(M_ARENA_MAX, 1);  // NOLINT(concurrency-mt-unsafe): there is no other thread yet
}

int OpenSignals() {
  sigset_t taken;
  sigemptyset(&taken);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&taken, signal);
  sigset_t blocked = taken;
  sigaddset(&blocked, SIGPIPE);  // a log that nobody reads any more is no reason to end
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  return signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace cleave
