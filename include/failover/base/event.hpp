// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace failover {

/// What changed. Events are edges: one a change, never one a request.
enum class EventKind {
    endpoint_added,
    endpoint_removed,
    /// Its provider listed it, but it cannot be called as it says: left out. Once a mistake.
    endpoint_refused,
    /// Health checks or live traffic say it may not be used. `reason` says which.
    endpoint_unhealthy,
    /// It may be used again; `duration` is how long it was away.
    endpoint_healthy,
    /// Taken out for a while because of live traffic (outlier detection).
    endpoint_ejected,
    breaker_opened,
    breaker_half_open,
    breaker_closed,
    endpoint_draining,
    endpoint_undrained,
    /// active-passive moved to another endpoint.
    failed_over,
    /// active-passive returned to a better endpoint.
    failed_back,
    /// So few endpoints are usable that ejected ones are tried too.
    panic_started,
    panic_ended,
    /// The provider stopped answering; the last good set stays in use.
    discovery_lost,
    discovery_recovered,
    /// A provider or a registration goes on, but not as one would think: `reason` says what to know.
    discovery_warning,
    /// `reason` names what differs and only a restart applies; empty: nothing.
    config_reloaded,
    config_rejected,
    /// An endpoint has been unhealthy for `alerts.unhealthy_for`.
    alert,
    /// Database, replicated cache: another node is the primary; `duration` is how long there was none.
    primary_changed,
    /// Database, replicated cache: no node is proven primary any more.
    primary_lost,
    /// Database: a node takes writes although a newer timeline exists. It is never written to.
    node_fenced,
    /// Database: a node belongs to another cluster. It is not used.
    node_foreign,
    /// Database: several nodes take writes on one timeline, so none is written to.
    split_brain_started,
    split_brain_ended,
    /// Database: the connection broke while a commit was confirmed; `reason` says what it came to,
    /// `duration` how long that took to find out.
    commit_in_doubt,
    /// Database: an operator paused writes, or let them go on.
    writes_paused,
    writes_resumed,
    /// Cache: a node is in another state; `reason` is "up -> down: connection refused", `duration`
    /// how long the old state lasted.
    cache_node_changed,
    /// Cache: the database of a node was emptied, as its data may have been older than it was.
    cache_node_flushed,
    /// Cache: a node misses more than `journal.max_keys`; it is emptied before it serves reads.
    cache_journal_overflowed,
    /// Cache: nodes held different values of a key; it was deleted on all of them.
    cache_diverged,
    /// Cache: a node refuses this process; `reason` holds the server's words. Correct the
    /// configuration: waiting does not help.
    cache_misconfigured,
    /// Cache: reads go to another node now, `endpoint`.
    cache_reads_moved,
};

/// One change, as on_event() handlers, the log and the admin page see it.
struct Event {
    EventKind kind{};
    /// The service it is about; empty for the manager itself.
    std::string service{};
    /// The endpoint's id; empty when the event is not about one.
    std::string endpoint{};
    /// "host:port" of that endpoint.
    std::string address{};
    /// Why, for people: "3 checks failed: connection refused".
    std::string reason{};
    /// How long the state that ended had lasted; zero when unknown.
    Duration duration{};
    /// When, for people. Default the epoch: set by whoever emits it.
    WallTime time{};
};

/// "endpoint_unhealthy" and so on: the names in logs and /api/v1/events.
[[nodiscard]] const char* to_string(EventKind kind) noexcept;

/// Keeps a handler registered. Move-only; destroying or reset() unsubscribes: once it returns, the
/// handler is not running on another thread and will not run again.
class Subscription {
public:
    Subscription() = default;
    explicit Subscription(std::shared_ptr<void> token) : token_{std::move(token)} {}
    Subscription(Subscription&&) noexcept = default;
    Subscription& operator=(Subscription&&) noexcept = default;
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    void reset() noexcept { token_.reset(); }
    [[nodiscard]] explicit operator bool() const noexcept { return token_ != nullptr; }

private:
    std::shared_ptr<void> token_;
};

inline const char* to_string(EventKind kind) noexcept {
    switch (kind) {
        case EventKind::endpoint_added: return "endpoint_added";
        case EventKind::endpoint_removed: return "endpoint_removed";
        case EventKind::endpoint_refused: return "endpoint_refused";
        case EventKind::endpoint_unhealthy: return "endpoint_unhealthy";
        case EventKind::endpoint_healthy: return "endpoint_healthy";
        case EventKind::endpoint_ejected: return "endpoint_ejected";
        case EventKind::breaker_opened: return "breaker_opened";
        case EventKind::breaker_half_open: return "breaker_half_open";
        case EventKind::breaker_closed: return "breaker_closed";
        case EventKind::endpoint_draining: return "endpoint_draining";
        case EventKind::endpoint_undrained: return "endpoint_undrained";
        case EventKind::failed_over: return "failed_over";
        case EventKind::failed_back: return "failed_back";
        case EventKind::panic_started: return "panic_started";
        case EventKind::panic_ended: return "panic_ended";
        case EventKind::discovery_lost: return "discovery_lost";
        case EventKind::discovery_recovered: return "discovery_recovered";
        case EventKind::discovery_warning: return "discovery_warning";
        case EventKind::config_reloaded: return "config_reloaded";
        case EventKind::config_rejected: return "config_rejected";
        case EventKind::alert: return "alert";
        case EventKind::primary_changed: return "primary_changed";
        case EventKind::primary_lost: return "primary_lost";
        case EventKind::node_fenced: return "node_fenced";
        case EventKind::node_foreign: return "node_foreign";
        case EventKind::split_brain_started: return "split_brain_started";
        case EventKind::split_brain_ended: return "split_brain_ended";
        case EventKind::commit_in_doubt: return "commit_in_doubt";
        case EventKind::writes_paused: return "writes_paused";
        case EventKind::writes_resumed: return "writes_resumed";
        case EventKind::cache_node_changed: return "cache_node_changed";
        case EventKind::cache_node_flushed: return "cache_node_flushed";
        case EventKind::cache_journal_overflowed: return "cache_journal_overflowed";
        case EventKind::cache_diverged: return "cache_diverged";
        case EventKind::cache_misconfigured: return "cache_misconfigured";
        case EventKind::cache_reads_moved: return "cache_reads_moved";
    }
    return "unknown";
}

} // namespace failover
