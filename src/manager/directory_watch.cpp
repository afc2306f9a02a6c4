// SPDX-License-Identifier: MIT
#include "directory_watch.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
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
        const int watch =
            ::inotify_add_watch(events_->native_handle(), directory.c_str(), interesting);
        if (watch >= 0) {
            watched_[watch] = directory;
        }
        return watch >= 0;
    });
}

/// The directory was deleted or moved: the one that comes in its place has to be watched anew.
void DirectoryWatch::lose(int watch) {
    if (const auto gone = watched_.extract(watch)) {
        static_cast<void>(::inotify_rm_watch(events_->native_handle(), watch));
        missing_.push_back(gone.mapped());
    }
}

asio::awaitable<void> DirectoryWatch::changed(Duration longest) {
    const bool blind = !events_->is_open() || !missing_.empty();
    const bool event = co_await readable(blind ? std::min(longest, blind_interval) : longest);
    const TimePoint end = Clock::now() + longest_unrest;
    for (bool more = event; more && Clock::now() < end;) {
        drain();
        watch_missing();
        more = co_await readable(quiet_time);
    }
    drain();
    watch_missing(); // before anybody looks at what is in them
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
    alignas(inotify_event) std::array<char, 4096> buffer{};
    while (events_->is_open()) {
        const ssize_t size = ::read(events_->native_handle(), buffer.data(), buffer.size());
        if (size <= 0) {
            return;
        }
        for (ssize_t at = 0; at < size;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            if ((event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
                lose(event.wd);
            }
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
    }
}

} // namespace failover::detail
