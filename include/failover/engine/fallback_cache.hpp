// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/message.hpp>

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace failover::detail {

/// The last good response of each path asked for with a fallback; the least recently stored paths
/// go first when it grows beyond its bounds.
/// Threads    safe.
class FallbackCache {
public:
    static constexpr std::size_t max_paths = 256;
    static constexpr std::size_t max_bytes = std::size_t{16} << 20U;

    void store(const std::string& path, const Response& response, TimePoint now) {
        const std::lock_guard lock{mutex_};
        forget(path);
        if (response.body().size() > max_bytes / 4) {
            return; // one response must not push all the others out
        }
        entries_.push_back(Entry{path, response, now});
        index_[path] = std::prev(entries_.end());
        bytes_ += response.body().size();
        while (entries_.size() > max_paths || bytes_ > max_bytes) {
            forget(std::string{entries_.front().path});
        }
    }

    [[nodiscard]] std::optional<Response> find(const std::string& path,
                                               std::optional<Duration> max_age,
                                               TimePoint now) const {
        const std::lock_guard lock{mutex_};
        const auto found = index_.find(path);
        if (found == index_.end() || (max_age && now - found->second->stored > *max_age)) {
            return std::nullopt;
        }
        return found->second->response;
    }

private:
    struct Entry {
        std::string path;
        Response response;
        TimePoint stored;
    };

    void forget(const std::string& path) {
        const auto found = index_.find(path);
        if (found != index_.end()) {
            bytes_ -= found->second->response.body().size();
            entries_.erase(found->second);
            index_.erase(found);
        }
    }

    mutable std::mutex mutex_;
    std::list<Entry> entries_; // oldest first
    std::unordered_map<std::string, std::list<Entry>::iterator> index_;
    std::size_t bytes_ = 0;
};

} // namespace failover::detail
