// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/kubernetes/informer.hpp>

#include <utility>

// What a watch says and how it ends.
namespace failover::discovery {

inline void SliceInformer::on_event(WatchEvent event, TimePoint now) {
    if (event.type == WatchEvent::Type::error) {
        if (event.status.code == 410 || event.status.version_too_large) {
            expired_ = true;
        } else {
            stream_error_ = std::move(event.status);
        }
        return;
    }
    ++lines_;
    watch_works(now);
    if (event.type != WatchEvent::Type::other && !event.slice.resource_version.empty()) {
        version_ = event.slice.resource_version;
    }
    if (table_.apply(std::move(event))) {
        changed(now);
    }
}

inline void SliceInformer::watch_works(TimePoint now) {
    watch_failures_ = 0;
    expired_in_a_row_ = 0;
    fresh_list_ = false;
    listed_only_ = false;
    tried_credentials_ = false;
    if (std::exchange(lost_, false)) {
        publish_now(now);
    }
}

inline void SliceInformer::relist_expired(TimePoint now) {
    relist();
    from_memory_ = false;
    not_before_ = now;
    if (++expired_in_a_row_ > 1) {
        pause(watch_failures_++, std::nullopt, now);
    }
}

inline void SliceInformer::on_watch_ended(const WatchEnd& end, TimePoint now) {
    using How = WatchEnd::How;
    const KubeFailure& failure = end.failure;
    const bool was_open = end.how == How::clean || end.how == How::cut || end.how == How::silent;
    const bool long_enough = was_open && now - watch_begun_ >= timing_.watch_too_short;
    not_before_ = now;
    if (expired_ || failure.status == 410 || failure.body.version_too_large) {
        relist_expired(now);
        return;
    }
    if (stream_error_) {
        const std::string text =
            stream_error_->message.empty() ? stream_error_->reason : stream_error_->message;
        watch_failed({.body = *stream_error_, .reason = "the watch said: " + text}, now);
        return;
    }
    if (long_enough && end.how != How::silent) {
        watch_works(now);
    }
    switch (end.how) {
        case How::clean:
            if (!long_enough && lines_ == 0) {
                watch_failed({.reason = "the watch ended at once"}, now);
            }
            break;
        case How::cut:
            watch_failed(failure, now);
            break;
        case How::silent:
            // Perhaps it watches a future that never comes: only a list can tell.
            relist();
            break;
        case How::refused:
            listed_only_ = fresh_list_;
            watch_failed(failure, now);
            break;
        case How::unreachable:
        case How::malformed:
            relist();
            pause(watch_failures_++, failure.body.retry_after, now);
            report(failure.reason, now);
            break;
    }
}

/// The first time is no news: it goes on from where it was after a pause. Then it is reported, and
/// a list tells whether the server answers again, which an idle watch would not for a minute.
inline void SliceInformer::watch_failed(const KubeFailure& failure, TimePoint now) {
    if (failure.new_credentials && !std::exchange(tried_credentials_, true)) {
        return;
    }
    const bool may_pass = failure.status == 0 || failure.body.retry_after.has_value();
    const bool first = watch_failures_ == 0;
    pause(watch_failures_++, failure.body.retry_after, now);
    if (first && may_pass) {
        return;
    }
    relist();
    report(failure.reason, now);
}

} // namespace failover::discovery
