// SPDX-License-Identifier: MIT
#pragma once

#include "redis_bench.hpp"

#include <hiredis/hiredis.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace failover::bench {

/// hiredis as one would use it by hand: one connection that is held.
/// Threads    one thread.
class HiredisPeer {
public:
    explicit HiredisPeer(std::uint16_t port) : context_{::redisConnect("127.0.0.1", port)} {
        if (!context_ || context_->err != 0) {
            throw std::runtime_error{std::string{"hiredis: "} +
                                     (context_ ? context_->errstr : "no memory")};
        }
    }

    /// Throws unless the key is there.
    void get(const std::string& key) {
        require_value(::redisCommand(context_.get(), "GET %b", key.data(), key.size()));
    }
    void set(const std::string& key, const std::string& value) {
        const Reply reply{static_cast<redisReply*>(::redisCommand(
            context_.get(), "SET %b %b", key.data(), key.size(), value.data(), value.size()))};
        if (!reply || reply->type != REDIS_REPLY_STATUS) {
            fail(reply.get());
        }
    }
    /// Written at once; receive_set() is the second half.
    void send_set(const std::string& key, const std::string& value) {
        int done = 0;
        if (::redisAppendCommand(context_.get(), "SET %b %b", key.data(), key.size(), value.data(),
                                 value.size()) != REDIS_OK) {
            fail(nullptr);
        }
        while (done == 0) {
            if (::redisBufferWrite(context_.get(), &done) != REDIS_OK) {
                fail(nullptr);
            }
        }
    }
    void receive_set() {
        void* answer = nullptr;
        ::redisGetReply(context_.get(), &answer);
        const Reply reply{static_cast<redisReply*>(answer)};
        if (!reply || reply->type != REDIS_REPLY_STATUS) {
            fail(reply.get());
        }
    }
    /// The first half of get(): several may be under way.
    void send_get(const std::string& key) {
        if (::redisAppendCommand(context_.get(), "GET %b", key.data(), key.size()) != REDIS_OK) {
            fail(nullptr);
        }
    }
    /// The second half.
    void receive_get() {
        void* reply = nullptr;
        ::redisGetReply(context_.get(), &reply);
        require_value(reply);
    }

private:
    struct FreeContext {
        void operator()(redisContext* context) const noexcept { ::redisFree(context); }
    };
    struct FreeReply {
        void operator()(redisReply* reply) const noexcept { ::freeReplyObject(reply); }
    };
    using Reply = std::unique_ptr<redisReply, FreeReply>;

    void require_value(void* answer) const {
        const Reply reply{static_cast<redisReply*>(answer)};
        if (!reply || reply->type != REDIS_REPLY_STRING ||
            static_cast<std::size_t>(reply->len) != cache_value_size) {
            fail(reply.get());
        }
    }
    [[noreturn]] void fail(const redisReply* reply) const {
        if (reply == nullptr) {
            throw std::runtime_error{std::string{"hiredis: "} + context_->errstr};
        }
        throw std::runtime_error{"hiredis: an answer that was not asked for: " +
                                 (reply->str != nullptr ? std::string{reply->str} : "nil")};
    }

    std::unique_ptr<redisContext, FreeContext> context_;
};

} // namespace failover::bench
