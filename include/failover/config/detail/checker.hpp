// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/duration.hpp>
#include <failover/config/issue.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace failover::detail {

/// Collects issues below one dotted path.
class Checker {
public:
    Checker(std::string path, std::vector<ConfigIssue>& issues)
        : path_{std::move(path)}, issues_{issues} {}

    [[nodiscard]] Checker below(const std::string& key) const {
        return Checker{path_ + '.' + key, issues_};
    }
    /// Elsewhere, into the same list.
    [[nodiscard]] Checker other(const std::string& path) const { return Checker{path, issues_}; }

    void require(bool good, const std::string& key, std::string message) const {
        if (!good) {
            issues_.push_back(ConfigIssue{.key = key.empty() ? path_ : path_ + '.' + key,
                                          .message = std::move(message)});
        }
    }

    void range(Duration value, const std::string& key, Duration least, Duration most) const {
        require(value >= least && value <= most, key,
                "found " + format_duration(value) + ", allowed " + format_duration(least) + " to " +
                    format_duration(most));
    }

    void range(std::uint64_t value, const std::string& key, std::uint64_t least,
               std::uint64_t most) const {
        require(value >= least && value <= most, key,
                "found " + std::to_string(value) + ", allowed " + std::to_string(least) + " to " +
                    std::to_string(most));
    }

    void ratio(double value, const std::string& key, double most = 1.0) const {
        require(value >= 0 && value <= most, key,
                "found " + std::to_string(value) + ", allowed 0 to " + std::to_string(most));
    }

private:
    std::string path_;
    std::vector<ConfigIssue>& issues_;
};

inline constexpr Duration least_time = std::chrono::milliseconds{1};
inline constexpr Duration ten_minutes = std::chrono::minutes{10};
inline constexpr Duration one_day = std::chrono::hours{24};
inline constexpr Duration for_ever = std::chrono::hours{24 * 365};

} // namespace failover::detail
