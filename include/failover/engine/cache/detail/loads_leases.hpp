// SPDX-License-Identifier: MIT
#pragma once

// Bodies of loads.hpp: leases, by which one process loads for all.

#include <failover/engine/cache/resp.hpp>
#include <failover/role/fill_lease.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace failover::cache {

namespace detail {

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
        const OwnWrites::Seen own = calls_.own_writes().look(plan->hash);
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
        Reply held = parts.size() > 1 ? parts[1] : Reply{};
        calls_.doubt(*node, plan->key, plan->hash, own, held);
        if (held.is_nil()) {
            continue; // the key is to be deleted here
        }
        std::string value = std::move(held).text();
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
    OwnWrite own{calls_.own_writes(), plan->hash};
    const OwnWrites::Era era = calls_.era_of(*node, plan->hash);
    const Answer stored = co_await calls_.ask(*node, plan->hash, std::move(command), until);
    Mutation::report(*node, stored);
    const bool done = stored.good() && stored.reply.integer() == 1;
    // Where this one was refused the value is of no use to the others either.
    tell_others(*plan, others,
                done ? fill : resp({"EVAL", release_script, "1", plan->key, plan->token}));
    if (done) {
        own.acknowledged(OwnWrites::digest_of(tried.loaded->value), era, Clock::now());
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
    OwnWrite own{calls_.own_writes(), plan->hash};
    const OwnWrites::Era era = calls_.era_of(*node, plan->hash);
    const Answer stored = co_await calls_.ask(*node, plan->hash, std::move(command), until);
    const bool done = stored.good() && stored.reply.integer() == 1;
    if (done) {
        own.acknowledged(OwnWrites::digest_of(tried.loaded->value), era, Clock::now());
    }
    if (done && calls_.config().mode == CacheMode::dual) {
        // Their copies would outlive what was replaced here.
        for (const auto& other : calls_.nodes().all()) {
            if (other.get() != node) {
                other->missed().add(plan->key);
            }
        }
    }
    calls_.meter().load(done ? CacheMeter::Load::loaded : CacheMeter::Load::refused);
    co_return std::move(tried.loaded->value);
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

} // namespace failover::cache
