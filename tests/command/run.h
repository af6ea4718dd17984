// SPDX-License-Identifier: Apache-2.0
// Runs the real binary.
#ifndef CLEAVE_TESTS_COMMAND_RUN_H_
#define CLEAVE_TESTS_COMMAND_RUN_H_

#include <sys/wait.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

#include "tests/machine.h"

namespace cleave::testing {

struct Result {
  int code = -1;
  std::string out;
  std::string err;
};

inline Result Cleave(const std::string& arguments) {
  TempDir dir;
  std::string command = std::string(CLEAVE_BIN) + " " + arguments + " 2>" + (dir / "err") + " </dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  Result result;
  std::array<char, 4096> buffer{};
  while (size_t got = fread(buffer.data(), 1, buffer.size(), pipe)) result.out.append(buffer.data(), got);
  int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.err = ReadFileOrDie(dir / "err");
  return result;
}

inline std::string Machine(const std::string& name) {
  return " --root " + SourcePath("tests/machines/" + name + ".tar.zst");
}

}  // namespace cleave::testing

#endif  // CLEAVE_TESTS_COMMAND_RUN_H_
