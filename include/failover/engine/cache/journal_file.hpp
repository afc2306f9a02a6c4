// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/log.hpp>
#include <failover/base/time.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>

namespace failover::cache {

/// `journal.file`: what nodes have missed, so that a process that crashes does not forget it.
/// Records are appended, and are on disk within 100 ms; one that is cut short by a crash ends the
/// file. It is emptied when nothing is missed any more.
///
///     kind (1 byte), length of the node's id (1 byte), length of the key (4 bytes), both texts
///
/// Threads    safe; one process a file, which flock() makes sure of.
class JournalFile {
public:
    enum class Kind : char { missed = '+', made_up = '-', everything = '*', flushed = '=' };
    using Record = std::function<void(Kind, std::string_view node, std::string_view key)>;

    static constexpr Duration sync_every = std::chrono::milliseconds{100};

    /// Opens the file and tells what is in it, oldest first. Null when it cannot be used: the
    /// reason is logged.
    static std::unique_ptr<JournalFile> open(const std::string& path, LogSink& log,
                                             const Record& record);
    JournalFile(const JournalFile&) = delete;
    JournalFile& operator=(const JournalFile&) = delete;
    ~JournalFile() {
        {
            const std::lock_guard lock{mutex_};
            stopping_ = true;
            wake_.notify_all();
        }
        thread_.join();
        ::close(file_);
    }

    void add(Kind kind, std::string_view node, std::string_view key) {
        const std::lock_guard lock{mutex_};
        const auto size = static_cast<std::uint32_t>(key.size());
        char head[6];
        head[0] = static_cast<char>(kind);
        head[1] = static_cast<char>(node.size());
        std::memcpy(head + 2, &size, sizeof size);
        waiting_.append(head, sizeof head).append(node).append(key);
        ++added_;
    }
    /// How many records were added.
    [[nodiscard]] std::uint64_t mark() const {
        const std::lock_guard lock{mutex_};
        return added_;
    }
    /// Nothing is missed by any node: what was added until `mark` is of no use any more. Nothing is
    /// done when more was added since.
    void clear(std::uint64_t mark) {
        const std::lock_guard lock{mutex_};
        if (added_ == mark && (written_ > 0 || !waiting_.empty())) {
            waiting_.clear();
            empty_ = true;
        }
    }

private:
    explicit JournalFile(int file) : file_{file} {
        thread_ = std::thread{[this] { run(); }};
    }

    void run() {
        std::unique_lock lock{mutex_};
        for (;;) {
            wake_.wait_for(lock, sync_every, [this] { return stopping_; });
            const bool last = stopping_;
            const std::string bytes = std::exchange(waiting_, {});
            const bool empty = std::exchange(empty_, false);
            lock.unlock();
            const bool emptied = empty && ::ftruncate(file_, 0) == 0;
            if (!bytes.empty()) {
                write_all(bytes);
                ::fdatasync(file_);
            }
            lock.lock();
            written_ = (emptied ? 0 : written_) + bytes.size();
            if (last && waiting_.empty()) {
                return;
            }
        }
    }
    void write_all(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t count = ::write(file_, bytes.data(), bytes.size());
            if (count <= 0) {
                return; // the disk is full: the journal in memory still holds it
            }
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    const int file_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::string waiting_;
    std::uint64_t added_ = 0;
    std::size_t written_ = 0;
    bool empty_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace failover::cache

#include <failover/engine/cache/detail/journal_file_open.hpp>
