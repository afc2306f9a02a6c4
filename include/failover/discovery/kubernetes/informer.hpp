// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/discovery/kubernetes/informer_timing.hpp>
#include <failover/discovery/kubernetes/slice_table.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace failover::discovery {

/// Ask for one page of the list.
struct ListSlices {
    /// None: the newest state. "0": any, from the server's memory. Another: not older than this.
    std::optional<std::string> resource_version{};
    /// Not empty: the page that begins here; then there is no resource_version.
    std::string next{};
};
/// Watch from here.
struct WatchSlices {
    std::string resource_version{};
    std::chrono::seconds timeout{};
};
/// Nothing to do before.
struct WaitUntil {
    TimePoint until{};
};
using InformerAction = std::variant<ListSlices, WatchSlices, WaitUntil>;

/// Why a request gave nothing to work with.
struct KubeFailure {
    /// HTTP status; 0: no complete answer.
    int status = 0;
    /// What its body says, as far as it could be read, with the Retry-After field.
    KubeStatus body{};
    /// For people: what happened and what to do.
    std::string reason{};
    /// The credentials were read again and are others now: worth an attempt at once.
    bool new_credentials = false;
};

/// How a watch ended.
struct WatchEnd {
    enum class How {
        /// In order: its time was up, this reader was too slow, the server is going away.
        clean,
        /// Within its body: the server died, or something between.
        cut,
        /// Nothing came for too long.
        silent,
        /// No connection, or no answer on it.
        unreachable,
        /// An answer other than 2xx.
        refused,
        /// What came is no watch; it was dropped.
        malformed,
    };
    How how = How::clean;
    /// For everything but `clean`.
    KubeFailure failure{};
};

/// The list and watch protocol of Kubernetes for the slices of one service, without I/O: what to
/// ask next, what an answer means, when to publish and what to report.
///
/// Drive it so: carry out next(), tell how that ended, repeat. After each call, and at
/// publish_at(), look first at take_publication(), then at take_problem(): news that arrived before
/// a failure is no recovery from it.
///
/// An expired resourceVersion (410) is normal after a restart of the server: it leads to a new list
/// at once and is no problem. A watch that is cut goes on from where it was. Problems end with the
/// next complete list, or the next line of a watch.
///
/// Threads    one thread.
class SliceInformer {
public:
    SliceInformer(const InformerTiming& timing, Rng rng) : timing_{timing}, rng_{rng} {}

    /// What to do now. To be asked when no request is under way.
    [[nodiscard]] InformerAction next(TimePoint now);

    /// The page asked for arrived. Nothing of it counts before the last one did.
    void on_page(SlicePage page, TimePoint now);
    void on_list_failed(const KubeFailure& failure, TimePoint now);
    /// A line of the watch under way.
    void on_event(WatchEvent event, TimePoint now);
    void on_watch_ended(const WatchEnd& end, TimePoint now);

    /// When the set is to be published; none: it has not changed.
    [[nodiscard]] std::optional<TimePoint> publish_at() const;
    /// True once for each time that the set is to be published now.
    [[nodiscard]] bool take_publication(TimePoint now);
    /// What to report, once.
    [[nodiscard]] std::optional<std::string> take_problem();

    [[nodiscard]] const SliceTable& table() const noexcept { return table_; }
    /// A complete list has arrived at least once.
    [[nodiscard]] bool synced() const noexcept { return synced_; }
    /// Is a list under way, or wanted next?
    [[nodiscard]] bool listing() const noexcept { return listing_; }

private:
    void finish_list(TimePoint now);
    void drop_pages();
    void relist() noexcept { listing_ = true; }
    void relist_expired(TimePoint now);
    void watch_failed(const KubeFailure& failure, TimePoint now);
    void watch_works(TimePoint now);
    void changed(TimePoint now);
    void publish_now(TimePoint now);
    void report(const std::string& reason, TimePoint now);
    void pause(unsigned failures, const std::optional<Duration>& asked, TimePoint now);
    [[nodiscard]] Duration between(Duration low, Duration high);

    InformerTiming timing_;
    Rng rng_;
    SliceTable table_;
    std::string version_;    // from which the next watch goes on
    TimePoint not_before_{}; // of the next request
    TimePoint relist_at_{};
    TimePoint watch_begun_{};

    std::vector<Slice> pages_; // of the list under way
    std::string pages_version_;
    std::string next_page_;
    unsigned page_count_ = 0;

    unsigned list_failures_ = 0;    // in a row; a complete list resets it
    unsigned watch_failures_ = 0;   // in a row; a line, or a watch of some length, resets it
    unsigned expired_in_a_row_ = 0; // 410 again and again is a failure after all
    bool synced_ = false;
    bool listing_ = true;
    bool from_memory_ = false;       // ask for what the server remembers: its etcd may be gone
    bool restarted_list_ = false;    // a list was begun anew without a pause
    bool tried_credentials_ = false; // likewise, with credentials that had changed
    bool listed_only_ = false;       // a list worked and the watch after it was refused
    bool fresh_list_ = false;        // no watch has worked since the list
    bool expired_ = false;           // said by the watch under way
    std::optional<KubeStatus> stream_error_; // likewise
    unsigned lines_ = 0;

    bool changed_ = false;
    TimePoint first_change_{};
    TimePoint publish_at_{};
    bool lost_ = false; // a problem was reported and has not ended
    std::optional<std::string> problem_;
};

} // namespace failover::discovery

#include <failover/discovery/kubernetes/detail/informer_lists.hpp>
#include <failover/discovery/kubernetes/detail/informer_watches.hpp>
