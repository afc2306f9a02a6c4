// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <chrono>
#include <cstdint>

namespace failover::detail {

/// Calls, and failed ones, of the last half second to second.
class CallWindow {
public:
    void add(bool ok, TimePoint now) noexcept {
        const Duration age = now - current_.begin;
        if (age >= 2 * bucket) {
            before_ = Bucket{};
            current_ = Bucket{.begin = now};
        } else if (age >= bucket) {
            before_ = current_;
            current_ = Bucket{.begin = before_.begin + bucket};
        }
        ++current_.calls;
        current_.failures += ok ? 0 : 1;
    }
    void clear() noexcept { before_ = current_ = Bucket{}; }

    [[nodiscard]] std::uint64_t calls() const noexcept { return before_.calls + current_.calls; }
    [[nodiscard]] std::uint64_t failures() const noexcept {
        return before_.failures + current_.failures;
    }

private:
    static constexpr Duration bucket = std::chrono::milliseconds{500};
    struct Bucket {
        TimePoint begin{};
        std::uint64_t calls = 0;
        std::uint64_t failures = 0;
    };

    Bucket before_{};
    Bucket current_{};
};

} // namespace failover::detail
