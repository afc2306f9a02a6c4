// SPDX-License-Identifier: MIT
#pragma once

#include "login.hpp"
#include "pipeline.hpp"
#include <failover/engine/cache/link.hpp>

#include <memory>
#include <mutex>
#include <string_view>

struct redisContext;

namespace failover::redis {

/// A connection for blocking verbs. The socket does not block: poll() waits, so that a deadline is
/// exact and stop() can end it by shutting the socket down.
/// Threads    one at a time.
class HiredisSession final : public cache::Session {
public:
    /// Connects and logs in. `any_server`: the server process need not be the known one.
    [[nodiscard]] static cache::Opened open(LinkContext& context, TimePoint until,
                                            CallControl* control, bool any_server);
    ~HiredisSession() override;

    void send(std::string_view bytes) override;
    [[nodiscard]] cache::Answer receive(TimePoint until, CallControl* control) override;
    [[nodiscard]] bool usable() const noexcept override { return redis_ != nullptr; }
    [[nodiscard]] const cache::Identity& identity() const noexcept override { return identity_; }

    /// The peer has neither closed it nor sent what nobody asked for.
    [[nodiscard]] bool quiet() const noexcept;

private:
    HiredisSession(LinkContext& context, redisContext* redis) : context_{context}, redis_{redis} {}

    [[nodiscard]] cache::Answer wait(short events, TimePoint until, CallControl* control);
    [[nodiscard]] cache::Answer log_in(TimePoint until, CallControl* control, bool any_server);
    [[nodiscard]] cache::Answer broken(Phase phase, bool written);
    /// What hiredis has to write. False: it failed.
    [[nodiscard]] bool write();
    [[nodiscard]] bool read();
    void lose();
    void end() noexcept;

    LinkContext& context_;
    redisContext* redis_;
    ReplySlot slot_;
    cache::Identity identity_;
    bool busy_ = false;   // a reply is awaited
    bool unsent_ = false; // hiredis has something to write
    int unsendable_ = 0;  // errno
};

} // namespace failover::redis
