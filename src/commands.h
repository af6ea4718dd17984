// SPDX-License-Identifier: Apache-2.0
// The commands that print and end. Each returns the exit code: 0 all well, 1 something is wrong with the
// configuration, the machine or the question (said on standard error). Usage errors (2) are main's.
#ifndef CLEAVE_COMMANDS_H_
#define CLEAVE_COMMANDS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "node_view.h"

namespace cleave {

struct PrintOptions {
  NodeOptions node;
  bool json = false;
};

struct TopologyOptions : PrintOptions {
  // At most one of these four.
  bool functions = false;
  bool matrix = false;
  bool svg = false;
  bool dot = false;
  std::vector<std::string> in_use;  // ids of cards or devices to be marked in the picture
  std::string kubelet_dir;          // whose pod-resources API says which ones pods hold; "": not asked
};

struct PreferOptions : PrintOptions {
  std::string resource;
  size_t size = 1;
  std::vector<std::string> available;  // empty: all healthy units
  std::vector<std::string> must_include;
  uint64_t budget = 0;  // search steps; 0: the default
};

struct CheckOptions : PrintOptions {
  std::string kubelet_dir;  // for the length of socket paths
};

int RunCheck(const CheckOptions& options);
int RunPlan(const PrintOptions& options);
int RunTopology(const TopologyOptions& options);
int RunPrefer(const PreferOptions& options);
int RunCapture(const NodeOptions& options, const std::string& file);

// The whole thing on a captured machine: starts `self serve` beside an embedded kubelet stand-in.
int RunDemo(const std::string& self);

}  // namespace cleave

#endif  // CLEAVE_COMMANDS_H_
