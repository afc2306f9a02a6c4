// SPDX-License-Identifier: MIT
#pragma once

#include "pipeline.hpp"
#include "reply_slot.hpp"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <cerrno>
#include <string>
#include <utility>

namespace failover::redis {

/// A command that was not sent.
inline cache::Answer refusal(FaultKind fault, error_code cause, std::string text) {
    return cache::Answer::without_reply(fault, Phase::queued, false, cause, std::move(text));
}

/// What hiredis calls; always with the lock held, as it is only entered then.
struct Pipeline::Hooks {
    static Pipeline& of(void* data) { return *static_cast<Pipeline*>(data); }

    static void add_read(void* data) { of(data).wants_read_ = true; }
    static void del_read(void* data) { of(data).wants_read_ = false; }
    static void add_write(void* data) { of(data).wants_write_ = true; }
    static void del_write(void* data) { of(data).wants_write_ = false; }
    static void cleanup(void* data) { of(data).let_go(); }

    static void reply(redisAsyncContext* redis, void* reply, void* /*unused*/) {
        of(redis->data).take_reply(reply);
    }
    static void connected(const redisAsyncContext* redis, int status) {
        if (status != REDIS_OK) {
            const int system = errno;
            of(redis->data).broken_ =
                failure_of(redis->c.err, redis->c.errstr, system, Phase::connecting, false);
        }
    }
    static void disconnected(const redisAsyncContext* redis, int status) {
        if (status != REDIS_OK) {
            const int system = errno;
            of(redis->data).broken_ =
                failure_of(redis->err, redis->errstr, system, Phase::waiting, true);
        }
    }
};

} // namespace failover::redis
