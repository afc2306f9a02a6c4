// SPDX-License-Identifier: MIT
#include "directory_watch.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <sys/inotify.h>
#include <unistd.h>
#include <utility>

namespace failover::detail {

using namespace std::chrono_literals;

namespace {

constexpr Duration quiet_time = 50ms;
constexpr Duration longest_unrest = 1s;
constexpr Duration blind_interval = 2s;
constexpr std::uint32_t interesting = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                      IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

} // namespace

DirectoryWatch::DirectoryWatch(const asio::any_io_executor& executor,
                               std::vector<std::filesystem::path> directories)
    : missing_{std::move(directories)},
      events_{std::make_shared<asio::posix::stream_descriptor>(executor)},
      timer_{executor} {
    const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (descriptor >= 0) {
        boost::system::error_code error;
        events_->assign(descriptor, error);
        if (error) {
            ::close(descriptor);
        }
    }
    watch_missing();
}

void DirectoryWatch::watch_missing() {
    if (!events_->is_open()) {
        return;
    }
    std::erase_if(missing_, [&](const std::filesystem::path& directory) {
        return ::inotify_add_watch(events_->native_handle(), directory.c_str(), interesting) >= 0;
    });
}

asio::awaitable<void> DirectoryWatch::changed(Duration longest) {
    const bool blind = !events_->is_open() || !missing_.empty();
    const bool event = co_await readable(blind ? std::min(longest, blind_interval) : longest);
    watch_missing();
    const TimePoint end = Clock::now() + longest_unrest;
    for (bool more = event; more && Clock::now() < end;) {
        drain();
        more = co_await readable(quiet_time);
    }
    drain();
}

/// False: `longest` passed first.
asio::awaitable<bool> DirectoryWatch::readable(Duration longest) {
    boost::system::error_code error;
    timer_.expires_after(longest);
    if (!events_->is_open()) {
        co_await timer_.async_wait(asio::use_awaitable);
        co_return false;
    }
    const std::weak_ptr<asio::posix::stream_descriptor> weak = events_;
    timer_.async_wait([weak](const boost::system::error_code& cancelled) {
        const auto events = weak.lock();
        if (events && !cancelled) {
            boost::system::error_code ignored;
            events->cancel(ignored);
        }
    });
    co_await events_->async_wait(asio::posix::stream_descriptor::wait_read,
                                 asio::redirect_error(asio::use_awaitable, error));
    timer_.cancel();
    co_return !error;
}

void DirectoryWatch::drain() {
    std::array<char, 4096> buffer{};
    while (events_->is_open() &&
           ::read(events_->native_handle(), buffer.data(), buffer.size()) > 0) {
    }
}

} // namespace failover::detail
