// SPDX-License-Identifier: MIT
#include "observe/spdlog_sink.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace failover::spdlog_sink_test {

using nlohmann::json;

SelfConfig self_named(const std::string& name) {
    SelfConfig self;
    self.name = name;
    return self;
}

/// What a console sink made from `config` prints for one event.
std::string printed(const LoggingConfig& config, const Event& event) {
    testing::internal::CaptureStderr();
    make_event_log(make_log_sink(config, self_named("orders"), nullptr))(event);
    return testing::internal::GetCapturedStderr();
}

/// A logger of the user's that keeps what is written, "level message" a line.
struct UserLogger {
    std::ostringstream out;
    std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>(
        "theirs", std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
    UserLogger() {
        logger->set_pattern("%l %v");
        logger->set_level(spdlog::level::trace);
    }
};

TEST(LogSink, a_json_line_is_one_valid_object_whatever_the_peer_said) {
    const std::string nasty{"quote\" back\\slash \n\r\t \x01 \xff\xc3( \xed\xa0\x80 \xe2\x82\xac"};
    const std::string line =
        printed({.level = "info", .format = "json"}, {.kind = EventKind::endpoint_unhealthy,
                                                      .service = "billing",
                                                      .endpoint = "b-1",
                                                      .address = "10.0.0.1:80",
                                                      .reason = nasty});
    ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    ASSERT_EQ(line.back(), '\n');
    const json object = json::parse(line);
    EXPECT_EQ(object["level"], "warn");
    EXPECT_EQ(object["logger"], "failover");
    EXPECT_EQ(object["process"], "orders");
    EXPECT_EQ(object["message"], "endpoint_unhealthy");
    EXPECT_EQ(object["service"], "billing");
    EXPECT_EQ(object["endpoint"], "b-1");
    EXPECT_EQ(object["address"], "10.0.0.1:80");
    const std::string reason = object["reason"];
    EXPECT_TRUE(reason.starts_with("quote\" back\\slash \n\r\t \x01 \xef\xbf\xbd")) << reason;
    EXPECT_TRUE(reason.ends_with("\xe2\x82\xac")) << reason;
    EXPECT_TRUE(std::string{object["time"]}.ends_with("Z")) << line;
}

TEST(LogSink, a_text_line_cannot_be_broken_by_a_peer) {
    const std::string line =
        printed({.level = "info", .format = "text"}, {.kind = EventKind::endpoint_unhealthy,
                                                      .service = "billing",
                                                      .endpoint = "b-1",
                                                      .reason = "reset\nlevel=critical \x1b[31m"});
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
    EXPECT_NE(line.find(" service=billing endpoint=b-1 "), std::string::npos) << line;
    EXPECT_NE(line.find("warning failover: endpoint_unhealthy"), std::string::npos) << line;
}

TEST(LogSink, writes_nothing_below_its_level) {
    const Event info{.kind = EventKind::endpoint_healthy, .service = "billing"};
    const Event warning{.kind = EventKind::breaker_opened, .service = "billing"};
    EXPECT_EQ(printed({.level = "warn"}, info), "");
    EXPECT_NE(printed({.level = "warn"}, warning), "");
    EXPECT_EQ(printed({.level = "error"}, warning), "");
    EXPECT_NE(printed({.level = "error"}, {.kind = EventKind::alert}), "");
    EXPECT_EQ(printed({.level = "off"}, {.kind = EventKind::alert}), "");
}

TEST(LogSink, two_sinks_in_one_process_do_not_meet) {
    testing::internal::CaptureStderr();
    const auto one = make_log_sink({.format = "json"}, self_named("one"), nullptr);
    const auto two = make_log_sink({.format = "json"}, self_named("two"), nullptr);
    one->write(LogLevel::info, "first", {});
    two->write(LogLevel::info, "second", {});
    std::istringstream lines{testing::internal::GetCapturedStderr()};
    std::string line;
    std::vector<std::string> processes;
    while (std::getline(lines, line)) {
        processes.push_back(json::parse(line)["process"]);
    }
    EXPECT_EQ(processes, (std::vector<std::string>{"one", "two"}));
}

TEST(LogSink, the_users_logger_gets_the_lines_and_its_level_decides) {
    UserLogger user;
    testing::internal::CaptureStderr();
    const auto sink = make_log_sink({.level = "off"}, self_named("orders"), user.logger);
    sink->write(LogLevel::debug, "small", {});
    user.logger->set_level(spdlog::level::warn);
    sink->write(LogLevel::info, "dropped", {});
    sink->write(LogLevel::critical, "large", {{"reason", "no {} format"}});
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(user.out.str(), "debug small\ncritical large reason=\"no {} format\"\n");
}

TEST(EventLog, each_kind_has_the_level_it_deserves) {
    UserLogger user;
    const auto log = make_event_log(make_log_sink({}, {}, user.logger));
    const auto level_of_kind = [&](EventKind kind) {
        user.out.str("");
        log(Event{.kind = kind});
        return user.out.str().substr(0, user.out.str().find(' '));
    };
    EXPECT_EQ(level_of_kind(EventKind::alert), "error");
    EXPECT_EQ(level_of_kind(EventKind::cache_misconfigured), "error");
    for (const EventKind bad :
         {EventKind::endpoint_unhealthy, EventKind::endpoint_ejected, EventKind::breaker_opened,
          EventKind::failed_over, EventKind::panic_started, EventKind::discovery_lost,
          EventKind::config_rejected, EventKind::endpoint_refused, EventKind::discovery_warning,
          EventKind::cache_node_changed, EventKind::cache_node_flushed,
          EventKind::cache_journal_overflowed, EventKind::cache_diverged,
          EventKind::cache_reads_moved}) {
        EXPECT_EQ(level_of_kind(bad), "warning") << to_string(bad);
    }
    for (const EventKind good :
         {EventKind::endpoint_added, EventKind::endpoint_removed, EventKind::endpoint_healthy,
          EventKind::breaker_closed, EventKind::endpoint_draining, EventKind::endpoint_undrained,
          EventKind::failed_back, EventKind::panic_ended, EventKind::discovery_recovered,
          EventKind::config_reloaded}) {
        EXPECT_EQ(level_of_kind(good), "info") << to_string(good);
    }
    EXPECT_EQ(level_of_kind(EventKind::breaker_half_open), "debug");
}

TEST(EventLog, says_how_long_a_state_lasted) {
    UserLogger user;
    const auto log = make_event_log(make_log_sink({}, {}, user.logger));
    log(Event{.kind = EventKind::endpoint_healthy,
              .service = "billing",
              .duration = std::chrono::milliseconds{2500}});
    EXPECT_NE(user.out.str().find("duration=2.5s"), std::string::npos) << user.out.str();
}

} // namespace failover::spdlog_sink_test
