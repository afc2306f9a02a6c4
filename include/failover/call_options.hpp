// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/message.hpp>

#include <optional>
#include <string>

namespace failover {

/// What one call does differently from its service's configuration. An absent value means "as
/// configured". Fill it with designated initialisers, in this order.
struct CallOptions {
    /// Longest time for the whole call: queueing, connecting, attempts and pauses. Range > 0.
    /// Default: `failover.timeout`. Zero or less fails at once with deadline_exceeded.
    std::optional<Duration> deadline{};
    /// Longest time for one attempt, from pick to complete response. Range > 0. Default:
    /// `failover.attempt_timeout`.
    std::optional<Duration> attempt_timeout{};
    /// Retries after the first attempt. Range 0 to 16 (larger values count as 16). Default:
    /// `failover.max_retries`. 0: one attempt.
    std::optional<unsigned> max_retries{};
    /// May the request be sent again after it may have been executed? Default: true for GET, HEAD,
    /// PUT, DELETE, OPTIONS and TRACE, false for the others.
    std::optional<bool> idempotent{};
    /// Sent as `Idempotency-Key`; makes the call idempotent. Default: none.
    std::optional<std::string> idempotency_key{};
    /// Extra header fields, after the request's own. Default: none.
    Headers headers{};
    /// Content-Type of the body. Default: "application/json" when there is a body and no such header.
    std::optional<std::string> content_type{};
    /// What `consistent-hash` hashes. Default: the path.
    std::optional<std::string> hash_key{};
    /// Start a second attempt elsewhere when the first is unanswered after this long; idempotent
    /// calls only. Default: `failover.hedge.after`. Zero: at once.
    std::optional<Duration> hedge_after{};
    /// A 5xx that outlives its retries is returned instead of thrown. Default false.
    bool accept_any_status = false;
};

/// What get_with_fallback() answers when the service cannot: the last good response for that path
/// if there is one and `use_last_good` is set, else `body` if given, else a fixed JSON body.
struct Fallback {
    /// Body to answer with. Default: `{"status":"fallback",...}`, see docs/semantics.md.
    std::optional<std::string> body{};
    /// Status of that answer. Range 200 to 599. Default 200.
    int status = 200;
    /// Content-Type of `body`. Default "application/json".
    std::string content_type = "application/json";
    /// Prefer the last good response for the same path. Default true.
    bool use_last_good = true;
    /// Oldest last good response to serve. Range >= 0. Default: none, any age will do.
    std::optional<Duration> max_age{};
};

} // namespace failover
