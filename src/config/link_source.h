// SPDX-License-Identifier: Apache-2.0
#ifndef CLEAVE_CONFIG_LINK_SOURCE_H_
#define CLEAVE_CONFIG_LINK_SOURCE_H_

#include <string>
#include <vector>

#include "config/diagnostics.h"

namespace cleave {

// One link, or one file of them: [[links]].
struct LinkSource {
  struct Pair {
    std::string from;  // a card: its id, address or serial
    std::string to;
    double width = 1;
    SourcePos pos = {};
    SourcePos from_pos = {};
    SourcePos to_pos = {};
  };
  std::string source;              // a name in topology/link_sources.cpp's table
  std::string path;                // ParseConfig() has put the file's directory before a relative one
  std::string kind = "link";       // with source = "toml"
  std::vector<Pair> pairs;         // with source = "toml": between
  std::vector<std::string> nodes;  // shell patterns for names of nodes; empty: every node
  bool of_profile = false;         // brought by a profile in use: not a word where there is nothing to read
  bool broken = false;             // 'between' makes no sense, which was said
  SourcePos pos;
};

}  // namespace cleave

#endif  // CLEAVE_CONFIG_LINK_SOURCE_H_
