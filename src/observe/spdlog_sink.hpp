// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/event.hpp>
#include <failover/base/log.hpp>
#include <failover/config/config.hpp>
#include <failover/fwd.hpp>

#include <functional>
#include <memory>

namespace failover {

/// Log lines through spdlog: the user's logger when there is one, else one of our own that writes
/// to stderr as `logging` says. Nothing is registered globally, so managers do not meet.
[[nodiscard]] std::shared_ptr<LogSink> make_log_sink(const LoggingConfig& config,
                                                     const SelfConfig& self,
                                                     std::shared_ptr<spdlog::logger> user_logger);

/// An event handler that writes one line an event, at the level its kind deserves.
[[nodiscard]] std::function<void(const Event&)> make_event_log(std::shared_ptr<LogSink> sink);

} // namespace failover
