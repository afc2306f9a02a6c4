// SPDX-License-Identifier: MIT
#pragma once

#include "database.hpp"
#include "session.hpp"
#include <failover/retry/attempt_machine.hpp>
#include <failover/role/in_doubt.hpp>
#include <failover/role/sql_outcome.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

namespace failover::postgres {

/// How far an attempt has come; kept by the work itself.
struct Progress {
    Work work = Work::read;
    /// A byte of a statement may have left.
    bool sent = false;
    /// The socket was shut down by the watchdog or another thread.
    bool cut = false;
    /// SqlAttempt's.
    std::optional<bool> in_recovery{};
    bool unparsed = false;
};

/// Where an attempt goes.
struct Choice {
    /// Null: nowhere.
    Node* node = nullptr;
    PickFailure failure = PickFailure::none_usable;
    /// Of a call that ends here; none: the attempt machine's own.
    std::optional<Errc> error{};
    std::string detail{};
};

/// What a call does, attempt by attempt.
class SqlWork {
public:
    explicit SqlWork(SessionMode mode) noexcept : mode_{mode} {}
    SqlWork(const SqlWork&) = delete;
    SqlWork& operator=(const SqlWork&) = delete;
    virtual ~SqlWork() = default;

    /// May wait until `until`. Bit i of `excluded`: node i failed this call.
    [[nodiscard]] virtual Choice choose(std::uint64_t excluded, TimePoint until,
                                        CallControl& control) = 0;
    /// One attempt on a live session; throws what libpqxx throws.
    virtual void run(Session& session, Node& node, Progress& progress) = 0;
    /// Looks into an attempt in doubt, until `until`.
    [[nodiscard]] virtual InDoubtDecision resolve(Node&, TimePoint, CallControl&) {
        return InDoubtDecision::undecided;
    }
    /// Reruns on the same node after a conflict with another transaction.
    [[nodiscard]] virtual unsigned conflict_retries() const noexcept { return 0; }

    [[nodiscard]] SessionMode mode() const noexcept { return mode_; }

private:
    const SessionMode mode_;
};

/// Runs the attempts of one call on the calling thread: the machine decides, this does.
/// Threads    one.
/// Blocks     until the plan's deadline at most, and the time a server needs to notice a rollback.
class SqlCall {
public:
    SqlCall(detail::Database& database, const CallPlan& plan, CallControl& control)
        : database_{database},
          plan_{plan},
          control_{control},
          machine_{plan_, CallBudgets{database.budgets()->retry, database.budgets()->hedge}},
          rng_{static_cast<std::uint64_t>(plan.start.time_since_epoch().count())} {}

    /// What neither libpqxx nor a server is to blame for passes through.
    [[nodiscard]] Result<void> run(SqlWork& work);

private:
    struct Attempt {
        AttemptResult result{};
        SqlFailure failure{};
        SqlVerdict verdict{};
    };

    [[nodiscard]] CallAction start(SqlWork& work, const StartAttempt& start);
    [[nodiscard]] Attempt attempt(SqlWork& work, Node& node, TimePoint until);
    [[nodiscard]] std::optional<SqlFailure> run_once(SqlWork& work, Session& session, Node& node,
                                                     TimePoint until, Progress& progress);
    [[nodiscard]] Attempt left_behind() const;
    [[nodiscard]] Attempt refused(SessionPool::Refusal refusal) const;
    [[nodiscard]] Attempt judge(SqlWork& work, Node& node, SqlFailure failure, bool connected,
                                bool broken, const Progress& progress);
    void heed(Node& node, const SqlVerdict& verdict);
    void log(const Node& node, const Attempt& attempt, TimePoint started);
    [[nodiscard]] Failure conclude(const Finish& finish);

    detail::Database& database_;
    const CallPlan plan_;
    CallControl& control_;
    AttemptMachine machine_;
    Rng rng_;
    AttemptLog log_;
    SqlFailure last_;
    SqlVerdict last_verdict_;
    bool only_refused_ = true; // every attempt so far met a node that refused the log-in
    std::exception_ptr cause_;
    std::optional<Errc> error_;
    std::string detail_;
};

} // namespace failover::postgres
