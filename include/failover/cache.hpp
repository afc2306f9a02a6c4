// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/cache_options.hpp>
#include <failover/cache_reply.hpp>
#include <failover/cache_topology.hpp>
#include <failover/engine/must.hpp>
#include <failover/manager.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace failover {

namespace detail {

class Cache;

template <class T>
struct AwaitedOf {
    using type = void;
};
template <class T>
struct AwaitedOf<asio::awaitable<T>> {
    using type = T;
};
template <class F>
inline constexpr bool awaits = !std::is_void_v<typename AwaitedOf<std::invoke_result_t<F&>>::type>;

} // namespace detail

/// The Redis nodes of `cache.providers.redis`.
///
///     failover::FailoverCache cache{manager};
///     cache.set("user:42", json, std::chrono::minutes{5});
///     std::optional<std::string> user = cache.get("user:42");
///
/// get() asks the primary, and the secondary while that one is away; set() and del() go to both.
/// What a node did not confirm is deleted there before it serves reads again, so that no value
/// comes back that was deleted or overwritten. Every guarantee and its limits: docs/redis.md.
///
/// Each verb has four forms, as FailoverClient's: `get` blocks and throws Error, `try_get` returns
/// a Result, `async_get` returns an awaitable that throws, `async_try_get` one that returns a
/// Result. Errors: command_failed when the server refused the command itself; no_healthy_endpoints,
/// attempts_exhausted, deadline_exceeded, no_primary (replicated mode); invalid_request for a
/// command that cannot share a connection (SUBSCRIBE, MULTI, BLPOP); not_running after stop(). A
/// missing key is never an error.
///
/// Threads    Distinct objects: safe. Shared object: safe; the handle is cheap to copy.
/// Runs on    blocking forms: the calling thread, on a connection of their own. async forms: the
///            manager's executor, many commands on few connections; they resume on the awaiting
///            coroutine's executor.
/// Blocks     the constructor never waits for a server. Blocking forms until the deadline at most;
///            on one of the manager's own threads they fail at once with would_deadlock.
/// Lifetime   may outlive its manager; its calls then fail with not_running.
/// Cancel     terminal and total: the call ends, what was sent may still be executed.
class FailoverCache {
public:
    using Value = std::optional<std::string>;
    using Milliseconds = std::chrono::milliseconds;

    /// The cache of this manager's configuration; several handles of one manager share connections
    /// and journal. Throws ConfigError when the configuration has no usable cache part.
    explicit FailoverCache(FailoverManager& manager);

    /// The same cache with other options for the calls made through the handle returned.
    [[nodiscard]] FailoverCache with(CacheOptions options) const;

    /// The value of a key; none: there is no such key. command_failed for a key that holds no
    /// string.
    [[nodiscard]] Value get(std::string key) const;
    [[nodiscard]] Result<Value> try_get(std::string key) const;
    asio::awaitable<Value> async_get(std::string key) const;
    asio::awaitable<Result<Value>> async_try_get(std::string key) const;

    /// Stores a value. `ttl`: how long it is kept, at least 1 ms; zero: until it is deleted.
    void set(std::string key, std::string value, Milliseconds ttl = {}) const;
    [[nodiscard]] Result<void> try_set(std::string key, std::string value,
                                       Milliseconds ttl = {}) const;
    asio::awaitable<void> async_set(std::string key, std::string value,
                                    Milliseconds ttl = Milliseconds{}) const;
    asio::awaitable<Result<void>> async_try_set(std::string key, std::string value,
                                                Milliseconds ttl = Milliseconds{}) const;

    /// Deletes a key on every node, and ends what is loading it. True: the node that reads go to
    /// had it.
    bool del(std::string key) const;
    [[nodiscard]] Result<bool> try_del(std::string key) const;
    asio::awaitable<bool> async_del(std::string key) const;
    asio::awaitable<Result<bool>> async_try_del(std::string key) const;

    /// Any command: `{"HINCRBY", "user:42", "visits", "1"}`. What a repetition does not change
    /// (HSET, EXPIRE) goes to every node and is repeated; what it does (INCR, LPUSH, EVAL) is
    /// executed once, by the node that reads go to, and the key is deleted on the others. Redis's
    /// classes of commands as this library sees them: docs/redis.md.
    Reply command(std::vector<std::string> args) const;
    [[nodiscard]] Result<Reply> try_command(std::vector<std::string> args) const;
    asio::awaitable<Reply> async_command(std::vector<std::string> args) const;
    asio::awaitable<Result<Reply>> async_try_command(std::vector<std::string> args) const;

    /// The value of a key, or what `loader` returns, which is then stored for `ttl`. Of all callers
    /// of all processes that miss a key one loads it; the others of this process wait for it. What
    /// is deleted or set meanwhile is not overwritten. `loader`: returns std::string or Loaded; of
    /// the async forms, one of these or an awaitable of one. What it throws reaches the caller that
    /// ran it unchanged; one of those that waited then loads. While no node is usable, every caller
    /// gets what its loader returns, `load.max_concurrent` at a time.
    template <class F>
    std::string get_or_load(std::string key, Milliseconds ttl, F&& loader,
                            LoadOptions options = {}) const {
        return detail::must(try_get_or_load(std::move(key), ttl, std::forward<F>(loader), options));
    }
    template <class F>
    [[nodiscard]] Result<std::string> try_get_or_load(std::string key, Milliseconds ttl, F&& loader,
                                                      LoadOptions options = {}) const {
        return load(
            std::move(key), ttl, [&loader] { return Loaded{loader()}; }, options);
    }
    template <class F>
    asio::awaitable<std::string> async_get_or_load(std::string key, Milliseconds ttl, F loader,
                                                   LoadOptions options = LoadOptions()) const {
        return detail::must_async(
            async_try_get_or_load(std::move(key), ttl, std::move(loader), std::move(options)));
    }
    template <class F>
    asio::awaitable<Result<std::string>> async_try_get_or_load(
        std::string key, Milliseconds ttl, F loader, LoadOptions options = LoadOptions()) const {
        std::function<asio::awaitable<Loaded>()> run = [loader = std::move(loader)]() mutable {
            return load_async(loader);
        };
        return async_load(std::move(key), ttl, std::move(run), std::move(options));
    }

    /// Asks every node now; throws Error with the problems when none is usable afterwards.
    void health_check() const;
    [[nodiscard]] Result<void> try_health_check() const;
    asio::awaitable<void> async_health_check() const;
    asio::awaitable<Result<void>> async_try_health_check() const;

    /// Every node as it is known. Never waits.
    [[nodiscard]] CacheTopology topology() const;

    /// Takes a node out: no call goes to it any more, and what it misses is journaled. Throws Error
    /// with no_endpoints for an unknown id.
    void drain(std::string_view id) const;
    /// Lets it come back, by the way every node comes back.
    void undrain(std::string_view id) const;
    /// Reads go to that node from now on, when it is fit for them; it stays so until failback() or
    /// until it fails. Throws Error with no_endpoints for an unknown id, no_healthy_endpoints for
    /// one that is not fit.
    void fail_over(std::string_view id) const;
    /// Ends fail_over(), and lets nodes serve reads again that only wait for this
    /// (`rejoin.automatic: false`).
    void failback() const;

private:
    using Loader = std::function<Loaded()>;
    using AsyncLoader = std::function<asio::awaitable<Loaded>()>;

    FailoverCache(std::shared_ptr<detail::Cache> cache, CacheOptions options);

    Result<std::string> load(std::string key, Milliseconds ttl, const Loader& loader,
                             const LoadOptions& options) const;
    asio::awaitable<Result<std::string>> async_load(std::string key, Milliseconds ttl,
                                                    AsyncLoader loader, LoadOptions options) const;

    template <class F>
    static asio::awaitable<Loaded> load_async(F& loader) {
        if constexpr (detail::awaits<F>) {
            co_return Loaded{co_await loader()};
        } else {
            co_return Loaded{loader()};
        }
    }

    std::shared_ptr<detail::Cache> cache_;
    CacheOptions options_;
};

} // namespace failover
