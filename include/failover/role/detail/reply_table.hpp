// SPDX-License-Identifier: MIT
#pragma once

// Bodies of redis_reply.hpp: the table of its comment.

#include <failover/role/redis_reply.hpp>

namespace failover::detail {

struct ReplyRow {
    std::string_view code{};
    ReplyEffect effect{};
};

inline constexpr ReplyRow reply_codes[] = {
    {"OOM", ReplyEffect::refuses_writes},
    {"MISCONF", ReplyEffect::refuses_writes},
    {"NOREPLICAS", ReplyEffect::refuses_writes},
    {"FOLATE", ReplyEffect::refuses_writes},
    {"READONLY", ReplyEffect::demoted},
    {"LOADING", ReplyEffect::away},
    {"MASTERDOWN", ReplyEffect::away},
    {"CLUSTERDOWN", ReplyEffect::away},
    {"TRYAGAIN", ReplyEffect::away},
    {"BUSY", ReplyEffect::away},
    {"NOAUTH", ReplyEffect::misconfigured},
    {"WRONGPASS", ReplyEffect::misconfigured},
    {"NOPERM", ReplyEffect::misconfigured},
    {"DENIED", ReplyEffect::misconfigured},
    {"MOVED", ReplyEffect::cluster},
    {"ASK", ReplyEffect::cluster},
    {"CROSSSLOT", ReplyEffect::cluster},
};

/// Of errors whose code is just ERR: how their text begins.
inline constexpr ReplyRow reply_texts[] = {
    {"max number of clients", ReplyEffect::away},
    {"invalid password", ReplyEffect::misconfigured},
    {"AUTH ", ReplyEffect::misconfigured},
    {"The user executing the script", ReplyEffect::misconfigured},
    {"Client sent AUTH", ReplyEffect::misconfigured},
    {"SELECT is not allowed in cluster mode", ReplyEffect::cluster},
};

inline ReplyEffect effect_of(std::string_view error) noexcept {
    const std::size_t space = error.find(' ');
    const std::string_view code = error.substr(0, space);
    if (code == "ERR" && space != std::string_view::npos) {
        for (const ReplyRow& row : reply_texts) {
            if (error.substr(space + 1, row.code.size()) == row.code) {
                return row.effect;
            }
        }
    }
    for (const ReplyRow& row : reply_codes) {
        if (code == row.code) {
            return row.effect;
        }
    }
    return ReplyEffect::none;
}

} // namespace failover::detail

namespace failover {

inline const char* to_string(ReplyEffect effect) noexcept {
    switch (effect) {
        case ReplyEffect::none:
            return "none";
        case ReplyEffect::refuses_writes:
            return "refuses_writes";
        case ReplyEffect::away:
            return "away";
        case ReplyEffect::demoted:
            return "demoted";
        case ReplyEffect::misconfigured:
            return "misconfigured";
        case ReplyEffect::cluster:
            return "cluster";
    }
    return "unknown";
}

inline ReplyVerdict judge_reply(std::string_view error, CommandClass command) noexcept {
    const ReplyEffect effect = detail::effect_of(error);
    switch (effect) {
        case ReplyEffect::none:
            return {{OutcomeClass::success, FaultKind::server_error}, effect};
        case ReplyEffect::misconfigured:
        case ReplyEffect::cluster:
            return {{OutcomeClass::fatal, FaultKind::server_error}, effect};
        case ReplyEffect::demoted:
        case ReplyEffect::refuses_writes:
        case ReplyEffect::away:
            break;
    }
    const bool only_reads = effect == ReplyEffect::demoted && command == CommandClass::read;
    return {{OutcomeClass::retryable, FaultKind::server_error},
            only_reads ? ReplyEffect::refuses_writes : effect};
}

} // namespace failover
