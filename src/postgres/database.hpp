// SPDX-License-Identifier: MIT
#pragma once

#include "cluster.hpp"
#include "monitor.hpp"
#include "node.hpp"
#include <failover/base/error.hpp>
#include <failover/base/metrics.hpp>
#include <failover/config/database_config.hpp>
#include <failover/db_options.hpp>
#include <failover/db_params.hpp>
#include <failover/engine/attachment.hpp>
#include <failover/engine/call_registry.hpp>
#include <failover/engine/event_post.hpp>
#include <failover/engine/upstream.hpp>
#include <failover/engine/watchdog.hpp>
#include <failover/engine/worker_pool.hpp>
#include <failover/retry/call_plan.hpp>
#include <failover/role/causal_token.hpp>
#include <failover/topology.hpp>

#include <boost/asio/awaitable.hpp>

#include <pqxx/pqxx>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace failover::detail {

/// What a FailoverDB is a handle to: the nodes, their pools and the monitor of one manager.
/// Threads    safe.
/// Runs on    calls: their own thread. The monitor: a thread of its own, so that a busy executor
///            cannot make a primary look dead.
class Database final : public Attachment, public std::enable_shared_from_this<Database> {
public:
    /// Throws ConfigError.
    explicit Database(const AttachmentParts& parts);
    ~Database() override;

    /// Starts the monitor. Once.
    void start();
    [[nodiscard]] std::string status_json() const override;
    void stop() override;

    [[nodiscard]] Result<pqxx::result> read(const Statement& statement, const CausalToken& after,
                                            const DbOptions& options, CallControl& control);
    /// The same without a hedge and uncounted. `taken`: bit i says that another attempt is at node
    /// i; the node chosen is added. Null: nothing is shared.
    [[nodiscard]] Result<pqxx::result> read_once(const Statement& statement,
                                                 const CausalToken& after, const DbOptions& options,
                                                 TimePoint deadline, CallControl& control,
                                                 std::atomic<std::uint64_t>* taken);
    [[nodiscard]] Result<pqxx::result> write(const Statement& statement, const DbOptions& options,
                                             CallControl& control);
    [[nodiscard]] Result<void> transaction(const std::function<void(pqxx::work&)>& body,
                                           const TransactionOptions& options, CallControl& control);
    [[nodiscard]] Result<CausalToken> token(const DbOptions& options, CallControl& control);
    [[nodiscard]] Result<void> health_check(const DbOptions& options, CallControl& control);
    [[nodiscard]] bool pause_writes(Duration limit);

    [[nodiscard]] postgres::Cluster& cluster() noexcept { return *cluster_; }
    [[nodiscard]] const DatabaseConfig& config() const noexcept { return config_; }
    [[nodiscard]] CallRegistry& calls() const noexcept { return *calls_; }
    /// Threads of the async forms that need no primary: writes that wait for one hold none of them.
    [[nodiscard]] WorkerPool& readers() noexcept { return readers_; }
    [[nodiscard]] WorkerPool& writers() noexcept { return writers_; }
    /// Of hedged reads, two each. Nothing waits for one of them: what finds none does without.
    [[nodiscard]] WorkerPool& lanes() noexcept { return lanes_; }
    [[nodiscard]] const std::shared_ptr<CallBudgetPair>& budgets() const noexcept {
        return budgets_;
    }
    [[nodiscard]] DatabaseMeter& meter() noexcept { return *meter_; }
    [[nodiscard]] bool on_manager_thread() const { return on_manager_thread_(); }
    /// On the manager's executor, in order.
    void publish(Event event) const;

    [[nodiscard]] Failure fail(Errc what, std::string detail, bool maybe_executed = false) const;
    [[nodiscard]] CallPlan plan(std::optional<Duration> deadline,
                                std::optional<unsigned> max_retries) const;

    /// Writes under way, for pause_writes().
    class WriteMark {
    public:
        explicit WriteMark(Database& database) noexcept : database_{database} {
            database_.cluster_->write_begins();
        }
        WriteMark(const WriteMark&) = delete;
        WriteMark& operator=(const WriteMark&) = delete;
        ~WriteMark() { database_.cluster_->write_ends(); }

    private:
        Database& database_;
    };

private:
    void make_cluster(const AttachmentParts& parts);
    void tend_commit_log();

    const DatabaseConfig config_;
    std::shared_ptr<CallRegistry> calls_;
    std::shared_ptr<LogSink> log_;
    mutable EventPost events_;
    std::shared_ptr<DatabaseMeter> meter_;
    std::shared_ptr<Resolver> resolver_;
    std::function<bool()> on_manager_thread_;
    std::shared_ptr<CallBudgetPair> budgets_;
    std::atomic<std::int64_t> commit_log_due_{0}; // ticks
    WorkerPool readers_;
    WorkerPool writers_;
    WorkerPool lanes_;
    Watchdog watchdog_; // outlives the sessions of the nodes
    std::shared_ptr<postgres::Cluster> cluster_;
    std::unique_ptr<postgres::Monitor> monitor_;
    std::once_flag stopped_;
};

} // namespace failover::detail
