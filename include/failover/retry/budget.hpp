// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace failover {
namespace detail {

/// Events per second over the last ten seconds, the current one included. One word a second holds
/// the second's number and its count, so that a slot is recycled and counted in one exchange.
/// Threads    Shared object: safe, lock-free.
class SecondsWindow {
public:
    static constexpr std::uint32_t seconds = 10;

    [[nodiscard]] static std::uint32_t second_of(TimePoint now) noexcept {
        const auto since = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
        return static_cast<std::uint32_t>(since.count());
    }

    /// Counts one event if `allow()` holds. Decision and counting are one step: an event counted
    /// meanwhile in that second makes it decide again.
    template <class Allow>
    bool add_if(std::uint32_t second, Allow allow) noexcept {
        std::atomic<std::uint64_t>& slot = slots_[second % slots_.size()];
        std::uint64_t seen = slot.load(std::memory_order_relaxed);
        for (;;) {
            // A caller so late that its second was recycled is not counted.
            if (number(seen) > second || !allow()) {
                return false;
            }
            const std::uint64_t next =
                number(seen) == second ? seen + 1 : (std::uint64_t{second} << 32U) + 1;
            if (slot.compare_exchange_weak(seen, next, std::memory_order_relaxed)) {
                return true;
            }
        }
    }

    /// Takes back one event of `second`, unless that second has left the window.
    void remove(std::uint32_t second) noexcept {
        std::atomic<std::uint64_t>& slot = slots_[second % slots_.size()];
        std::uint64_t seen = slot.load(std::memory_order_relaxed);
        while (number(seen) == second && count(seen) > 0 &&
               !slot.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed)) {
        }
    }

    [[nodiscard]] std::uint64_t sum(std::uint32_t second) const noexcept {
        std::uint64_t total = 0;
        for (const std::atomic<std::uint64_t>& slot : slots_) {
            const std::uint64_t seen = slot.load(std::memory_order_relaxed);
            // Unsigned on purpose: a slot from the future is not within the last ten seconds.
            if (second - number(seen) < seconds) {
                total += count(seen);
            }
        }
        return total;
    }

private:
    static constexpr std::uint32_t number(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word >> 32U);
    }
    static constexpr std::uint32_t count(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word);
    }

    // More slots than the window is long: a thread a few seconds late still finds its own.
    std::array<std::atomic<std::uint64_t>, 16> slots_{};
};

} // namespace detail

/// Proof of one withdrawal, for refund().
struct BudgetToken {
    /// The second it was taken in, as RetryBudget counts them.
    std::uint32_t second = 0;
};

/// How many extra attempts (retries and hedges) one upstream may be sent: `ratio` of the calls
/// started in the last 10 s, plus `min_per_second` for each of these seconds (as Finagle's
/// RetryBudget). The base is the calls *started*, so it does not shrink while calls turn into
/// retries. A token is taken when a retry is decided and held through its pause, so that pauses
/// which end together cannot exceed it. Ratio and floor both zero: no retry at all.
/// Threads    Shared object: safe, lock-free.
class RetryBudget {
public:
    explicit RetryBudget(const RetryBudgetOptions& options = {}) noexcept
        : ratio_{options.ratio}, floor_{options.min_per_second * detail::SecondsWindow::seconds} {}

    /// A call was started; its retries and hedges are not calls. Pays `ratio` of a token.
    void on_call_started(TimePoint now) noexcept {
        calls_.add_if(detail::SecondsWindow::second_of(now), [] { return true; });
    }

    /// Takes one token; none when the budget is used up.
    [[nodiscard]] std::optional<BudgetToken> withdraw(TimePoint now) noexcept {
        const std::uint32_t second = detail::SecondsWindow::second_of(now);
        const bool taken = extra_.add_if(second, [&] {
            return static_cast<double>(extra_.sum(second) + 1) <= allowance(second);
        });
        return taken ? std::optional{BudgetToken{second}} : std::nullopt;
    }

    /// Gives a token back: the attempt it was taken for never left this process.
    void refund(BudgetToken token) noexcept { extra_.remove(token.second); }

    /// Tokens taken and not given back in the window that ends at `now`.
    [[nodiscard]] std::uint64_t used(TimePoint now) const noexcept {
        return extra_.sum(detail::SecondsWindow::second_of(now));
    }

    /// Tokens that could be taken at `now`; 0 when used up.
    [[nodiscard]] double available(TimePoint now) const noexcept {
        const std::uint32_t second = detail::SecondsWindow::second_of(now);
        const double left = allowance(second) - static_cast<double>(extra_.sum(second));
        return left > 0 ? left : 0;
    }

private:
    [[nodiscard]] double allowance(std::uint32_t second) const noexcept {
        // 0.1 * 30 is 3.0000000000000004 and other products fall short: round up a hair.
        constexpr double hair = 1e-9;
        return ratio_ * static_cast<double>(calls_.sum(second)) + floor_ + hair;
    }

    double ratio_;
    double floor_;
    // Apart, because every call writes the first and only failing ones the second.
    alignas(64) detail::SecondsWindow calls_;
    alignas(64) detail::SecondsWindow extra_;
};

} // namespace failover
