// SPDX-License-Identifier: Apache-2.0
#include "discovery/patient_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/host_root.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "discovery/inventory.h"
#include "discovery/pci.h"

namespace cleave {
namespace {

// When the time is over a call gets so much more: the whole process may have been stopped for a while.
constexpr std::chrono::milliseconds kGrace{100};

std::string FolderOf(std::string_view path) {
  size_t slash = path.rfind('/');
  return std::string(path.substr(0, slash == std::string_view::npos ? 0 : slash));
}

// The PCI function that a file belongs to, else its folder; nullopt where the PCI core answers and no driver.
std::optional<std::string> DriverOf(const HostRoot& root, std::string_view path) {
  std::string folder = FolderOf(path);
  if (absl::StatusOr<std::string> real = root.Resolve(folder); real.ok()) folder = *std::move(real);
  if (PciAddress::Parse(BaseName(folder)) && IsOfPciCore(BaseName(path))) return std::nullopt;
  std::vector<std::string> parts = Split(folder, '/');
  auto function = std::find_if(parts.rbegin(), parts.rend(),
                               [](const std::string& part) { return PciAddress::Parse(part).has_value(); });
  return function == parts.rend() ? folder : *function;
}

}  // namespace

// Calls that have not ended, and those that have not for long.
//
// Threads: any.
class PatientReader::Hangs {
 public:
  explicit Hangs(Clock::duration rest) : rest_(rest) {}

  struct Hang {
    std::string path;
    std::string device;
    std::optional<Clock::time_point> ended;
  };

  void Add(std::string path) {
    MutexLock lock(mutex_);
    hangs_.push_back({.path = std::move(path), .device = "", .ended = std::nullopt});
  }

  void SetDevice(std::string_view path, const std::string& device) {
    MutexLock lock(mutex_);
    for (Hang& hang : hangs_) {
      if (hang.path == path) hang.device = device;
    }
  }

  void End(std::string_view path) {
    Log(LogLevel::kInfo, "a driver answers again", {{"path", "/" + std::string(path)}});
    MutexLock lock(mutex_);
    for (Hang& hang : hangs_) {
      if (hang.path == path) hang.ended = Clock::now();
    }
  }

  // Those that count.
  std::vector<Hang> Get() {
    MutexLock lock(mutex_);
    std::erase_if(hangs_, [&](const Hang& hang) { return hang.ended && Clock::now() - *hang.ended > rest_; });
    return hangs_;
  }

 private:
  const Clock::duration rest_;
  Mutex mutex_;
  std::vector<Hang> hangs_ ABSL_GUARDED_BY(mutex_);
};

// The root as one piece of work sees it. The work's thread calls it, the reader's thread watches it.
class PatientReader::WatchedRoot final : public HostRoot {
 public:
  WatchedRoot(std::shared_ptr<const HostRoot> root, std::shared_ptr<Hangs> hangs)
      : root_(std::move(root)), hangs_(std::move(hangs)), known_(hangs_->Get()) {}

  absl::StatusOr<std::string> Read(std::string_view path, size_t limit) const override {
    return Watched(path, [&]() -> absl::StatusOr<std::string> {
      const std::optional<std::string> device = known_.empty() ? std::nullopt : DriverOf(*root_, path);
      for (const Hangs::Hang& hang : known_) {
        if (hang.device == device) return NoAnswer(hang);
      }
      return root_->Read(path, limit);
    });
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view path) const override {
    return Watched(path, [&] { return root_->List(path); });
  }
  absl::StatusOr<FileInfo> Stat(std::string_view path) const override {
    return Watched(path, [&] { return root_->Stat(path); });
  }
  absl::StatusOr<std::string> ReadLink(std::string_view path) const override {
    return Watched(path, [&] { return root_->ReadLink(path); });
  }
  absl::StatusOr<std::string> Resolve(std::string_view path) const override {
    return Watched(path, [&] { return root_->Resolve(path); });
  }
  absl::StatusOr<std::string> MountTypeAt(std::string_view path) const override {
    return Watched(path, [&] { return root_->MountTypeAt(path); });
  }
  bool live() const override { return root_->live(); }
  std::string WatchPath(std::string_view path) const override { return root_->WatchPath(path); }

  void SetDone() {
    MutexLock lock(mutex_);
    done_ = true;
    changed_.NotifyAll();
  }

  // The path of the call that did not end in time; nullopt when the work is done.
  std::optional<std::string> WaitUntilDone(Clock::duration patience) {
    MutexLock lock(mutex_);
    while (!done_) {
      const Clock::time_point end = (path_.empty() ? Clock::now() : since_) + patience;
      const size_t call = calls_;
      if (changed_.WaitUntil(mutex_, end) || !HasNotEnded(call)) continue;
      const Clock::time_point really = Clock::now() + std::min<Clock::duration>(kGrace, patience);
      while (HasNotEnded(call) && Clock::now() < really) changed_.WaitUntil(mutex_, really);
      if (!HasNotEnded(call)) continue;
      left_ = true;
      path_ = NormalPath(path_);
      hangs_->Add(path_);
      return path_;
    }
    return std::nullopt;
  }

 private:
  static absl::Status NoAnswer(const Hangs::Hang& hang) {
    return absl::DeadlineExceededError(fmt::format("/{}: the driver does not answer", hang.path));
  }

  bool HasNotEnded(size_t call) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !done_ && calls_ == call && !path_.empty();
  }

  template <typename Ask>
  auto Watched(std::string_view path, Ask ask) const -> decltype(ask()) {
    if (absl::Status may = Begin(path); !may.ok()) return may;
    auto answer = ask();
    End();
    return answer;
  }

  absl::Status Begin(std::string_view path) const {
    for (const Hangs::Hang& hang : known_) {
      if (hang.path == NormalPath(path)) return NoAnswer(hang);
    }
    MutexLock lock(mutex_);
    // Nobody waits for the rest.
    if (left_) return absl::CancelledError(fmt::format("/{}: given up", NormalPath(path)));
    path_ = path.empty() ? "/" : path;
    since_ = Clock::now();
    ++calls_;
    return absl::OkStatus();
  }

  void End() const {
    MutexLock lock(mutex_);
    if (left_) hangs_->End(path_);
    path_.clear();
  }

  const std::shared_ptr<const HostRoot> root_;
  const std::shared_ptr<Hangs> hangs_;
  const std::vector<Hangs::Hang> known_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  mutable std::string path_ ABSL_GUARDED_BY(mutex_);  // of the call under way; "": none
  mutable Clock::time_point since_ ABSL_GUARDED_BY(mutex_);
  mutable size_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

PatientReader::PatientReader(std::shared_ptr<const HostRoot> root, Patience patience)
    : root_(std::move(root)), patience_(patience), hangs_(std::make_shared<Hangs>(patience.rest)) {}

bool PatientReader::Try(std::function<void(const HostRoot&)> work) {
  auto watched = std::make_shared<WatchedRoot>(root_, hangs_);
  std::thread thread([watched, work = std::move(work)] {
    work(*watched);
    watched->SetDone();
  });
  const std::vector<Hangs::Hang> known = hangs_->Get();
  const bool others = std::any_of(known.begin(), known.end(), [](const auto& hang) { return !hang.ended; });
  std::optional<std::string> late = watched->WaitUntilDone(others ? patience_.next : patience_.one);
  if (!late) {
    thread.join();
    return true;
  }
  thread.detach();
  // To follow links asks no driver.
  const std::string device = DriverOf(*root_, *late).value_or("PCI");
  hangs_->SetDevice(*late, device);
  Log(LogLevel::kWarning, "a driver does not answer, its device is left alone until it does",
      {{"path", "/" + *late}, {"device", device}});
  return false;
}

}  // namespace cleave
