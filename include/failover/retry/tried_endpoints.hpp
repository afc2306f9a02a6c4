// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace failover {

/// The endpoints one call has tried, and from when each may be tried again. Endpoints are opaque
/// keys, compared and never followed. No allocation.
/// Threads    Distinct objects: safe. Shared object: unsafe; belongs to one call.
class TriedEndpoints {
public:
    /// Endpoints one call can try: 1 + most_retries + 1 hedge, and some room.
    static constexpr std::size_t capacity = 20;

    /// An attempt on it has started: it is excluded until failed() says from when it is not.
    void started(const void* endpoint) noexcept {
        if (Entry* known = find(endpoint)) {
            known->not_before = TimePoint::max();
        } else if (size_ < capacity) {
            entries_[size_++] = Entry{endpoint, TimePoint::max(), 0};
        }
    }

    /// The attempt failed; the endpoint may be tried again from `not_before`. TimePoint::max():
    /// never in this call.
    void failed(const void* endpoint, TimePoint not_before) noexcept {
        if (Entry* known = find(endpoint)) {
            known->not_before = not_before;
            ++known->failures;
        }
    }

    /// How often it failed this call.
    [[nodiscard]] unsigned failures(const void* endpoint) noexcept {
        const Entry* known = find(endpoint);
        return known != nullptr ? known->failures : 0;
    }

    /// The earliest time after `after` at which one of them may be tried again; none: never.
    [[nodiscard]] std::optional<TimePoint> next_due(TimePoint after) const noexcept {
        TimePoint next = TimePoint::max();
        for (const Entry& entry : used()) {
            if (entry.not_before > after) {
                next = std::min(next, entry.not_before);
            }
        }
        return next < TimePoint::max() ? std::optional{next} : std::nullopt;
    }

    /// May one of them be tried again at `now`?
    [[nodiscard]] bool any_due(TimePoint now) const noexcept {
        return std::any_of(used().begin(), used().end(),
                           [&](const Entry& entry) { return entry.not_before <= now; });
    }

    /// Makes excluded() all of them.
    void exclude_all() noexcept {
        exclude_if([](const Entry&) { return true; });
    }
    /// Makes excluded() those that may not be tried again yet, or ever.
    void exclude_not_due(TimePoint now) noexcept {
        exclude_if([&](const Entry& entry) { return entry.not_before > now; });
    }
    /// What the next pick must leave out. Valid until the next change.
    [[nodiscard]] std::span<const void* const> excluded() const noexcept {
        return {excluded_.data(), excluded_size_};
    }

private:
    struct Entry {
        const void* endpoint = nullptr;
        TimePoint not_before{};
        std::uint32_t failures = 0;
    };

    [[nodiscard]] std::span<const Entry> used() const noexcept { return {entries_.data(), size_}; }

    Entry* find(const void* endpoint) noexcept {
        for (Entry& entry : std::span{entries_.data(), size_}) {
            if (entry.endpoint == endpoint) {
                return &entry;
            }
        }
        return nullptr;
    }

    template <class Predicate>
    void exclude_if(Predicate predicate) noexcept {
        excluded_size_ = 0;
        for (const Entry& entry : used()) {
            if (predicate(entry)) {
                excluded_[excluded_size_++] = entry.endpoint;
            }
        }
    }

    std::array<Entry, capacity> entries_{};
    std::array<const void*, capacity> excluded_{};
    std::size_t size_ = 0;
    std::size_t excluded_size_ = 0;
};

} // namespace failover
