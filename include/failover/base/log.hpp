// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace failover {

enum class LogLevel { trace, debug, info, warn, error, critical };

/// One named value of a log line. The value may come from a peer: sinks escape it.
struct LogField {
    std::string_view key;
    std::string_view value;
};

/// Where log lines go. Lines are written at state changes only, never per request.
/// Threads    implementations are safe to call from several threads at once.
class LogSink {
public:
    LogSink() = default;
    LogSink(const LogSink&) = delete;
    LogSink& operator=(const LogSink&) = delete;
    virtual ~LogSink() = default;

    virtual void write(LogLevel level, std::string_view message,
                       std::initializer_list<LogField> fields) = 0;
};

} // namespace failover
