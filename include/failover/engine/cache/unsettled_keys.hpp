// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace failover::cache {

/// Keys whose write a node has confirmed while the node that decides has given no answer: an older
/// write of another process, which the latter had confirmed, may still be on its way to the former.
/// There the key is deleted once that has had its time.
/// Threads    one at a time.
class UnsettledKeys {
public:
    /// `time`: what a write may take from one node's confirmation to the other node.
    void settle_after(Duration time) noexcept { time_ = time; }
    void add(std::string_view key, TimePoint now) {
        keys_.push_back({now + time_, std::string{key}});
    }
    /// One whose time has come.
    [[nodiscard]] std::optional<std::string> take(TimePoint now) {
        if (keys_.empty() || keys_.front().due > now) {
            return std::nullopt;
        }
        std::string key = std::move(keys_.front().key);
        keys_.pop_front();
        return key;
    }

private:
    struct Unsettled {
        TimePoint due{};
        std::string key{};
    };
    Duration time_ = std::chrono::milliseconds{100};
    std::deque<Unsettled> keys_;
};

} // namespace failover::cache
