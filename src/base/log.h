// SPDX-License-Identifier: Apache-2.0
// Structured logs on standard error: a message and key=value pairs, as text or as one JSON object a line.
#ifndef CLEAVE_BASE_LOG_H_
#define CLEAVE_BASE_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace cleave {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

using LogField = std::pair<std::string_view, std::string>;

// Takes effect for every later line. Threads: any, also while others log; a line is of one format as a whole.
void SetUpLog(LogFormat format, LogLevel level);

// True when a line of this level would be written; asked before a costly line is put together.
bool LogEnabled(LogLevel level);

// Threads: any. A line is written whole.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace cleave

#endif  // CLEAVE_BASE_LOG_H_
