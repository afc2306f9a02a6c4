// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/cache/answer.hpp>

struct redisReader;

namespace failover::redis {

/// Makes hiredis build replies as this library's own, in one place, rather than as its trees of
/// allocations. A connection has one: replies are taken one after the other.
class ReplySlot {
public:
    ReplySlot() = default;
    ReplySlot(const ReplySlot&) = delete;
    ReplySlot& operator=(const ReplySlot&) = delete;

    /// `reader` uses this slot from now on; it must not outlive it.
    void serve(redisReader& reader) noexcept;
    /// What `reply`, as the reader gave it, is.
    [[nodiscard]] static Reply& of(void* reply) noexcept;

    /// What the reader calls an object. Where hiredis itself looks at one it finds a type it
    /// ignores.
    struct Root {
        int type = 0;
        Reply reply{};
    };
    [[nodiscard]] Root& root() noexcept { return root_; }

private:
    Root root_;
};

/// What hiredis's error code and text, and errno where it says so, mean.
[[nodiscard]] cache::Answer failure_of(int error, const char* text, int system, Phase phase,
                                       bool written);

} // namespace failover::redis
