// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/time.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace failover {

/// Numbers of one endpoint. Its series disappear when the last reference does.
/// Threads    safe to call from several threads at once; no member blocks or allocates.
class EndpointMeter {
public:
    EndpointMeter() = default;
    EndpointMeter(const EndpointMeter&) = delete;
    EndpointMeter& operator=(const EndpointMeter&) = delete;
    virtual ~EndpointMeter() = default;

    /// A call ended with an answer from this endpoint. `took`: the whole call.
    virtual void call_succeeded(Duration took) noexcept = 0;
    /// A call failed and this endpoint was the last one tried.
    virtual void call_failed(Duration took) noexcept = 0;
    /// One attempt ended.
    virtual void attempt(OutcomeClass outcome, Duration took) noexcept = 0;
    /// One active check ended.
    virtual void check(bool passed, Duration took) noexcept = 0;
    virtual void became_unhealthy() noexcept = 0;
    virtual void became_healthy() noexcept = 0;
    virtual void ejected() noexcept = 0;
    virtual void breaker_opened() noexcept = 0;
    /// 1 while calls may be sent to it, else 0.
    virtual void set_usable(bool usable) noexcept = 0;
};

/// Numbers of one service. Threads as EndpointMeter.
class ServiceMeter {
public:
    ServiceMeter() = default;
    ServiceMeter(const ServiceMeter&) = delete;
    ServiceMeter& operator=(const ServiceMeter&) = delete;
    virtual ~ServiceMeter() = default;

    /// The meter of one endpoint; the same object while someone holds it. May allocate and lock.
    [[nodiscard]] virtual std::shared_ptr<EndpointMeter> endpoint(const std::string& id,
                                                                  const std::string& address) = 0;
    /// A call failed before any endpoint was tried.
    virtual void call_failed_untried(Duration took) noexcept = 0;
    virtual void retry() noexcept = 0;
    virtual void retry_denied() noexcept = 0;
    virtual void hedge() noexcept = 0;
    virtual void fallback() noexcept = 0;
    virtual void failover() noexcept = 0;
    virtual void set_endpoints(std::size_t known, std::size_t usable) noexcept = 0;
    virtual void set_panic(bool active) noexcept = 0;
    /// 0: discovery answers. Else seconds since it last did.
    virtual void set_discovery_age(Duration age) noexcept = 0;
    /// Hands on what was only counted so far. Called about once a second.
    virtual void flush() noexcept = 0;
    /// Removes some of what belonged to endpoints that are gone, for a few milliseconds. Returns
    /// after how long it would go on; Duration::max(): nothing is left. Called about once a second,
    /// and after that time.
    virtual Duration sweep() noexcept = 0;
};

/// What one database node looks like at a moment.
struct NodeGauges {
    /// "primary", "standby" and so on.
    std::string role{};
    bool reachable = false;
    /// Standby: seconds its data may be old; below zero: unknown.
    double staleness = -1;
    /// Connections.
    std::size_t in_use = 0;
    std::size_t idle = 0;
    /// Calls that wait for one.
    std::size_t pending = 0;
};

/// Numbers of the database. Threads as EndpointMeter; node() may lock.
class DatabaseMeter {
public:
    /// What a call came to.
    enum class End { ok, failed };
    /// How a commit in doubt was resolved.
    enum class Doubt { committed, not_committed, undecided };

    DatabaseMeter() = default;
    DatabaseMeter(const DatabaseMeter&) = delete;
    DatabaseMeter& operator=(const DatabaseMeter&) = delete;
    virtual ~DatabaseMeter() = default;

    /// A query() ended.
    virtual void query(End end, Duration took) noexcept = 0;
    /// An exec() or a transaction() ended.
    virtual void execution(End end, Duration took) noexcept = 0;
    /// An attempt was followed by another one.
    virtual void retry() noexcept = 0;
    virtual void hedge() noexcept = 0;
    virtual void in_doubt(Doubt doubt) noexcept = 0;
    /// The primary moved.
    virtual void failover() noexcept = 0;
    /// Writes that wait for a primary.
    virtual void set_waiting_writes(std::size_t waiting) noexcept = 0;
    virtual void node(const std::string& id, const NodeGauges& gauges) = 0;
    /// One log-in of the health check ended.
    virtual void check(const std::string& id, bool passed, Duration took) = 0;
};

/// What one cache node looks like at a moment.
struct CacheNodeGauges {
    /// "up", "down" and so on.
    std::string state{};
    /// It serves reads, or could.
    bool up = false;
    /// Keys that are to be deleted there before it serves reads again.
    std::size_t journal_depth = 0;
    /// Seconds since the oldest of them has been waiting; 0: there is none.
    double journal_age = 0;
    /// Open pipelined connections.
    std::size_t connections = 0;
    /// Commands under way.
    std::size_t pending = 0;
};

/// Numbers of the cache. Threads as EndpointMeter; node() and check() may lock and allocate.
class CacheMeter {
public:
    enum class Verb { get, set, del, command, load };
    /// What a call came to. A missing key is ok.
    enum class End { ok, failed };
    /// How get_or_load() came by its value.
    enum class Load {
        /// It was there.
        hit,
        /// It was there, older than its ttl.
        stale,
        /// This caller loaded it.
        loaded,
        /// Another caller loaded it.
        waited,
        /// It was loaded and not stored: the key was written meanwhile.
        refused,
    };

    CacheMeter() = default;
    CacheMeter(const CacheMeter&) = delete;
    CacheMeter& operator=(const CacheMeter&) = delete;
    virtual ~CacheMeter() = default;

    /// A call ended. `took`: the whole call.
    virtual void call(Verb verb, End end, Duration took) noexcept = 0;
    /// A get() found its key.
    virtual void hit() noexcept = 0;
    /// It did not.
    virtual void miss() noexcept = 0;
    /// An attempt was followed by another one.
    virtual void retry() noexcept = 0;
    /// Reads moved to another node.
    virtual void failover() noexcept = 0;
    /// A key was put into the journal of a node.
    virtual void journaled() noexcept = 0;
    /// So many keys of a journal were deleted on their node.
    virtual void replayed(std::size_t keys) noexcept = 0;
    /// The database of a node was emptied.
    virtual void flushed() noexcept = 0;
    /// So many keys had different values on the nodes.
    virtual void diverged(std::size_t keys) noexcept = 0;
    /// So many keys were compared.
    virtual void audited(std::size_t keys) noexcept = 0;
    /// A get() was a miss, as what was read may be older than what this process wrote.
    virtual void doubted() noexcept = 0;
    /// A value was copied to a node that warms up.
    virtual void warmed() noexcept = 0;
    virtual void load(Load how) noexcept = 0;
    /// How a node is; called about once a second for each.
    virtual void node(const std::string& id, const CacheNodeGauges& gauges) = 0;
    /// One log-in of the health check ended.
    virtual void check(const std::string& id, bool passed, Duration took) = 0;
};

/// Makes meters, and renders what they hold.
class Metrics {
public:
    Metrics() = default;
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;
    virtual ~Metrics() = default;

    [[nodiscard]] virtual std::shared_ptr<ServiceMeter> service(const std::string& name) = 0;
    [[nodiscard]] virtual std::shared_ptr<DatabaseMeter> database() = 0;
    [[nodiscard]] virtual std::shared_ptr<CacheMeter> cache() = 0;
    /// Prometheus text exposition format 0.0.4.
    [[nodiscard]] virtual std::string expose() const = 0;
};

} // namespace failover
