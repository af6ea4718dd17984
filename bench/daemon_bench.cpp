// SPDX-License-Identifier: Apache-2.0
// What the real daemon costs: a `cleave serve` process on an unpacked machine of 8 cards beside a kubelet
// stand-in.
//   daemon_bench CLEAVE MACHINE_DIR [SECONDS_OF_IDLENESS]
// Prints a table in Markdown: start to registered, the kubelet's socket to registered again, Allocate and
// GetPreferredAllocation as seen by the kubelet (medians and 99th percentiles), memory, CPU time and messages
// when idle.
#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "server/kubelet_standin.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace cleave {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kStarts = 20;
constexpr int kCalls = 5000;

double Ms(Clock::duration took) { return std::chrono::duration<double, std::milli>(took).count(); }

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

class Process {
 public:
  Process(const std::string& binary, std::vector<std::string> words) {
    words.insert(words.begin(), binary);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid_, binary.c_str(), &actions, nullptr, arguments.data(), environ) != 0) std::exit(1);
    posix_spawn_file_actions_destroy(&actions);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  // kB
  long Resident() const {
    std::ifstream status(fmt::format("/proc/{}/status", pid_));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    return 0;
  }
  // Seconds of user and system time so far, to the nanosecond (clock_getcpuclockid(3)); /proc/PID/stat counts
  // in hundredths, of which an idle daemon uses two in a minute.
  double CpuSeconds() const {
    clockid_t clock;
    timespec used{};
    if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
  }

 private:
  pid_t pid_ = -1;
};

void Row(const std::string& what, const std::string& measured, const std::string& goal) {
  fmt::print("| {} | {} | {} |\n", what, measured, goal);
}

int Run(const std::string& binary, const std::string& machine, int idle_seconds) {
  std::string pattern = (std::filesystem::temp_directory_path() / "cleave-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  std::string dir = pattern;
  const std::string resource = "tenstorrent.com/n150";
  const size_t cards = 8;
  std::ofstream(dir + "/one.toml")
      << "[log]\nlevel = \"warning\"\n[profile.tenstorrent]\nheartbeat = \"ignore\"\n";
  std::vector<std::string> words = {"serve",       "--root", machine,    "--kubelet-dir",  dir + "/kubelet",
                                    "--node-name", "bench",  "--config", dir + "/one.toml"};
  fmt::print("| what | measured | goal |\n|---|---|---|\n");

  KubeletStandIn kubelet(dir + "/kubelet");
  if (!kubelet.Start().ok()) return 1;
  std::vector<double> starts;
  for (int i = 0; i < kStarts; ++i) {
    auto start = Clock::now();
    Process daemon(binary, words);
    if (!kubelet.AwaitDevices(resource, cards)) return 1;
    starts.push_back(Ms(Clock::now() - start));
  }
  Row("start to registered and listed, 8 cards",
      fmt::format("median {:.1f} ms, worst of {} {:.1f} ms", Quantile(starts, 0.5), kStarts,
                  Quantile(starts, 1)),
      "30 ms");
  {
    Process daemon(binary, words);
    if (!kubelet.AwaitDevices(resource, cards)) return 1;
    std::vector<double> back;
    for (int i = 0; i < kStarts; ++i) {
      kubelet.Stop();
      auto start = Clock::now();
      if (!kubelet.Start().ok() || !kubelet.AwaitDevices(resource, cards)) return 1;
      back.push_back(Ms(Clock::now() - start));
    }
    Row("kubelet's socket to registered and listed again",
        fmt::format("median {:.1f} ms, worst of {} {:.1f} ms", Quantile(back, 0.5), kStarts,
                    Quantile(back, 1)),
        "100 ms");
    std::vector<double> allocate;
    std::vector<double> prefer;
    for (int i = 0; i < kCalls; ++i) {
      auto grant = kubelet.Admit("pod", resource, static_cast<size_t>(1 + i % 4));
      if (!grant.ok()) return 1;
      allocate.push_back(Ms(grant->allocate_took));
      prefer.push_back(Ms(grant->prefer_took));
      kubelet.Release("pod");
    }
    Row(fmt::format("Allocate over the socket, {} calls", kCalls),
        fmt::format("p50 {:.3f} ms, p99 {:.3f} ms", Quantile(allocate, 0.5), Quantile(allocate, 0.99)),
        "p99 0.4 ms");
    Row(fmt::format("GetPreferredAllocation over the socket, {} calls", kCalls),
        fmt::format("p50 {:.3f} ms, p99 {:.3f} ms", Quantile(prefer, 0.5), Quantile(prefer, 0.99)), "");
  }
  // Eight resources, HTTP on.
  std::ofstream eight(dir + "/eight.toml");
  eight << "http = \"127.0.0.1:0\"\n[log]\nlevel = \"warning\"\n[profile.tenstorrent]\nheartbeat = "
           "\"ignore\"\n";
  for (int i = 0; i < 8; ++i)
    eight << fmt::format("[[resource]]\nname = \"example.com/r{}\"\nwhere = {{ ordinal = {} }}\n", i, i);
  eight.close();
  words.back() = dir + "/eight.toml";
  Process daemon(binary, words);
  for (int i = 0; i < 8; ++i) {
    if (!kubelet.AwaitDevices(fmt::format("example.com/r{}", i), 1)) return 1;
  }
  int lists = kubelet.counters().lists;
  double before = daemon.CpuSeconds();
  std::this_thread::sleep_for(std::chrono::seconds(idle_seconds));  // idleness is what is measured
  double used = daemon.CpuSeconds() - before;
  Row("resident memory, 8 resources, HTTP on",
      fmt::format("{:.1f} MB", static_cast<double>(daemon.Resident()) / 1000), "10 MB");
  Row(fmt::format("idle for {} s", idle_seconds),
      fmt::format("{:.3f} % of a core, {} lists sent", 100 * used / idle_seconds,
                  kubelet.counters().lists - lists),
      "0.1 %, 0 lists");
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
  return 0;
}

}  // namespace
}  // namespace cleave

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: daemon_bench CLEAVE MACHINE_DIR [SECONDS_OF_IDLENESS]\n");
    return 2;
  }
  return cleave::Run(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 60);
}
