// SPDX-License-Identifier: MIT
#include "commit_log.hpp"
#include "database.hpp"
#include "hedged_read.hpp"
#include "read_work.hpp"
#include "sql_call.hpp"
#include "transaction_work.hpp"
#include "write_work.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

namespace failover::detail {

Failure Database::fail(Errc what, std::string detail, bool maybe_executed) const {
    return Failure{.code = make_error_code(what, maybe_executed),
                   .service = "database",
                   .detail = std::move(detail)};
}

CallPlan Database::plan(std::optional<Duration> deadline,
                        std::optional<unsigned> max_retries) const {
    const TimePoint now = Clock::now();
    const Duration limit = deadline.value_or(config_.timeout);
    const unsigned retries = max_retries.value_or(config_.max_retries);
    return CallPlan{.start = now,
                    .deadline = time_after(now, limit),
                    .attempt_timeout = limit,
                    .max_retries = config_.enabled ? retries : 0,
                    .idempotent = false,
                    .non_idempotent = NonIdempotent::when_unsent,
                    .retry_on = RetryOnSet::all(),
                    .backoff = {},
                    .retry_interval = std::chrono::seconds{5},
                    .hedge_after = {}};
}

Result<pqxx::result> Database::read(const Statement& statement, const CausalToken& after,
                                    const DbOptions& options, CallControl& control) {
    const TimePoint begun = Clock::now();
    const TimePoint deadline = time_after(begun, options.deadline.value_or(config_.timeout));
    const std::optional<Duration> hedge_after =
        options.hedge_after ? options.hedge_after : config_.reads.hedge.after;
    Result<pqxx::result> result =
        hedge_after && config_.enabled && cluster_->nodes().size() > 1
            ? postgres::hedged_read(*this, statement, after, options, deadline, *hedge_after,
                                    control)
            : read_once(statement, after, options, deadline, control, nullptr);
    meter_->query(result ? DatabaseMeter::End::ok : DatabaseMeter::End::failed,
                  Clock::now() - begun);
    return result;
}

Result<pqxx::result> Database::read_once(const Statement& statement, const CausalToken& after,
                                         const DbOptions& options, TimePoint deadline,
                                         CallControl& control, std::atomic<std::uint64_t>* taken) {
    CallPlan plan = this->plan(options.deadline, options.max_retries);
    plan.deadline = deadline;
    plan.idempotent = true;
    postgres::ReadWork work{*this,
                            statement,
                            after,
                            options,
                            static_cast<std::uint64_t>(plan.start.time_since_epoch().count()),
                            taken};
    postgres::SqlCall call{*this, plan, control};
    if (Result<void> ended = call.run(work); !ended) {
        return std::move(ended).error();
    }
    return std::move(work.result());
}

Result<pqxx::result> Database::write(const Statement& statement, const DbOptions& options,
                                     CallControl& control) {
    if (options.exactly_once.value_or(config_.writes.exactly_once)) {
        pqxx::result kept;
        const std::function<void(pqxx::work&)> body = [&](pqxx::work& work) {
            postgres::SqlParams params;
            for (const SqlParam& param : statement.params) {
                params.push_back(param ? param->c_str() : nullptr);
            }
            kept = postgres::exec_bound(work, statement.sql, params);
        };
        Result<void> ended = transaction(body,
                                         TransactionOptions{.deadline = options.deadline,
                                                            .max_retries = options.max_retries,
                                                            .exactly_once = true},
                                         control);
        if (!ended) {
            return std::move(ended).error();
        }
        return kept;
    }
    const WriteMark mark{*this};
    CallPlan plan = this->plan(options.deadline, options.max_retries);
    plan.idempotent = options.idempotent;
    postgres::WriteWork work{*this, statement, postgres::SessionMode::read_write};
    postgres::SqlCall call{*this, plan, control};
    Result<void> ended = call.run(work);
    meter_->execution(ended ? DatabaseMeter::End::ok : DatabaseMeter::End::failed,
                      Clock::now() - plan.start);
    if (!ended) {
        return std::move(ended).error();
    }
    return std::move(work.result());
}

Result<void> Database::transaction(const std::function<void(pqxx::work&)>& body,
                                   const TransactionOptions& options, CallControl& control) {
    CallPlan plan = this->plan(options.deadline, options.max_retries);
    plan.idempotent = options.read_only;
    std::optional<WriteMark> mark;
    if (!options.read_only) {
        mark.emplace(*this);
    }
    postgres::TransactionWork work{
        *this, body, options, static_cast<std::uint64_t>(plan.start.time_since_epoch().count())};
    postgres::SqlCall call{*this, plan, control};
    Result<void> ended = call.run(work);
    meter_->execution(ended ? DatabaseMeter::End::ok : DatabaseMeter::End::failed,
                      Clock::now() - plan.start);
    if (ended && !options.read_only && options.exactly_once.value_or(config_.writes.exactly_once)) {
        tend_commit_log();
    }
    return ended;
}

Result<CausalToken> Database::token(const DbOptions& options, CallControl& control) {
    // The insert position: with synchronous_commit off, what was acknowledged may not be flushed.
    const Statement statement{.sql =
                                  "SELECT pg_current_wal_insert_lsn(), left(pg_walfile_name("
                                  "pg_current_wal_insert_lsn()), 8)",
                              .params = {}};
    CallPlan plan = this->plan(options.deadline, options.max_retries);
    plan.idempotent = true;
    postgres::WriteWork work{*this, statement, postgres::SessionMode::read_write,
                             postgres::PrimaryUse::read};
    postgres::SqlCall call{*this, plan, control};
    if (Result<void> ended = call.run(work); !ended) {
        return std::move(ended).error();
    }
    const pqxx::row row = work.result()[0];
    const std::optional<Lsn> position = parse_lsn(row[0].c_str());
    const auto timeline = static_cast<std::uint32_t>(std::stoul(row[1].c_str(), nullptr, 16));
    return CausalToken{cluster_->system_id(), timeline, position.value_or(Lsn{})};
}

Result<void> Database::health_check(const DbOptions& options, CallControl& control) {
    const CallPlan plan = this->plan(options.deadline, options.max_retries);
    const TimePoint until = std::min(plan.deadline, plan.start + config_.pool.connect_timeout);
    const std::vector<std::string> problems = monitor_->check_log_ins(until);
    postgres::Cluster::DrainSlot slot;
    postgres::Cluster::NoPrimary why;
    constexpr auto use = postgres::PrimaryUse::read;
    const bool found = cluster_->primary(Clock::now(), use) != nullptr ||
                       cluster_->await_primary(until, control, slot, why, use) != nullptr;
    if (found) {
        return {};
    }
    std::string detail = cluster_->explain();
    for (std::size_t i = 0; i < problems.size(); ++i) {
        if (!problems[i].empty()) {
            detail +=
                "; a log-in to " + cluster_->nodes()[i]->id + " failed: " + escaped(problems[i]);
        }
    }
    return fail(Errc::no_primary, std::move(detail));
}

bool Database::pause_writes(Duration limit) {
    cluster_->pause();
    const TimePoint end = Clock::now() + limit;
    while (cluster_->writes_under_way() > 0) {
        if (Clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
}

/// Once an hour, removes what nobody will ask for any more, beside the calls.
void Database::tend_commit_log() {
    constexpr Duration hour = std::chrono::hours{1};
    const std::int64_t now = Clock::now().time_since_epoch().count();
    std::int64_t due = commit_log_due_.load(std::memory_order_relaxed);
    if (now < due || !commit_log_due_.compare_exchange_strong(due, now + hour.count())) {
        return;
    }
    auto task = [self = shared_from_this()] {
        CallRegistry::Entry entry{self->calls()};
        if (!entry.open()) {
            return;
        }
        try {
            const Result<void> purged = postgres::commit_log::purge(*self, entry.control());
            if (!purged && self->log_) {
                self->log_->write(LogLevel::warn,
                                  "old rows of failover_commit_log could not be removed",
                                  {{"why", purged.error().message()}});
            }
        } catch (const std::exception&) { // no memory: in an hour, perhaps
        }
    };
    if (!writers_.run(std::move(task))) {
        commit_log_due_.store(0); // all workers are busy: after the next one
    }
}

} // namespace failover::detail
