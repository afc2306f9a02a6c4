// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/duplicate_fd.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

namespace failover {

namespace asio = boost::asio;

/// Waits on a socket that libpq owns, through a duplicate of it, until a time or an abort.
/// Threads    abort() from any; everything else on the executor's one thread.
class SocketWait final : public Abortable, public std::enable_shared_from_this<SocketWait> {
public:
    /// Throws std::system_error when the process may open no more files.
    SocketWait(const asio::any_io_executor& executor, int socket)
        : descriptor_{executor}, timer_{executor} {
        DuplicateFd own{socket};
        descriptor_.assign(own.get());
        static_cast<void>(own.release());
    }

    /// True: ready. False: time is over, or aborted.
    [[nodiscard]] asio::awaitable<bool> until(bool writable, TimePoint until) {
        timer_.expires_at(until);
        timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
            if (!error) {
                self->give_up();
            }
        });
        const auto what = writable ? asio::posix::stream_descriptor::wait_write
                                   : asio::posix::stream_descriptor::wait_read;
        boost::system::error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await descriptor_.async_wait(what, token);
        timer_.cancel();
        co_return !error;
    }

    void abort() noexcept override {
        asio::post(timer_.get_executor(), [self = shared_from_this()] { self->give_up(); });
    }

private:
    void give_up() {
        boost::system::error_code ignored;
        descriptor_.cancel(ignored);
    }

    asio::posix::stream_descriptor descriptor_;
    asio::steady_timer timer_;
};

/// One such wait as part of a call.
inline asio::awaitable<bool> wait_for_socket(int socket, bool writable, TimePoint until,
                                             CallControl& control) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wait = std::make_shared<SocketWait>(executor, socket);
    const Waiting waiting{control, *wait};
    if (!waiting.entered()) {
        co_return false;
    }
    co_return co_await wait->until(writable, until);
}

} // namespace failover
