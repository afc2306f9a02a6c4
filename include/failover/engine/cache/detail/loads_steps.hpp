// SPDX-License-Identifier: MIT
#pragma once

// Bodies of loads.hpp: one caller of this process loads for all who wait.

#include <failover/engine/cache/resp.hpp>
#include <failover/role/fill_lease.hpp>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

namespace failover::cache {

namespace detail {

/// How long those of other processes wait before they look again.
inline constexpr Duration look_again = std::chrono::milliseconds{20};

} // namespace detail

/// The one who loads a key; ends the flight on every path.
class Loads::Leader {
public:
    Leader(Loads& loads, std::string key, std::shared_ptr<Flight> flight)
        : loads_{loads}, key_{std::move(key)}, flight_{std::move(flight)} {}
    Leader(const Leader&) = delete;
    Leader& operator=(const Leader&) = delete;
    ~Leader() {
        {
            const std::lock_guard lock{loads_.mutex_};
            flight_->over = true;
            loads_.leave(key_, flight_);
        }
        flight_->ended.ring();
    }

private:
    Loads& loads_;
    const std::string key_;
    const std::shared_ptr<Flight> flight_;
};

inline void Loads::leave(const std::string& key, const std::shared_ptr<Flight>& flight) {
    const auto at = flights_.find(key);
    if (at != flights_.end() && at->second == flight) {
        flights_.erase(at);
        flying_.store(flights_.size(), std::memory_order_relaxed);
    }
}

/// The key was set or deleted here: what is being loaded is for those who wait already.
inline void Loads::touched(const std::string& key) {
    if (flying_.load(std::memory_order_relaxed) == 0) {
        return;
    }
    const std::lock_guard lock{mutex_};
    flights_.erase(key);
    flying_.store(flights_.size(), std::memory_order_relaxed);
}

inline bool Loads::flies(const std::string& key) {
    const std::lock_guard lock{mutex_};
    return flights_.contains(key);
}

inline asio::awaitable<Result<Reply>> Loads::read(const Plan* plan, std::string bytes,
                                                  bool copies) {
    Work work = read_work(plan->key, std::move(bytes));
    work.copies = copies;
    CacheOptions options;
    options.max_retries = static_cast<unsigned>(calls_.nodes().size());
    options.deadline = std::max<Duration>(plan->deadline - Clock::now(), Duration{1});
    return calls_.async_run(std::move(work), std::move(options));
}

/// Its own time is over; what is left is what it may be served for while it is loaded anew.
inline asio::awaitable<bool> Loads::is_old(const Plan* plan) {
    if (plan->stale_for == Duration::zero()) {
        co_return false;
    }
    std::string question = resp({"PTTL", plan->key});
    const Result<Reply> left = co_await read(plan, std::move(question), false);
    co_return left && left->integer() >= 0 &&
        std::chrono::milliseconds{left->integer()} < plan->stale_for;
}

inline asio::awaitable<Result<std::string>> Loads::run(std::string key,
                                                       std::chrono::milliseconds ttl, Loader loader,
                                                       LoadOptions options) {
    CallRegistry::Entry entry{calls_.registry()};
    if (!entry.open()) {
        co_return Calls::fail(Errc::not_running, "the manager was stopped");
    }
    const CacheConfig& config = calls_.config();
    Plan plan;
    plan.hash = hash_key(key);
    plan.key = std::move(key);
    plan.stale_for = options.stale_for.value_or(config.load.stale_for);
    plan.ttl = spread(ttl, options.ttl_jitter.value_or(config.load.ttl_jitter));
    plan.deadline = time_after(Clock::now(), options.deadline.value_or(config.timeout));
    plan.token = lease_token_text(new_seed());
    for (bool first = true;; first = false) {
        if (first) {
            // Most are there: no lease, no script.
            std::string question = resp({"GET", plan.key});
            Result<Reply> found = co_await read(&plan, std::move(question), true);
            if (!found && found.error() == Errc::command_failed) {
                co_return std::move(found).error(); // a key of another type
            }
            if (found && found->type() == Reply::Type::text) {
                const bool old = co_await is_old(&plan);
                if (!old || flies(plan.key)) {
                    calls_.meter().load(old ? CacheMeter::Load::stale : CacheMeter::Load::hit);
                    co_return std::move(*found).text();
                }
            }
        }
        std::shared_ptr<Flight> flight;
        bool leads = false;
        bool late = false;
        {
            const std::lock_guard lock{mutex_};
            std::shared_ptr<Flight>& place = flights_[plan.key];
            leads = place == nullptr;
            if (leads) {
                place = std::make_shared<Flight>();
            }
            flight = place;
            late = flight->closing;
            flying_.store(flights_.size(), std::memory_order_relaxed);
        }
        if (leads) {
            const Leader leader{*this, plan.key, flight};
            co_return co_await lead(&plan, flight.get(), std::move(loader), &entry.control());
        }
        const std::uint64_t seen = flight->ended.rings();
        bool over = false;
        {
            const std::lock_guard lock{mutex_};
            over = flight->over;
        }
        if (!over) {
            const Woken why =
                co_await flight->ended.async_wait(seen, plan.deadline, entry.control());
            if (why != Woken::notified) {
                co_return Calls::fail(
                    why == Woken::timed_out ? Errc::deadline_exceeded : Errc::cancelled,
                    "while another caller loads the key");
            }
        }
        std::optional<std::string> value;
        {
            const std::lock_guard lock{mutex_};
            value = flight->value;
        }
        if (value && !late) {
            calls_.meter().load(CacheMeter::Load::waited);
            co_return *std::move(value);
        }
    }
}

/// The one of this process: takes the lease, or waits for another process's.
inline asio::awaitable<Result<std::string>> Loads::lead(const Plan* plan, Flight* flight,
                                                        Loader loader, CallControl* control) {
    for (;;) {
        Look look = co_await look_at(plan);
        switch (look.kind) {
            case Look::Kind::value:
                calls_.meter().load(CacheMeter::Load::hit);
                co_return std::move(look.value);
            case Look::Kind::leased:
                co_return co_await load_and_fill(plan, flight, look.node, look.others,
                                                 std::move(loader));
            case Look::Kind::refreshing: {
                std::string old = std::move(look.value);
                co_return co_await refresh(plan, look.node, std::move(loader), std::move(old),
                                           look.expiry);
            }
            case Look::Kind::nobody:
                co_return co_await load_unaided(plan, std::move(loader), control);
            case Look::Kind::taken:
                break;
        }
        const TimePoint again = std::min(plan->deadline, Clock::now() + detail::look_again);
        const Woken why = co_await sleep_until(again, *control);
        if (why != Woken::timed_out) {
            co_return Calls::fail(Errc::cancelled, "while another process loads the key");
        }
        if (Clock::now() >= plan->deadline) {
            co_return Calls::fail(Errc::deadline_exceeded, "while another process loads the key");
        }
    }
}

/// No node is usable: everybody loads, so many at a time that the database bears it.
inline asio::awaitable<Result<std::string>> Loads::load_unaided(const Plan* plan, Loader loader,
                                                                CallControl* control) {
    struct Place {
        Loads& loads;
        bool taken = false;
        ~Place() {
            if (taken) {
                {
                    const std::lock_guard lock{loads.mutex_};
                    --loads.unaided_;
                }
                loads.unaided_ended_.ring();
            }
        }
    } place{*this};
    while (!place.taken) {
        const std::uint64_t seen = unaided_ended_.rings();
        {
            const std::lock_guard lock{mutex_};
            if (unaided_ < calls_.config().load.max_concurrent) {
                ++unaided_;
                place.taken = true;
            }
        }
        if (!place.taken) {
            const Woken why = co_await unaided_ended_.async_wait(seen, plan->deadline, *control);
            if (why != Woken::notified) {
                co_return Calls::fail(why == Woken::timed_out ? Errc::queue_full : Errc::cancelled,
                                      "no cache node is usable and load.max_concurrent loaders "
                                      "run already");
            }
        }
    }
    Loaded loaded = co_await loader();
    calls_.meter().load(CacheMeter::Load::loaded);
    co_return std::move(loaded.value);
}

inline std::chrono::milliseconds Loads::spread(std::chrono::milliseconds ttl, double jitter) {
    const std::lock_guard lock{mutex_};
    const double factor = 1 + jitter * (2 * rng_.uniform() - 1);
    const auto spread = static_cast<std::int64_t>(static_cast<double>(ttl.count()) * factor);
    return ttl.count() == 0 ? ttl : std::chrono::milliseconds{std::max<std::int64_t>(spread, 1)};
}

} // namespace failover::cache
