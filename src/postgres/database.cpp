// SPDX-License-Identifier: MIT
#include "database.hpp"

#include "hedged_read.hpp"
#include "read_work.hpp"
#include "sql_call.hpp"
#include "transaction_work.hpp"
#include "write_work.hpp"
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>
#include <failover/engine/epoch_file.hpp>
#include <failover/engine/new_seed.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace failover::detail {
namespace {

using postgres::Node;

/// The masks of a call have a bit for each node.
constexpr std::size_t most_nodes = 16;

/// A host name's addresses, waited for on the calling thread. The look-up itself runs on the
/// resolver's threads.
std::vector<asio::ip::address> look_up(Resolver& resolver, const std::string& host,
                                       TimePoint until) {
    asio::io_context context{1};
    CallControl control;
    std::vector<asio::ip::address> found;
    auto take = [&found](const std::exception_ptr& error, const Resolver::Answer& answer) {
        if (!error && answer) {
            found = *answer;
        }
    };
    asio::co_spawn(context, resolver.resolve(host, until, control), take);
    context.run();
    return found;
}

FailoverOptions budget_options(const DatabaseConfig& config) {
    FailoverOptions options;
    options.hedge = config.reads.hedge;
    return options;
}

const DatabaseConfig& usable(const Config& config) {
    const DatabaseConfig& database = config.database;
    std::vector<ConfigIssue> issues;
    const std::string key = "database.providers.postgresql";
    if (!database.present) {
        issues.push_back({.key = key, .message = "is not configured"});
    } else if (database.primary.url.empty()) {
        issues.push_back({.key = key + ".primary.url", .message = "is not set"});
    }
    for (const UnsetVariable& variable : database.unset) {
        issues.push_back(unset_issue(config.source, variable));
    }
    if (database.secondaries.size() >= most_nodes) {
        issues.push_back(
            {.key = key + ".secondaries",
             .message = "allowed are at most " + std::to_string(most_nodes) + " nodes in all"});
    }
    if (!issues.empty()) {
        throw ConfigError{std::move(issues)};
    }
    return database;
}

} // namespace

Database::Database(const AttachmentParts& parts)
    : config_{usable(parts.config)},
      calls_{parts.calls},
      log_{parts.log},
      events_{parts.events},
      event_strand_{asio::make_strand(parts.executor)},
      meter_{parts.metrics->database()},
      resolver_{parts.resolver},
      on_manager_thread_{parts.on_manager_thread},
      budgets_{std::make_shared<CallBudgetPair>(budget_options(config_))},
      workers_{config_.pool.workers, config_.pool.max_pending} {
    make_cluster(parts);
}

Database::~Database() {
    stop();
}

void Database::make_cluster(const AttachmentParts& parts) {
    std::vector<std::unique_ptr<Node>> nodes;
    const auto add = [&](const DatabaseNodeConfig& node, const std::string& id) {
        if (node.url.empty()) {
            return; // a place that is not taken
        }
        const postgres::PoolOptions options{
            .max = node.max_connections,
            .max_idle = node.max_idle_connections,
            .min_idle = std::min(config_.pool.min_idle, node.max_idle_connections),
            .max_pending = config_.pool.max_pending,
            .max_connecting = config_.pool.max_connecting,
            .connect_timeout = config_.pool.connect_timeout,
            .max_lifetime = config_.pool.max_lifetime,
            .idle_timeout = config_.pool.idle_timeout,
            .prepare_after = config_.reads.prepare_after};
        postgres::Conninfo info =
            postgres::parse_conninfo(node, "database.providers.postgresql." + id + ".url");
        postgres::LookUp resolve = [resolver = resolver_, host = info.host](TimePoint until) {
            return look_up(*resolver, host, until);
        };
        const std::string& zone = parts.config.service.zone;
        nodes.push_back(std::make_unique<Node>(nodes.size(), id, std::move(info), node.weight,
                                               !zone.empty() && node.zone == zone, options,
                                               watchdog_, std::move(resolve), new_seed()));
    };
    add(config_.primary, "primary");
    for (std::size_t i = 0; i < config_.secondaries.size(); ++i) {
        const std::string& path = config_.secondaries[i].path;
        const std::size_t dot = path.rfind('.');
        add(config_.secondaries[i], dot != std::string::npos ? path.substr(dot + 1)
                                    : i == 0                 ? "secondary"
                                             : "secondaries[" + std::to_string(i - 1) + ']');
    }
    const EpochFile epochs{config_.writes.epoch_file, log_};
    postgres::Cluster::Listener listener{
        .on_event =
            [this](const Event& event) {
                if (event.kind == EventKind::primary_changed) {
                    meter_->failover();
                }
                publish(event);
            },
        .on_doubt =
            [this](const Node*) {
                if (monitor_) {
                    monitor_->ask_now();
                }
            },
        .on_epoch = [epochs](std::uint32_t epoch) { epochs.store(epoch); }};
    cluster_ = std::make_shared<postgres::Cluster>(config_, std::move(nodes), epochs.load(),
                                                   std::move(listener), Clock::now());
    monitor_ = std::make_unique<postgres::Monitor>(*cluster_, config_, resolver_, watchdog_,
                                                   workers_, meter_);
}

void Database::start() {
    monitor_->start();
}

void Database::publish(const Event& event) const {
    asio::post(event_strand_, [events = events_, event] { events->publish(event); });
}

void Database::stop() {
    std::call_once(stopped_, [this] {
        watchdog_.cut(nullptr, TimePoint::max());
        for (const std::unique_ptr<Node>& node : cluster_->nodes()) {
            node->pool.close();
        }
        monitor_->stop();
        workers_.stop();
    });
}

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
    const std::optional<Duration> hedge_after =
        options.hedge_after ? options.hedge_after : config_.reads.hedge.after;
    Result<pqxx::result> result =
        hedge_after && config_.enabled && cluster_->nodes().size() > 1
            ? postgres::hedged_read(*this, statement, after, options, *hedge_after, control)
            : read_once(statement, after, options, control, nullptr);
    meter_->query(result ? DatabaseMeter::End::ok : DatabaseMeter::End::failed,
                  Clock::now() - begun);
    return result;
}

Result<pqxx::result> Database::read_once(const Statement& statement, const CausalToken& after,
                                         const DbOptions& options, CallControl& control,
                                         std::atomic<std::uint64_t>* taken) {
    CallPlan plan = this->plan(options.deadline, options.max_retries);
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
    if (!options.read_only && options.exactly_once.value_or(config_.writes.exactly_once)) {
        if (Result<void> kept = keep_commit_log(options, control); !kept) {
            return kept;
        }
    }
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
    postgres::WriteWork work{*this, statement, postgres::SessionMode::read_write};
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
    const bool found = cluster_->primary(Clock::now()) != nullptr ||
                       cluster_->await_primary(until, control, slot, why) != nullptr;
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
    while (writing_.load() > cluster_->waiting_writes() && Clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return writing_.load() <= cluster_->waiting_writes();
}

/// Creates the table of exactly_once before its first use, and once an hour removes the rows that
/// nobody will ask for any more.
Result<void> Database::keep_commit_log(const TransactionOptions& options, CallControl& control) {
    constexpr Duration hour = std::chrono::hours{1};
    const std::int64_t now = Clock::now().time_since_epoch().count();
    std::int64_t kept = commit_log_kept_.load();
    if (kept != 0 && now - kept < hour.count()) {
        return {};
    }
    const bool first = kept == 0;
    if (!first && !commit_log_kept_.compare_exchange_strong(kept, now)) {
        return {}; // another call sees to it
    }
    const DbOptions plain{.deadline = options.deadline,
                          .max_retries = options.max_retries,
                          .idempotent = true,
                          .exactly_once = false};
    const Statement create{.sql = postgres::commit_log_ddl, .params = {}};
    Result<pqxx::result> created = write(create, plain, control);
    if (!created && created.error().sqlstate == "23505") {
        created = write(create, plain, control); // another process created it at the same moment
    }
    if (!created) {
        return std::move(created).error();
    }
    const Statement purge{.sql = postgres::commit_log_purge, .params = {}};
    if (Result<pqxx::result> purged = write(purge, plain, control); !purged && log_) {
        log_->write(LogLevel::warn, "old rows of failover_commit_log could not be removed",
                    {{"why", purged.error().message()}});
    }
    commit_log_kept_.store(now);
    return {};
}

} // namespace failover::detail
