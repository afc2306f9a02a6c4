// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/base/metrics.hpp>
#include <failover/base/time.hpp>
#include <failover/cache_options.hpp>
#include <failover/config/cache_config.hpp>
#include <failover/engine/cache/attempts.hpp>
#include <failover/engine/cache/nodes.hpp>
#include <failover/engine/cache/read_call.hpp>
#include <failover/engine/cache/work.hpp>
#include <failover/engine/call_registry.hpp>
#include <failover/engine/sync_contexts.hpp>
#include <failover/retry/budget.hpp>
#include <failover/retry/hedge.hpp>
#include <failover/role/own_writes.hpp>

#include <boost/asio/awaitable.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace failover::cache {

/// Runs commands at the nodes of a cache: picks, sends, judges, tries elsewhere.
///
/// A blocking call makes its first attempt on a session of its own thread, which is all it takes
/// while nodes are well; what follows a failure is the same coroutine that async calls are, run on
/// a private context.
/// Threads    safe.
class Calls {
public:
    struct Parts {
        const CacheConfig& config;
        Nodes& nodes;
        std::shared_ptr<CacheMeter> meter;
        std::shared_ptr<CallRegistry> registry;
        std::function<bool()> on_manager_thread;
        /// Where copies to nodes that warm up are made.
        asio::any_io_executor executor;
        /// Keeps all of this alive.
        std::function<std::shared_ptr<const void>()> keep;
        /// A write was refused as by a replica.
        std::function<void(Node&)> on_demoted;
        /// The server refused this library itself: its words.
        std::function<void(Node&, const std::string&)> on_misconfigured;
    };

    explicit Calls(Parts parts);

    [[nodiscard]] Result<Reply> run(Work work, const CacheOptions& options);
    asio::awaitable<Result<Reply>> async_run(Work work, CacheOptions options);

    /// Begins a get(); to be waited for when it has a node().
    [[nodiscard]] std::shared_ptr<ReadCall> begin_get(const asio::any_io_executor& executor,
                                                      std::shared_ptr<const void> keep,
                                                      std::string key, const CacheOptions& options);
    /// The answer, when the first attempt came to a value; null: end_get_slowly() goes on.
    [[nodiscard]] Answer* end_get(ReadCall& call);
    asio::awaitable<Result<Reply>> end_get_slowly(std::shared_ptr<ReadCall> call,
                                                  CacheOptions options);

    /// Runs a coroutine on the calling thread.
    /// `until`: when the work should have ended; it is cancelled a little later, in case that
    /// whoever is to end it does not run.
    template <class T>
    [[nodiscard]] Result<T> block_on(asio::awaitable<Result<T>> work, TimePoint until);

    [[nodiscard]] CallRegistry& registry() const noexcept { return *parts_.registry; }
    [[nodiscard]] const CacheConfig& config() const noexcept { return parts_.config; }
    [[nodiscard]] Nodes& nodes() const noexcept { return parts_.nodes; }
    [[nodiscard]] CacheMeter& meter() const noexcept { return *parts_.meter; }
    /// Does `node` stand in for the primary, in gutter mode?
    [[nodiscard]] bool gutters(const Node& node) const noexcept {
        return parts_.config.mode == CacheMode::gutter && node.index() != 0;
    }
    /// Gutter mode: the secondary holds something from now on.
    void note_guttered() noexcept {
        guttered_until_.store(
            (Clock::now() + parts_.config.gutter_ttl * 2).time_since_epoch().count(),
            std::memory_order_relaxed);
    }
    [[nodiscard]] static Failure fail(Errc what, std::string detail);
    /// A node left.
    void lost(const Node& node) noexcept { own_.new_era(node.index()); }
    /// A value read at `node` that may be older than what this process wrote is none, and is
    /// deleted. `own`: what this process had written when the read was sent.
    void doubt(const Node& node, std::string_view key, std::uint64_t hash, OwnWrites::Seen own,
               Reply& reply);
    [[nodiscard]] OwnWrites& own_writes() noexcept { return own_; }
    [[nodiscard]] OwnWrites::Era era_of(const Node& node, std::uint64_t hash) const noexcept;
    [[nodiscard]] bool would_deadlock() const { return parts_.on_manager_thread(); }

    /// One command at one node, without attempts; for what get_or_load() and warming do.
    [[nodiscard]] asio::awaitable<Answer> ask(Node& node, std::uint64_t hash, std::string bytes,
                                              TimePoint until);
    /// The same, and nobody waits for it.
    void tell(Node& node, std::uint64_t hash, const std::string& bytes);

private:
    [[nodiscard]] CallPlan plan(CommandClass kind, const CacheOptions& options,
                                TimePoint start) const;
    [[nodiscard]] CallBudgets budgets() noexcept { return {retries_, hedges_}; }
    [[nodiscard]] WriteAck ack_of(const CacheOptions& options) const noexcept;
    [[nodiscard]] CacheReads reads_of(const CacheOptions& options) const noexcept;

    [[nodiscard]] Answer read_once(const Work& work, Node& node, TimePoint until,
                                   CallControl& control);
    [[nodiscard]] Answer write_once(const Work& work, Node& lead, WriteAck ack, TimePoint until,
                                    CallControl& control);
    asio::awaitable<Result<Reply>> go_on(std::shared_ptr<Work> work, CacheOptions options,
                                         std::unique_ptr<Attempts> attempts, CallControl* control,
                                         Attempts::Step step);
    asio::awaitable<Answer> read_attempt(std::shared_ptr<Work> work, Node* node, TimePoint until);
    asio::awaitable<Answer> write_attempt(std::shared_ptr<Work> work, Node* lead, WriteAck ack,
                                          TimePoint until);
    asio::awaitable<Answer> answer_for(std::shared_ptr<Work> work, Node* node, Answer answer,
                                       TimePoint until);
    asio::awaitable<void> copy(std::shared_ptr<const void> keep, std::string key, Node* node,
                               Node* peer);
    [[nodiscard]] Attempts::Step nobody(Attempts& attempts, TimePoint now);

    /// Bit i: a write whose lead is `lead` concerns node i too.
    [[nodiscard]] std::uint64_t targets_of(const Node& lead) const noexcept;
    [[nodiscard]] const std::string& bytes_for(const Work& work, const Node& lead) const noexcept {
        return gutters(lead) && !work.capped.empty() ? work.capped : work.bytes;
    }
    /// `bytes`, or what has the server refuse them after `until`, which is made in `buffer`.
    [[nodiscard]] static std::string_view timed(const Work& work, std::string_view bytes,
                                                const Node& node, TimePoint until,
                                                std::string& buffer);
    /// What has no life of its own gets one, where it stands in.
    void cap_life(const Work& work, Node& lead);
    [[nodiscard]] bool takes(const Node& node, const Node& lead, const Work& work) const noexcept;
    [[nodiscard]] std::uint64_t begin_at_others(const Work& work, const Node& lead, bool ordered);
    void send_to_others(const Work& work, Node& lead, const std::shared_ptr<WriteJoin>& join,
                        TimePoint until, std::uint64_t begun, bool now);
    [[nodiscard]] static Answer conclude(WriteJoin& join);
    [[nodiscard]] bool enough(WriteAck ack) const noexcept;
    [[nodiscard]] WriteJoin::Plan join_plan(const Work& work, const Node& lead,
                                            WriteAck ack) const noexcept;
    [[nodiscard]] OwnWrite own_write(const Work& work) noexcept;
    void heed(Node& node, const Answer& answer, CommandClass kind);
    static void hide_own(Reply& reply);
    [[nodiscard]] std::mutex& order_of(std::uint64_t hash) noexcept {
        return orders_[hash % orders_.size()];
    }

    const Parts parts_;
    RetryBudget retries_;
    HedgeBudget hedges_;
    OwnWrites own_;
    failover::detail::SyncContexts contexts_;
    // Writes of one key are given to all nodes in one order.
    std::array<std::mutex, 64> orders_;
    std::atomic<std::size_t> copying_{0};
    // Gutter mode: until when the secondary may hold what stood in. Ticks.
    std::atomic<TimePoint::rep> guttered_until_{0};
};

} // namespace failover::cache

#include <failover/engine/cache/detail/calls_async.hpp>
#include <failover/engine/cache/detail/calls_blocking.hpp>
#include <failover/engine/cache/detail/calls_shared.hpp>
#include <failover/engine/cache/detail/calls_warming.hpp>
