// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <filesystem>
#include <map>
#include <memory>
#include <vector>

namespace failover::detail {

namespace asio = boost::asio;

/// Waits for files in some directories to change (Linux inotify). It watches directories and not
/// files, since editors, and Kubernetes for its ConfigMaps, replace a file instead of writing to
/// it.
///
/// Where nothing can be watched (no such directory yet, no inotify instance left) it falls back to
/// saying "maybe" every two seconds.
///
/// Threads    one coroutine.
/// Runs on    the executor given.
class DirectoryWatch {
public:
    DirectoryWatch(const asio::any_io_executor& executor,
                   std::vector<std::filesystem::path> directories);

    /// Returns when something in them has changed and then nothing for 50 ms (at most 1 s is waited
    /// for that), or after `longest`: what is reached through links elsewhere makes no event. It
    /// may also return when it is cancelled: ask the cancellation state.
    asio::awaitable<void> changed(Duration longest);

private:
    void watch_missing();
    asio::awaitable<bool> readable(Duration longest);
    void drain();
    void lose(int watch);

    std::vector<std::filesystem::path> missing_; // not watched yet, or not any more
    std::map<int, std::filesystem::path> watched_;
    std::shared_ptr<asio::posix::stream_descriptor> events_; // shared with the timer's handler
    asio::steady_timer timer_;
};

} // namespace failover::detail
