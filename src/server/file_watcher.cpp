// SPDX-License-Identifier: Apache-2.0
#include "server/file_watcher.h"

#include <sys/inotify.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/log.h"
#include "server/event_loop.h"

namespace cleave {
namespace {

constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                             IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD;
// Instead of a watch descriptor.
constexpr int kAbove = -1;
constexpr int kUnknown = -2;  // not looked yet: what is there then is no news

constexpr uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;

bool Interesting(const std::vector<std::string>& prefixes, const std::string& name) {
  return prefixes.empty() || std::any_of(prefixes.begin(), prefixes.end(),
                                         [&](const std::string& prefix) { return name.starts_with(prefix); });
}

}  // namespace

FileWatcher::FileWatcher(EventLoop& loop) : loop_(loop), fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (fd_ < 0) {
    Log(LogLevel::kWarning, "cannot watch files, changes are found by looking again only",
        {{"reason", std::generic_category().message(errno)}});
    return;
  }
  loop_.Watch(fd_, [this] { Read(); });
}

FileWatcher::~FileWatcher() {
  if (fd_ < 0) return;
  loop_.Unwatch(fd_);
  close(fd_);
}

void FileWatcher::Watch(const std::string& group, std::vector<Want> wants, Changed changed) {
  Group& entry = groups_[group];
  if (entry.wants != wants) entry.watched.assign(wants.size(), kUnknown);
  entry.wants = std::move(wants);
  entry.changed = std::move(changed);
  Refresh();
}

// Watches the directory, or the nearest above it. Returns the watch descriptor, or kAbove.
int FileWatcher::Attach(const std::string& group, size_t want, std::map<int, std::vector<Target>>& targets) {
  const std::filesystem::path directory = groups_[group].wants[want].directory;
  // Only where it was asked for: below /dev every close of /dev/null would count.
  const uint32_t contents = groups_[group].wants[want].contents ? IN_CLOSE_WRITE : 0;
  std::filesystem::path at = directory;
  std::string next;
  bool again = true;
  while (true) {
    int wd = inotify_add_watch(fd_, at.c_str(), kEvents | (next.empty() ? contents : 0));
    if (wd >= 0 && !next.empty() && again) {
      // It may have been made before the watch above it was there.
      again = false;
      std::error_code ignored;
      if (std::filesystem::is_directory(at / next, ignored)) {
        at = directory;
        next.clear();
        continue;
      }
    }
    if (wd >= 0) {
      targets[wd].push_back({group, want, next});
      return next.empty() ? wd : kAbove;
    }
    if (!at.has_relative_path()) return kAbove;
    next = at.filename();
    at = at.parent_path();
    if (at.empty()) at = ".";
  }
}

void FileWatcher::Refresh() {
  if (fd_ < 0) return;
  std::map<int, std::vector<Target>> targets;
  std::vector<Target> news;
  for (auto& [name, group] : groups_) {
    for (size_t i = 0; i < group.wants.size(); ++i) {
      // Another descriptor is another directory, even if the old one's end was not noticed.
      int wd = Attach(name, i, targets);
      if (group.watched[i] != kUnknown && wd != group.watched[i]) news.push_back({name, i, ""});
      group.watched[i] = wd;
    }
  }
  for (const auto& [wd, old] : targets_) {
    if (!targets.contains(wd)) (void)inotify_rm_watch(fd_, wd);
  }
  targets_ = std::move(targets);
  for (const Target& target : news) Dispatch(target, {});
}

void FileWatcher::Dispatch(const Target& target, const Change& change) {
  auto found = groups_.find(target.group);
  if (found == groups_.end() || target.want >= found->second.wants.size()) return;
  Change told = change;
  told.directory = found->second.wants[target.want].directory;
  Changed changed = found->second.changed;  // a copy: it may call Watch()
  changed(told);
}

void FileWatcher::Read() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  bool refresh = false;
  std::vector<std::pair<Target, Change>> changes;
  while (true) {
    ssize_t length = read(fd_, buffer.data(), buffer.size());
    if (length <= 0) break;
    for (const char* at = buffer.data(); at < buffer.data() + length;) {
      inotify_event event;
      memcpy(&event, at, sizeof event);
      std::string name = event.len > 0 ? std::string(at + sizeof event) : "";
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        refresh = true;
        for (const auto& [wd, targets] : targets_) {
          for (const Target& target : targets) changes.push_back({target, {}});
        }
        continue;
      }
      auto found = targets_.find(event.wd);
      if (found == targets_.end()) continue;
      for (const Target& target : found->second) {
        const Want& want = groups_[target.group].wants[target.want];
        if ((event.mask & kSelf) != 0) {
          refresh = true;
        } else if (!target.next.empty()) {
          refresh = refresh || name == target.next;
        } else if (Interesting(want.prefixes, name) &&
                   (want.contents || (event.mask & IN_CLOSE_WRITE) == 0)) {
          bool created = (event.mask & (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE)) != 0;
          changes.push_back({target, {"", name, created}});
        }
      }
    }
  }
  for (const auto& [target, change] : changes) Dispatch(target, change);
  if (refresh) Refresh();
}

}  // namespace cleave
