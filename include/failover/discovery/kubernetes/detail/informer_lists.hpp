// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/kubernetes/informer.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

// Lists, pauses and publishing.
namespace failover::discovery {

inline InformerAction SliceInformer::next(TimePoint now) {
    if (now < not_before_) {
        return WaitUntil{not_before_};
    }
    if (listing_ || now >= relist_at_) {
        listing_ = true;
        if (!next_page_.empty()) {
            return ListSlices{.next = next_page_};
        }
        if (from_memory_) {
            // Never older than what was seen: servers of one cluster are not equally far.
            return ListSlices{.resource_version = synced_ ? version_ : "0"};
        }
        return ListSlices{};
    }
    // Ends by the time of the next safety list, so that nobody has to cut it short.
    const Duration wanted =
        std::min(between(timing_.watch_min, timing_.watch_max), relist_at_ - now);
    watch_begun_ = now;
    lines_ = 0;
    expired_ = false;
    stream_error_.reset();
    return WatchSlices{.resource_version = version_,
                       .timeout = std::max(std::chrono::ceil<std::chrono::seconds>(wanted),
                                           std::chrono::seconds{1})};
}

inline void SliceInformer::on_page(SlicePage page, TimePoint now) {
    constexpr unsigned most_pages = 1000; // of 500 slices: no service is as large
    if (page.resource_version.empty() || ++page_count_ > most_pages) {
        on_list_failed({.reason = page.resource_version.empty() ? "the list has no resourceVersion"
                                                                : "the list does not end"},
                       now);
        return;
    }
    if (page_count_ == 1) {
        pages_version_ = page.resource_version;
    }
    pages_.insert(pages_.end(), std::make_move_iterator(page.slices.begin()),
                  std::make_move_iterator(page.slices.end()));
    next_page_ = std::move(page.next);
    if (next_page_.empty()) {
        finish_list(now);
    }
}

inline void SliceInformer::finish_list(TimePoint now) {
    version_ = pages_version_;
    const bool news = table_.replace_all(std::move(pages_));
    drop_pages();
    const bool recovered = lost_ && !listed_only_;
    if (news || recovered || !synced_) {
        publish_now(now);
    }
    lost_ = lost_ && !recovered;
    synced_ = true;
    listing_ = false;
    from_memory_ = false;
    restarted_list_ = false;
    tried_credentials_ = false;
    fresh_list_ = true;
    list_failures_ = 0;
    not_before_ = now;
    relist_at_ = now + between(timing_.relist_min, timing_.relist_max);
}

inline void SliceInformer::drop_pages() {
    pages_.clear();
    pages_version_.clear();
    next_page_.clear();
    page_count_ = 0;
}

inline void SliceInformer::on_list_failed(const KubeFailure& failure, TimePoint now) {
    drop_pages();
    listing_ = true;
    // A page that is too old, or a resourceVersion that the server has not reached: begin anew.
    if (failure.status == 410 || failure.body.version_too_large) {
        from_memory_ = false;
        if (!std::exchange(restarted_list_, true)) {
            return;
        }
    } else if (failure.status == 0 || failure.status >= 500) {
        from_memory_ = !from_memory_; // in turns: the newest state needs etcd, memory does not
    }
    if (failure.new_credentials && !std::exchange(tried_credentials_, true)) {
        return;
    }
    pause(list_failures_++, failure.body.retry_after, now);
    report(failure.reason, now);
}

inline Duration SliceInformer::between(Duration low, Duration high) {
    const auto span = static_cast<double>(std::max(high - low, Duration::zero()).count());
    return low + Duration{static_cast<Duration::rep>(span * rng_.uniform())};
}

inline void SliceInformer::pause(unsigned failures, const std::optional<Duration>& asked,
                                 TimePoint now) {
    Duration limit = timing_.backoff_first;
    for (unsigned i = 0; i < failures && limit < timing_.backoff_max; ++i) {
        limit *= 2;
    }
    Duration wanted = between(timing_.backoff_min, std::min(limit, timing_.backoff_max));
    if (asked) {
        // On top of it: everybody was told the same second.
        wanted = std::max(wanted, *asked + between(Duration::zero(), timing_.backoff_first));
    }
    not_before_ = now + wanted;
}

inline void SliceInformer::changed(TimePoint now) {
    if (!std::exchange(changed_, true)) {
        first_change_ = now;
    }
    publish_at_ = std::min(now + timing_.quiet, first_change_ + timing_.quiet_cap);
}

inline void SliceInformer::publish_now(TimePoint now) {
    changed_ = true;
    publish_at_ = now;
}

inline void SliceInformer::report(const std::string& reason, TimePoint now) {
    if (changed_) {
        publish_now(now);
    }
    problem_ = reason;
    lost_ = true;
}

inline std::optional<TimePoint> SliceInformer::publish_at() const {
    return changed_ ? std::optional{publish_at_} : std::nullopt;
}

inline bool SliceInformer::take_publication(TimePoint now) {
    return changed_ && now >= publish_at_ && std::exchange(changed_, false);
}

inline std::optional<std::string> SliceInformer::take_problem() {
    return std::exchange(problem_, std::nullopt);
}

} // namespace failover::discovery
