// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/cache/answer.hpp>

#include <hiredis/hiredis.h>

namespace failover::redis {

/// Makes hiredis build replies as this library's own, in one place, rather than as its trees of
/// allocations. A connection has one: replies are taken one after the other.
class ReplySlot {
public:
    ReplySlot() noexcept;
    ReplySlot(const ReplySlot&) = delete;
    ReplySlot& operator=(const ReplySlot&) = delete;

    /// `reader` uses this slot from now on; it must not outlive it.
    void serve(redisReader& reader) noexcept;
    /// What `reply`, as the reader gave it, is.
    [[nodiscard]] static Reply& of(void* reply) noexcept;

    /// What the reader calls an object. hiredis itself looks at one that nobody asked for only, and
    /// finds an error there, so that it ends the connection.
    struct Root {
        redisReply unasked;
        Reply reply{};
    };
    [[nodiscard]] Root& root() noexcept { return root_; }

private:
    Root root_;
};

/// What hiredis's error code and text, and errno where it says so, mean.
[[nodiscard]] cache::Answer failure_of(int error, const char* text, int system, Phase phase,
                                       bool written);
/// The same of a socket that was used without hiredis.
[[nodiscard]] cache::Answer failure_of(const error_code& error, Phase phase, bool written);

} // namespace failover::redis
