// SPDX-License-Identifier: MIT
#pragma once

#include "connect.hpp"
#include "node.hpp"
#include <failover/base/event.hpp>
#include <failover/base/rng.hpp>
#include <failover/config/database_config.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/role/causal_token.hpp>
#include <failover/role/monitor_pace.hpp>
#include <failover/role/primary_election.hpp>
#include <failover/role/staleness.hpp>
#include <failover/role/write_buffer.hpp>
#include <failover/topology.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace failover::postgres {

/// What a primary is wanted for.
enum class PrimaryUse {
    /// Not while writes are paused, nor on a node that is being drained.
    write,
    /// Not on a node that is being drained.
    read,
    /// To find out about a commit of before, whatever an operator has ordered since, and for longer
    /// than the write buffer's window.
    look,
};

/// The nodes, what they proved to be, and who may be written: the pure rules of failover/role with
/// a lock around them, and the calls that wait for a primary.
///
/// Calls choose without the lock, from what Node holds; every change passes through it.
///
/// Threads    safe.
/// Blocks     await_primary() and sleep() until their time is over or the call is aborted.
class Cluster {
public:
    /// Told after the lock is released.
    struct Listener {
        std::function<void(const Event&)> on_event;
        /// Fresh evidence of a node is wanted now; null: of all.
        std::function<void(const Node*)> on_doubt;
        /// The timeline grew.
        std::function<void(std::uint32_t)> on_epoch;
    };

    Cluster(const DatabaseConfig& config, std::vector<std::unique_ptr<Node>> nodes,
            std::uint32_t epoch, Listener listener, TimePoint now);

    [[nodiscard]] const std::vector<std::unique_ptr<Node>>& nodes() const noexcept {
        return nodes_;
    }
    [[nodiscard]] Node* find(std::string_view id) const noexcept;

    // For calls.

    /// The primary, proven a moment ago; null: none that may be used so, await_primary() waits for
    /// one. No lock.
    [[nodiscard]] Node* primary(TimePoint now, PrimaryUse use = PrimaryUse::write) const noexcept;

    /// Why there is no primary to be had.
    struct NoPrimary {
        enum class Why { timed_out, refused, aborted };
        Why why = Why::timed_out;
        std::string detail{};
    };
    /// A place among the writes that go on after an outage, held until the write has ended.
    class DrainSlot {
    public:
        DrainSlot() = default;
        DrainSlot(const DrainSlot&) = delete;
        DrainSlot& operator=(const DrainSlot&) = delete;
        ~DrainSlot() { release(); }
        /// The write has ended, or waits again.
        void release() {
            if (Cluster* const of = std::exchange(cluster_, nullptr)) {
                of->drained();
            }
        }

    private:
        friend class Cluster;
        Cluster* cluster_ = nullptr;
    };
    /// Waits until there is one, at most until `until`. Null: `why` says. Only writes take a slot.
    [[nodiscard]] Node* await_primary(TimePoint until, CallControl& control, DrainSlot& slot,
                                      NoPrimary& why, PrimaryUse use = PrimaryUse::write);
    /// A call that writes begins, before it looks for a primary; write_ends() when it is over.
    void write_begins() noexcept { ++under_way_; }
    void write_ends() noexcept { --under_way_; }
    /// Calls that write and do not wait for a primary: one counter, since two could not be read at
    /// one moment.
    [[nodiscard]] std::size_t writes_under_way() const noexcept { return under_way_.load(); }
    /// Until something changed, or `until`. False: aborted.
    [[nodiscard]] bool wait_changed(TimePoint until, CallControl& control);
    /// Is a primary known, proven a moment ago or not? No lock.
    [[nodiscard]] bool primary_known() const noexcept {
        return primary_.load(std::memory_order_acquire) != nullptr;
    }
    /// A pause of a call. False: aborted.
    [[nodiscard]] bool sleep(TimePoint until, CallControl& control);
    /// Standbys known to have `token`: bit i is node i.
    [[nodiscard]] std::uint64_t holders(const CausalToken& token) const;
    /// Asks every node, and waits for what they say, for a few milliseconds and not beyond `until`.
    /// False: aborted.
    [[nodiscard]] bool ask_and_wait(TimePoint until, CallControl& control);
    [[nodiscard]] bool within(const Node& node, Duration max_age, TimePoint now) const;

    /// What a call met says something about a node: it must prove anew what it is before it is
    /// written again.
    void doubt(Node& node, TimePoint now);
    /// What a call was told may be news of another primary: every node is asked at once. What was
    /// proved stays proved.
    void hurry(TimePoint now);
    /// A write was refused by it as by a standby.
    void demoted(Node& node, TimePoint now);

    // For the monitor.

    void reported(Node& node, const NodeReport& report, TimePoint now);
    void lost(Node& node, const SqlFailure& failure, TimePoint now);
    [[nodiscard]] TimePoint next_probe(TimePoint now);
    /// Longest wait for an answer; `round_trip`: of the last one over the same connection, 0: none.
    [[nodiscard]] Duration probe_timeout(Duration round_trip) const;
    /// A log-in that was no probe ended; `problem` is empty when it passed.
    void logged_in(Node& node, const std::string& problem);

    // For operators.

    void pause();
    void resume();
    void set_draining(Node& node, bool draining);

    /// Writes that wait for a primary, or for the end of a pause.
    [[nodiscard]] std::size_t waiting_writes() const;
    /// At most this old; none: unknown. 0 for one that is no standby.
    [[nodiscard]] std::optional<Duration> staleness(const Node& node) const;
    [[nodiscard]] Topology topology(TimePoint now) const;
    /// Where the primary was when it was asked last; none: there is none.
    [[nodiscard]] std::optional<PrimaryPosition> position() const;
    [[nodiscard]] std::uint64_t system_id() const;
    [[nodiscard]] std::uint32_t epoch() const;
    /// For people: why no node is proven primary.
    [[nodiscard]] std::string explain() const;

private:
    struct Watched {
        NodeReport last{};
        StalenessGate gate;
        /// It has answered or failed once.
        bool heard = false;
        /// An answer that waits for other nodes to be heard.
        std::optional<NodeReport> held{};
        std::string problem{};
        /// Of the last log-in that was no probe.
        std::string log_in_problem{};
        TimePoint unreachable_since{};
    };
    class Awakened;
    /// What to tell once the lock is released.
    struct Told {
        std::vector<Event> events;
        const Node* purge = nullptr;
        bool doubt_all = false;
        std::uint32_t epoch = 0;
    };

    [[nodiscard]] Event event(EventKind kind, const Node* node, std::string reason,
                              Duration lasted = {}) const;
    void elect(TimePoint now, Told& told);
    void note(const ElectionChange& change, TimePoint now, Told& told);
    void refresh(TimePoint now);
    void spare_writes();
    void tell(Told told);
    [[nodiscard]] std::string explain_locked() const;
    [[nodiscard]] BufferAnswer enter(PrimaryUse use, TimePoint now);
    [[nodiscard]] TimePoint wait_limit(TimePoint now, TimePoint until);
    void drained();

    const DatabaseConfig config_;
    const std::vector<std::unique_ptr<Node>> nodes_;
    const Listener listener_;
    std::atomic<Node*> primary_{nullptr};
    std::atomic<bool> paused_{false};
    std::atomic<std::size_t> under_way_{0};

    mutable std::mutex mutex_; // everything below; never held while told or I/O is done
    std::condition_variable changed_;
    PrimaryElection election_;
    std::vector<Watched> watched_;
    MonitorPace pace_;
    WriteBuffer buffer_;
    Rng rng_;
    std::size_t last_primary_; // by index; nodes_.size(): none yet
    TimePoint without_primary_since_;
    bool has_primary_ = false;
    /// The buffer and the listener know of the outage: it is longer than a moment.
    bool outage_told_ = false;
    bool lost_told_ = false;
    /// Writes that waited go on a few at a time.
    bool drains_ = false;
    std::size_t waiting_writes_ = 0;
};

} // namespace failover::postgres
