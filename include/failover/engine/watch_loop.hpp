// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/discovery/provider.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace failover {

/// Runs a provider's watch for one service until cancelled: an exception is reported to the sink and
/// the watch started again with growing, jittered pauses (0.5 s to 30 s, client-go's and Consul's
/// order of magnitude). A watch that returns has nothing more to say.
inline asio::awaitable<void> watch_loop(std::shared_ptr<DiscoveryProvider> provider,
                                        SnapshotSink sink, std::uint64_t seed) {
    using namespace std::chrono_literals;
    constexpr Duration shortest = 500ms;
    constexpr Duration longest = 30s;
    constexpr Duration quiet = 2min; // a watch that lasted this long starts over with short pauses
    Rng rng{seed};
    Duration pause = shortest;
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        const TimePoint begun = Clock::now();
        std::string reason;
        try {
            co_await provider->watch(sink);
        } catch (const std::exception& error) {
            reason = error.what();
        } catch (...) {
            reason = "an exception that is not a std::exception";
        }
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        if (reason.empty() || state.cancelled() != asio::cancellation_type::none) {
            co_return;
        }
        sink.lost(reason);
        if (Clock::now() - begun >= quiet) {
            pause = shortest;
        }
        timer.expires_after(Duration{static_cast<Duration::rep>(
            static_cast<double>(pause.count()) * (0.5 + rng.uniform() / 2))});
        co_await timer.async_wait(asio::use_awaitable);
        pause = std::min(pause * 2, longest);
    }
}

} // namespace failover
