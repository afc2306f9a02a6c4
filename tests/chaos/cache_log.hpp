// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace failover::test {

/// Names one value that was given to the library: who wrote it, and his how many'th it was.
struct CacheStamp {
    std::uint32_t worker = 0;
    std::uint32_t number = 0;
};

inline std::string cache_key(std::size_t key) {
    return "key:" + std::to_string(key);
}

/// No other write of the run has the same one.
inline std::string cache_value(std::size_t key, CacheStamp stamp) {
    return cache_key(key) + '/' + std::to_string(stamp.worker) + '/' + std::to_string(stamp.number);
}

/// The stamp of a value of that key; false when it is none.
inline bool read_cache_value(std::string_view text, std::size_t key, CacheStamp& stamp) {
    const char* const end = text.data() + text.size();
    const std::size_t first = text.find('/');
    const auto worker =
        std::from_chars(text.data() + (first == std::string_view::npos ? text.size() : first + 1),
                        end, stamp.worker);
    if (worker.ec != std::errc{} || worker.ptr == end ||
        std::from_chars(worker.ptr + 1, end, stamp.number).ec != std::errc{}) {
        return false;
    }
    return text == cache_value(key, stamp);
}

/// What one worker did and was told, in his order: each write and each read with its begin and end.
/// Threads    one at a time.
class CacheLog {
public:
    enum class Told : std::uint8_t { acknowledged, maybe_executed, not_sent };
    /// Of a read.
    enum class Seen : std::uint8_t {
        value,
        nil,
        /// No value of any worker.
        foreign,
        /// The read failed.
        nothing,
    };

    struct Write {
        TimePoint begin;
        TimePoint end;
        std::uint16_t key;
        bool deletes;
        Told told;
    };
    struct Read {
        TimePoint begin;
        TimePoint end;
        std::uint16_t key;
        Seen seen;
        CacheStamp stamp;
    };

    /// `client`: the process, as it were, that the worker belongs to.
    CacheLog(std::uint32_t worker, std::size_t client) : worker_{worker}, client_{client} {}

    [[nodiscard]] std::size_t client() const noexcept { return client_; }
    [[nodiscard]] const std::vector<Write>& writes() const noexcept { return writes_; }
    [[nodiscard]] const std::vector<Read>& reads() const noexcept { return reads_; }
    /// What a read with Seen::foreign returned; its stamp's number says which one it is.
    [[nodiscard]] const std::string& foreign(const Read& read) const {
        return foreign_.at(read.stamp.number);
    }
    /// Of the write that begins next.
    [[nodiscard]] CacheStamp next_stamp() const noexcept {
        return {worker_, static_cast<std::uint32_t>(writes_.size())};
    }

    void add(const Write& write) { writes_.push_back(write); }
    void add(const Read& read) { reads_.push_back(read); }
    /// The same for a read that returned `text`.
    void add(Read read, std::string_view text) {
        if (read_cache_value(text, read.key, read.stamp)) {
            read.seen = Seen::value;
        } else {
            read.seen = Seen::foreign;
            read.stamp = {worker_, static_cast<std::uint32_t>(foreign_.size())};
            foreign_.emplace_back(text);
        }
        add(read);
    }

private:
    std::uint32_t worker_;
    std::size_t client_;
    std::vector<Write> writes_;
    std::vector<Read> reads_;
    std::vector<std::string> foreign_;
};

} // namespace failover::test
