// SPDX-License-Identifier: MIT
#pragma once

#include "load.hpp"
#include <failover/failover.hpp>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <unistd.h>

namespace demo {

/// Narrates: lines that stay, and on a terminal one line below them that is drawn again and again.
/// Threads    safe.
class Screen {
public:
    /// A line that stays, with the time since the start in front.
    void say(const std::string& text) {
        const std::lock_guard lock{mutex_};
        erase_status();
        std::printf("%6.2fs  %s\n", seconds(), text.c_str());
        std::fflush(stdout);
    }

    /// The progress line. Not on a terminal: one a second.
    void progress(const failover::FailoverManager& manager, const Tally& tally) {
        const failover::TimePoint now = failover::Clock::now();
        if (now < next_progress_) {
            return;
        }
        next_progress_ =
            now + (terminal_ ? std::chrono::milliseconds{100} : std::chrono::seconds{1});
        const std::string line = describe(manager, tally);
        const std::lock_guard lock{mutex_};
        erase_status();
        std::printf("%6.2fs  %s%s", seconds(), line.c_str(), terminal_ ? "" : "\n");
        status_shown_ = terminal_;
        std::fflush(stdout);
    }

private:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>{failover::Clock::now() - start_}.count();
    }

    void erase_status() {
        if (status_shown_) {
            std::printf("\r\x1b[K");
            status_shown_ = false;
        }
    }

    /// "  12034 requests, 0 failed | > a healthy 0.4 ms |   b unhealthy 0.5 ms"
    static std::string describe(const failover::FailoverManager& manager, const Tally& tally) {
        std::string line = std::to_string(tally.requests) + " requests, " +
                           std::to_string(tally.failures) + " failed";
        const std::string current = tally.last_endpoint();
        for (const failover::Endpoint& endpoint : manager.endpoints()) {
            char text[64];
            std::snprintf(text, sizeof text, " | %s%s %s %.1f ms",
                          endpoint.id == current ? ">" : " ", endpoint.id.c_str(),
                          failover::to_string(endpoint.status), tally.average(endpoint.id).count());
            line += text;
        }
        return line;
    }

    const failover::TimePoint start_ = failover::Clock::now();
    const bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
    std::mutex mutex_;
    failover::TimePoint next_progress_{}; // only the thread that calls progress()
    bool status_shown_ = false;
};

} // namespace demo
