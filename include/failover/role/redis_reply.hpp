// SPDX-License-Identifier: MIT
#pragma once

#include <failover/retry/fault.hpp>
#include <failover/role/command_kind.hpp>

#include <cstdint>
#include <string_view>

namespace failover {

/// What an error reply says about the node it came from.
enum class ReplyEffect : std::uint8_t {
    /// Nothing: it is the command's own fault.
    none,
    /// It takes no writes at present, and serves reads.
    refuses_writes,
    /// It serves nothing at present.
    away,
    /// It takes no writes any more: it is a replica now.
    demoted,
    /// User, password or permissions are wrong for it.
    misconfigured,
    /// It belongs to a Redis Cluster, which is not supported.
    cluster,
};

/// "none", "refuses_writes", ...: for metric labels and logs.
[[nodiscard]] const char* to_string(ReplyEffect effect) noexcept;

struct ReplyVerdict {
    /// success: the node works, and the answer is of no use. retryable: another node may do better.
    /// fatal: somebody must change something.
    AttemptVerdict attempt{};
    ReplyEffect effect = ReplyEffect::none;

    friend bool operator==(const ReplyVerdict&, const ReplyVerdict&) = default;
};

/// The judgement of an error reply; `error` without its leading '-'. Those of Redis 7; what is not
/// named is the command's own fault. But for `none`, where a script may have got half way, the
/// command was certainly not executed.
///
///     OOM MISCONF NOREPLICAS                       refuses_writes  retryable
///     FOLATE: this library's, see timed_write.hpp  refuses_writes  retryable
///     READONLY of a read                           refuses_writes  retryable: some commands that
///                                                  only read are writes to Redis (SORT)
///     READONLY                                     demoted         retryable
///     LOADING MASTERDOWN CLUSTERDOWN TRYAGAIN      away            retryable
///     BUSY, "ERR max number of clients ..."        away            retryable
///     NOAUTH WRONGPASS NOPERM DENIED               misconfigured   fatal
///     "ERR invalid password", "ERR AUTH ..."       misconfigured   fatal
///     "ERR The user executing the script ..."      misconfigured   fatal
///     MOVED ASK CROSSSLOT, "... cluster mode"      cluster         fatal
///     any other                                    none            success
[[nodiscard]] ReplyVerdict judge_reply(std::string_view error, CommandClass command) noexcept;

} // namespace failover

#include <failover/role/detail/reply_table.hpp>
