// SPDX-License-Identifier: MIT
#include "spdlog_sink.hpp"

#include <failover/base/attempt_log.hpp>
#include <failover/base/json.hpp>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <string>
#include <utility>

namespace failover {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
        case LogLevel::trace:
            return spdlog::level::trace;
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warn:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
        case LogLevel::critical:
            return spdlog::level::critical;
    }
    return spdlog::level::info;
}

const char* name_of(LogLevel level) {
    switch (level) {
        case LogLevel::trace:
            return "trace";
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warn:
            return "warn";
        case LogLevel::error:
            return "error";
        case LogLevel::critical:
            return "critical";
    }
    return "info";
}

/// message key=value key="with space"; bytes from peers escaped.
std::string text_line(std::string_view message, std::initializer_list<LogField> fields) {
    std::string line{message};
    for (const LogField& field : fields) {
        const std::string value = escaped(field.value);
        const bool quote = value.empty() || value.find_first_of(" \"=") != std::string::npos;
        line.append(" ").append(field.key).append("=");
        line += quote ? json_quoted(value) : value;
    }
    return line;
}

class SpdlogSink final : public LogSink {
public:
    SpdlogSink(std::shared_ptr<spdlog::logger> logger, bool json, std::string service)
        : logger_{std::move(logger)}, json_{json}, service_{std::move(service)} {}

    void write(LogLevel level, std::string_view message,
               std::initializer_list<LogField> fields) override {
        const spdlog::level::level_enum at = to_spdlog(level);
        if (!logger_->should_log(at)) {
            return;
        }
        const std::string line =
            json_ ? json_line(level, message, fields) : text_line(message, fields);
        logger_->log(at, spdlog::string_view_t{line.data(), line.size()});
    }

private:
    std::string json_line(LogLevel level, std::string_view message,
                          std::initializer_list<LogField> fields) const {
        std::string line = "{\"time\":" + json_time(std::chrono::system_clock::now()) +
                           ",\"level\":" + json_quoted(name_of(level)) +
                           ",\"logger\":\"failover\",\"process\":" + json_quoted(service_) +
                           ",\"message\":" + json_quoted(message);
        for (const LogField& field : fields) {
            line += ',' + json_quoted(field.key) + ':' + json_quoted(field.value);
        }
        return line + '}';
    }

    std::shared_ptr<spdlog::logger> logger_;
    bool json_;
    std::string service_;
};

LogLevel level_of(EventKind kind) {
    switch (kind) {
        case EventKind::alert:
        case EventKind::split_brain_started:
        case EventKind::node_foreign:
        case EventKind::cache_misconfigured:
            return LogLevel::error;
        case EventKind::endpoint_refused:
        case EventKind::discovery_warning:
        case EventKind::endpoint_unhealthy:
        case EventKind::endpoint_ejected:
        case EventKind::breaker_opened:
        case EventKind::failed_over:
        case EventKind::panic_started:
        case EventKind::discovery_lost:
        case EventKind::primary_lost:
        case EventKind::primary_changed:
        case EventKind::node_fenced:
        case EventKind::commit_in_doubt:
        case EventKind::config_rejected:
        case EventKind::cache_node_changed:
        case EventKind::cache_node_flushed:
        case EventKind::cache_journal_overflowed:
        case EventKind::cache_diverged:
        case EventKind::cache_reads_moved:
            return LogLevel::warn;
        case EventKind::breaker_half_open:
            return LogLevel::debug;
        case EventKind::endpoint_added:
        case EventKind::endpoint_removed:
        case EventKind::endpoint_healthy:
        case EventKind::breaker_closed:
        case EventKind::endpoint_draining:
        case EventKind::endpoint_undrained:
        case EventKind::failed_back:
        case EventKind::panic_ended:
        case EventKind::discovery_recovered:
        case EventKind::split_brain_ended:
        case EventKind::writes_paused:
        case EventKind::writes_resumed:
        case EventKind::config_reloaded:
            return LogLevel::info;
    }
    return LogLevel::info;
}

} // namespace

std::shared_ptr<LogSink> make_log_sink(const LoggingConfig& config, const SelfConfig& self,
                                       std::shared_ptr<spdlog::logger> user_logger) {
    const bool json = config.format == "json";
    if (user_logger) {
        // The user's pattern decides how a line looks; fields stay readable in any.
        return std::make_shared<SpdlogSink>(std::move(user_logger), false, self.name);
    }
    auto console = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto logger = std::make_shared<spdlog::logger>("failover", std::move(console));
    logger->set_pattern(json ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %n: %v");
    logger->set_level(spdlog::level::from_str(config.level == "error" ? "err" : config.level));
    return std::make_shared<SpdlogSink>(std::move(logger), json, self.name);
}

std::function<void(const Event&)> make_event_log(std::shared_ptr<LogSink> sink) {
    return [sink = std::move(sink)](const Event& event) {
        const std::string lasted =
            event.duration > Duration::zero() ? format_short(event.duration) : std::string{};
        sink->write(level_of(event.kind), to_string(event.kind),
                    {{"service", event.service},
                     {"endpoint", event.endpoint},
                     {"address", event.address},
                     {"reason", event.reason},
                     {"duration", lasted}});
    };
}

} // namespace failover
