// SPDX-License-Identifier: Apache-2.0
// What the daemon's start takes besides the daemon itself.
#ifndef CLEAVE_START_UP_H_
#define CLEAVE_START_UP_H_

#include <string>
#include <vector>

#include "base/host_root.h"
#include "base/log.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "daemon.h"
#include "server/http_server.h"

namespace cleave {

// What a command line option says, else `otherwise`.
LogLevel LevelOf(const std::string& name, LogLevel otherwise);
LogFormat FormatOf(const std::string& name, LogFormat otherwise);

// Options go before the file.
void UseLogSettings(const DaemonOptions& options, const Config& config);
std::string HttpAddress(const DaemonOptions& options, const Config& config);

// What /readyz answers: "ready", or a line for each reason why not.
HttpServer::Page ReadinessPage(const std::vector<std::string>& reasons);

void LogDiagnostics(const Diagnostics& diagnostics);

// A kernel speaks of its own machine only, not of a directory that looks like one.
bool IsKernelsOwn(const HostRoot& root);

// One heap for all threads. glibc gives each its own (mallopt(3), M_ARENA_MAX), and what a look's thread has
// left behind in one is not there for the next look.
void UseOneHeap();

// Blocks the signals that the loop takes, here and in every thread that is started from here. Returns a
// descriptor for them.
int OpenSignals();

}  // namespace cleave

#endif  // CLEAVE_START_UP_H_
