// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/write_failover.hpp>
#include <failover/role/election_change.hpp>
#include <failover/role/node_report.hpp>
#include <failover/role/primary_position.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace failover {

struct ElectionOptions {
    /// Default promoted_only.
    WriteFailover write_failover = WriteFailover::promoted_only;
    /// How long a proof lasts, from when its question was sent. Longer than two intervals between
    /// questions, or healthy nodes lapse. Range > 0. Default 3 s.
    Duration lease = std::chrono::seconds{3};
    /// The cluster's system identifier. Default 0: that of the first node to report one, until a
    /// node that takes writes reports; then that one's, for good. Named, it is also demanded: a
    /// node that may not say is foreign.
    std::uint64_t system_id = 0;
    /// The newest timeline known from before. Default 0: none. With it a restart trusts no stale
    /// primary.
    std::uint32_t epoch = 0;
    /// Default refuse.
    SplitBrainRule split_brain = SplitBrainRule::refuse;
};

/// Which node of a database may be written to. Every node is asked again and again and speaks for
/// itself; this decides, and never promotes.
///
/// Primary is the node that takes writes on the highest timeline anybody has shown (the epoch), for
/// one lease from its last proof. A node that takes writes on a lower one was left behind by a
/// promotion: what it accepts will be thrown away, so it is fenced, also when it is the only one in
/// reach, until it is in recovery or on a timeline of the epoch. Two nodes that take writes on one
/// timeline were promoted from the same parent: no timeline tells which is right, so there is no
/// primary until one of them is seen not to take writes. That one of them is down does not end it.
///
/// A node that did not answer keeps its lease: silence proves nothing. What was asked before a
/// demotion or before a newer report counts for nothing.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class PrimaryElection {
public:
    explicit PrimaryElection(const ElectionOptions& options)
        : options_{options}, system_id_{options.system_id}, epoch_{options.epoch} {}

    /// Node number `node` (its place in the configuration) answered.
    ElectionChange report(std::size_t node, const NodeReport& report, TimePoint now);
    /// It did not answer.
    ElectionChange lost(std::size_t node, TimePoint now);
    /// A call was refused by it as read-only (25006): it takes no writes until an answer to a later
    /// question says so.
    ElectionChange demoted(std::size_t node, TimePoint now);
    /// Time passed: a lease may have.
    ElectionChange tick(TimePoint now) { return settle({.node = leader_.value_or(0)}, now); }

    /// Whom to write to at this moment.
    [[nodiscard]] std::optional<std::size_t> primary(TimePoint now) const noexcept;
    [[nodiscard]] bool may_write(std::size_t node, TimePoint now) const noexcept {
        return primary(now) == node;
    }
    /// The newest timeline known; only grows. 0: none yet.
    [[nodiscard]] std::uint32_t epoch() const noexcept { return epoch_; }
    /// The cluster's; 0: not known yet.
    [[nodiscard]] std::uint64_t system_id() const noexcept { return system_id_; }
    /// What the node was last seen as. It does not age: for display, not for a decision. Fenced and
    /// foreign outlive the connection.
    [[nodiscard]] NodeRole role(std::size_t node) const noexcept;
    [[nodiscard]] bool split_brain() const noexcept { return split_brain_; }
    /// How far the primary, or the last one, was at its last proof. None: there was none, it is
    /// fenced or takes no writes now, or two take them.
    [[nodiscard]] std::optional<PrimaryPosition> primary_position() const noexcept;

private:
    struct Node {
        NodeReport last{};
        bool seen = false;
        bool lost = false;
        bool fenced = false;
        bool foreign = false;
        /// One of those between which the split brain is.
        bool rival = false;
        /// What was asked up to then proves nothing.
        std::optional<TimePoint> void_until{};
    };

    Node& at(std::size_t node);
    [[nodiscard]] bool independent() const noexcept {
        return options_.write_failover == WriteFailover::any_writable;
    }
    [[nodiscard]] bool belongs(const Node& node) const noexcept;
    [[nodiscard]] bool contends(const Node& node) const noexcept;
    [[nodiscard]] bool fresh(const Node& node, TimePoint now) const noexcept;

    ElectionChange settle(ElectionChange change, TimePoint now);
    void pin_system() noexcept;
    void mark_foreign(ElectionChange& change);
    void raise_epoch(ElectionChange& change) noexcept;
    void mark_fenced(ElectionChange& change);
    void mark_rivals(ElectionChange& change, TimePoint now) noexcept;
    void elect(ElectionChange& change, TimePoint now) noexcept;
    [[nodiscard]] std::optional<std::size_t> choose(TimePoint now) const noexcept;
    [[nodiscard]] std::optional<std::size_t> choose_independent(TimePoint now) const noexcept;
    [[nodiscard]] ElectionReason why_not(const Node& node) const noexcept;

    ElectionOptions options_;
    std::vector<Node> nodes_{};
    std::uint64_t system_id_;
    std::uint32_t epoch_;
    /// The system identifier is that of a node that takes writes.
    bool system_is_proven_ = false;
    bool split_brain_ = false;
    /// As last told.
    std::optional<std::size_t> primary_{};
    /// The last one there was.
    std::optional<std::size_t> leader_{};
};

} // namespace failover

#include <failover/role/detail/election_queries.hpp>
#include <failover/role/detail/election_steps.hpp>
