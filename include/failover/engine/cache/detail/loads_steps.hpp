// SPDX-License-Identifier: MIT
#pragma once

// Bodies of loads.hpp.

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

inline std::string milliseconds_text(Duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

/// Runs a loader and keeps what it throws.
struct Tried {
    std::optional<Loaded> loaded{};
    std::exception_ptr thrown{};
};
inline asio::awaitable<Tried> try_loader(Loads::Loader loader) {
    Tried tried;
    try {
        tried.loaded = co_await loader();
    } catch (...) {
        tried.thrown = std::current_exception();
    }
    co_return tried;
}

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

inline asio::awaitable<Loads::Look> Loads::look_at(const Plan* plan) {
    const CacheConfig& config = calls_.config();
    const std::string lease = detail::milliseconds_text(config.load.lease);
    std::uint64_t excluded = 0;
    for (std::size_t i = 0; i < calls_.nodes().size(); ++i) {
        Node* const node =
            calls_.nodes().reader(plan->key, plan->hash, excluded, CacheReads::primary);
        if (node == nullptr) {
            break;
        }
        excluded |= std::uint64_t{1} << node->index();
        std::string command = resp({"EVAL", acquire_script, "1", plan->key, plan->token, lease});
        const TimePoint until = Clock::now() + config.operation_timeout;
        Answer answer = co_await calls_.ask(*node, plan->hash, std::move(command), until);
        if (!answer.good() || answer.reply.elements().empty()) {
            Mutation::report(*node, answer);
            continue;
        }
        const std::vector<Reply>& parts = answer.reply.elements();
        if (parts[0].integer() == 2) {
            Look leased{Look::Kind::leased, {}, node};
            if (config.mode == CacheMode::dual) {
                leased.others = co_await lease_others(plan, node, lease);
            }
            co_return leased;
        }
        if (parts[0].integer() == 0) {
            co_return Look{Look::Kind::taken, {}, node};
        }
        std::string value = parts.size() > 1 ? parts[1].text() : std::string{};
        const std::int64_t left = parts.size() > 2 ? parts[2].integer() : -1;
        const bool old = plan->stale_for > Duration::zero() && left >= 0 &&
                         std::chrono::milliseconds{left} < plan->stale_for;
        if (old) {
            command = resp({"EVAL", refresh_script, "2", plan->key, refresh_key(plan->key),
                            plan->token, lease});
            const Answer ours = co_await calls_.ask(*node, plan->hash, std::move(command), until);
            if (ours.good() && ours.reply.integer() > 0) {
                co_return Look{Look::Kind::refreshing, std::move(value), node, 0,
                               ours.reply.integer()};
            }
            calls_.meter().load(CacheMeter::Load::stale);
        }
        co_return Look{Look::Kind::value, std::move(value), node};
    }
    co_return Look{};
}

/// Leases at the other nodes, before anything is loaded: what deletes the key there after that ends
/// them, and what deleted it before has changed the database before it is read. The nodes where one
/// was taken.
inline asio::awaitable<std::uint64_t> Loads::lease_others(const Plan* plan, const Node* lead,
                                                          std::string lease) {
    std::uint64_t leased = 0;
    for (const auto& other : calls_.nodes().all()) {
        if (other.get() == lead || !other->fit()) {
            continue;
        }
        std::string command = resp({"EVAL", acquire_script, "1", plan->key, plan->token, lease});
        const TimePoint until = Clock::now() + calls_.config().operation_timeout;
        const Answer answer = co_await calls_.ask(*other, plan->hash, std::move(command), until);
        if (answer.good() && !answer.reply.elements().empty() &&
            answer.reply.elements()[0].integer() == 2) {
            leased |= std::uint64_t{1} << other->index();
        }
    }
    co_return leased;
}

inline asio::awaitable<Result<std::string>> Loads::load_and_fill(const Plan* plan, Flight* flight,
                                                                 Node* node, std::uint64_t others,
                                                                 Loader loader) {
    detail::Tried tried = co_await detail::try_loader(std::move(loader));
    if (tried.thrown) {
        const std::string release = resp({"EVAL", release_script, "1", plan->key, plan->token});
        calls_.tell(*node, plan->hash, release);
        tell_others(*plan, others, release);
        std::rethrow_exception(tried.thrown);
    }
    {
        const std::lock_guard lock{mutex_};
        flight->closing = true;
    }
    if (calls_.gutters(*node)) {
        calls_.note_guttered();
    }
    const std::string fill =
        resp({"EVAL", fill_script, "1", plan->key, plan->token, version_text(tried.loaded->version),
              tried.loaded->value, life_text(*plan, *node)});
    std::string command = fill;
    const TimePoint until = Clock::now() + calls_.config().operation_timeout;
    const Answer stored = co_await calls_.ask(*node, plan->hash, std::move(command), until);
    Mutation::report(*node, stored);
    const bool done = stored.good() && stored.reply.integer() == 1;
    // Where this one was refused the value is of no use to the others either.
    tell_others(*plan, others,
                done ? fill : resp({"EVAL", release_script, "1", plan->key, plan->token}));
    if (done) {
        const std::lock_guard lock{mutex_};
        flight->value = tried.loaded->value;
        calls_.meter().load(CacheMeter::Load::loaded);
    } else {
        calls_.meter().load(CacheMeter::Load::refused);
    }
    co_return std::move(tried.loaded->value);
}

/// Loads anew what is still served to the others meanwhile; they get the old value.
inline asio::awaitable<Result<std::string>> Loads::refresh(const Plan* plan, Node* node,
                                                           Loader loader, std::string old,
                                                           std::int64_t expiry) {
    detail::Tried tried = co_await detail::try_loader(std::move(loader));
    if (tried.thrown) {
        std::rethrow_exception(tried.thrown);
    }
    if (calls_.gutters(*node)) {
        calls_.note_guttered();
    }
    const std::string fill =
        resp({"EVAL", refresh_fill_script, "2", plan->key, refresh_key(plan->key), plan->token,
              tried.loaded->value, life_text(*plan, *node), old, std::to_string(expiry)});
    std::string command = fill;
    const TimePoint until = Clock::now() + calls_.config().operation_timeout;
    const Answer stored = co_await calls_.ask(*node, plan->hash, std::move(command), until);
    const bool done = stored.good() && stored.reply.integer() == 1;
    if (done && calls_.config().mode == CacheMode::dual) {
        // Their copies would outlive what was replaced here.
        for (const auto& other : calls_.nodes().all()) {
            if (other.get() != node) {
                other->miss(plan->key);
            }
        }
    }
    calls_.meter().load(done ? CacheMeter::Load::loaded : CacheMeter::Load::refused);
    co_return std::move(tried.loaded->value);
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

inline void Loads::tell_others(const Plan& plan, std::uint64_t others, const std::string& bytes) {
    for (const auto& other : calls_.nodes().all()) {
        if ((others >> other->index() & 1U) != 0) {
            calls_.tell(*other, plan.hash, bytes);
        }
    }
}

/// What stands in for the primary lives for a short time only.
inline std::string Loads::life_text(const Plan& plan, const Node& node) const {
    if (calls_.gutters(node)) {
        const Duration most = calls_.config().gutter_ttl;
        return detail::milliseconds_text(
            plan.ttl.count() == 0 ? most : std::min<Duration>(plan.ttl + plan.stale_for, most));
    }
    return plan.ttl.count() == 0 ? "0" : detail::milliseconds_text(plan.ttl + plan.stale_for);
}

inline std::chrono::milliseconds Loads::spread(std::chrono::milliseconds ttl, double jitter) {
    const std::lock_guard lock{mutex_};
    const double factor = 1 + jitter * (2 * rng_.uniform() - 1);
    const auto spread = static_cast<std::int64_t>(static_cast<double>(ttl.count()) * factor);
    return ttl.count() == 0 ? ttl : std::chrono::milliseconds{std::max<std::int64_t>(spread, 1)};
}

} // namespace failover::cache
