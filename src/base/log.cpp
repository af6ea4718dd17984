// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <fmt/core.h>
#include <spdlog/common.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace cleave {
namespace {

std::atomic<LogFormat> used_format = LogFormat::kText;

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger* MakeLogger(const char* pattern) {
  auto* made = new spdlog::logger("cleave", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  made->set_pattern(pattern);
  made->flush_on(spdlog::level::debug);
  return made;
}

// One for each format: spdlog does not allow to change a pattern while others log. Their sinks share a lock.
// Never destroyed: a gRPC thread may log while the process ends.
spdlog::logger& Logger(LogFormat format) {
  static auto* text = MakeLogger("%Y-%m-%dT%H:%M:%S.%e%z %-7l %v");
  static auto* json = MakeLogger(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})");
  return format == LogFormat::kJson ? *json : *text;
}

void AppendJsonString(std::string& out, std::string_view text) {
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool NeedsQuotes(std::string_view text) {
  return text.empty() || text.find_first_of(" \"=\\\n\t") != std::string_view::npos;
}

}  // namespace

void SetUpLog(LogFormat format, LogLevel level) {
  Logger(format).set_level(SpdlogLevel(level));
  used_format = format;
}

bool LogEnabled(LogLevel level) { return Logger(used_format).should_log(SpdlogLevel(level)); }

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  const LogFormat format = used_format;
  spdlog::logger& logger = Logger(format);
  if (!logger.should_log(SpdlogLevel(level))) return;
  std::string line;
  if (format == LogFormat::kJson) {
    line = "\"msg\":";
    AppendJsonString(line, message);
    for (const auto& [key, value] : fields) {
      line += ',';
      AppendJsonString(line, key);
      line += ':';
      AppendJsonString(line, value);
    }
  } else {
    line = message;
    for (const auto& [key, value] : fields) {
      line += fmt::format(" {}=", key);
      if (NeedsQuotes(value)) {
        AppendJsonString(line, value);
      } else {
        line += value;
      }
    }
  }
  logger.log(SpdlogLevel(level), line);
}

}  // namespace cleave
