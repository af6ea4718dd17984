// SPDX-License-Identifier: Apache-2.0
// Directories that are watched for files that come and go, over one inotify instance, see inotify(7).
#ifndef CLEAVE_SERVER_FILE_WATCHER_H_
#define CLEAVE_SERVER_FILE_WATCHER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/event_loop.h"

namespace cleave {

// A directory that does not exist is watched for through the nearest one above it that does, and followed
// when it is moved away or made anew. File systems without events (most of sysfs) are simply quiet.
//
// Ownership: registers with the loop, which must live longer. Threads: the loop's only.
class FileWatcher {
 public:
  struct Want {
    std::string directory;
    std::vector<std::string> prefixes;  // names of interest begin so; empty: all
    bool contents = false;              // also when a file there was written and closed
    bool operator==(const Want&) const = default;
  };
  struct Change {
    std::string directory;  // of the Want
    std::string name;       // "": the directory itself came or went, or events were lost: look at everything
    bool created = false;   // made, moved here or (see contents) written; else removed or moved away
  };
  using Changed = std::function<void(const Change&)>;

  // Does nothing but say so in the log when the kernel has no inotify instance left.
  explicit FileWatcher(EventLoop& loop);
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;
  ~FileWatcher();

  // Replaces what is watched under this name.
  void Watch(const std::string& group, std::vector<Want> wants, Changed changed);

  // Looks again where everything is. To be called now and then: when a directory further up is moved away no
  // event tells.
  void Refresh();

 private:
  struct Group {
    std::vector<Want> wants;
    // For each want the watch descriptor of its directory; kAbove while one above it is watched instead.
    std::vector<int> watched;
    Changed changed;
  };
  struct Target {
    std::string group;
    size_t want = 0;
    std::string next;  // the component that is waited for; "": the directory itself is watched
  };
  void Read();
  int Attach(const std::string& group, size_t want, std::map<int, std::vector<Target>>& targets);
  void Dispatch(const Target& target, const Change& change);

  EventLoop& loop_;
  int fd_;
  std::map<std::string, Group> groups_;
  std::map<int, std::vector<Target>> targets_;  // by watch descriptor
};

}  // namespace cleave

#endif  // CLEAVE_SERVER_FILE_WATCHER_H_
