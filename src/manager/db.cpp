// SPDX-License-Identifier: MIT
#include "../postgres/async_call.hpp"
#include "../postgres/database.hpp"
#include "manager_access.hpp"
#include <failover/db.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace failover {
namespace {

using detail::Database;
using detail::must;
using detail::must_async;

/// A call on the calling thread.
template <class T, class Call>
Result<T> on_this_thread(Database& database, const Call& call) {
    if (database.on_manager_thread()) {
        return database.fail(Errc::would_deadlock, "use the async_ form");
    }
    CallRegistry::Entry entry{database.calls()};
    if (!entry.open()) {
        return database.fail(Errc::not_running, "the manager was stopped");
    }
    return call(entry.control());
}

/// The options of a call that has waited for a worker.
template <class Options>
Options within(Options options, Duration left) {
    options.deadline = std::max(left, Duration::zero());
    return options;
}

postgres::Node& find(Database& database, std::string_view id) {
    postgres::Node* const node = database.cluster().find(id);
    if (node == nullptr) {
        throw Error{database.fail(Errc::no_endpoints, "no node has the id \"" + escaped(id) + '"')};
    }
    return *node;
}

asio::awaitable<Topology> topology_of(std::shared_ptr<Database> database) {
    co_return database->cluster().topology(Clock::now());
}

} // namespace

FailoverDB::FailoverDB(FailoverManager& manager) {
    const detail::MakeAttachment make = [](const AttachmentParts& parts) {
        auto made = std::make_shared<Database>(parts);
        made->start();
        return made;
    };
    database_ = std::static_pointer_cast<Database>(
        detail::ManagerAccess::attach(manager, "database", make));
}

FailoverDB::FailoverDB(std::shared_ptr<Database> database, DbOptions options)
    : database_{std::move(database)}, options_{std::move(options)} {}

FailoverDB FailoverDB::with(DbOptions options) const {
    return FailoverDB{database_, std::move(options)};
}

Result<pqxx::result> FailoverDB::read(const Statement& statement, const CausalToken& after) const {
    return on_this_thread<pqxx::result>(*database_, [&](CallControl& control) {
        return database_->read(statement, after, options_, control);
    });
}

Result<pqxx::result> FailoverDB::write(const Statement& statement) const {
    return on_this_thread<pqxx::result>(*database_, [&](CallControl& control) {
        return database_->write(statement, options_, control);
    });
}

Result<void> FailoverDB::run_transaction(const std::function<void(pqxx::work&)>& body,
                                         const TransactionOptions& options) const {
    return on_this_thread<void>(*database_, [&](CallControl& control) {
        return database_->transaction(body, options, control);
    });
}

Result<CausalToken> FailoverDB::try_token() const {
    return on_this_thread<CausalToken>(
        *database_, [&](CallControl& control) { return database_->token(options_, control); });
}

Result<void> FailoverDB::try_health_check() const {
    return on_this_thread<void>(*database_, [&](CallControl& control) {
        return database_->health_check(options_, control);
    });
}

CausalToken FailoverDB::token() const {
    return must(try_token());
}

void FailoverDB::health_check() const {
    must(try_health_check());
}

asio::awaitable<Result<pqxx::result>> FailoverDB::async_read(Statement statement,
                                                             CausalToken after) const {
    // The primary may have to be waited for when a token is to be reached.
    WorkerPool& workers = after.empty() ? database_->readers() : database_->writers();
    return postgres::on_worker<pqxx::result>(
        database_, workers, {true, &DatabaseMeter::query, options_.deadline},
        [statement = std::move(statement), after, options = options_](
            Database& database, CallControl& control, Duration left) {
            return database.read(statement, after, within(options, left), control);
        });
}

asio::awaitable<Result<pqxx::result>> FailoverDB::async_write(Statement statement) const {
    return postgres::on_worker<pqxx::result>(
        database_, database_->writers(), {false, &DatabaseMeter::execution, options_.deadline},
        [statement = std::move(statement), options = options_](
            Database& database, CallControl& control, Duration left) {
            return database.write(statement, within(options, left), control);
        });
}

asio::awaitable<Result<void>> FailoverDB::async_run_transaction(
    std::function<void(pqxx::work&)> body, TransactionOptions options) const {
    const bool reads = options.read_only;
    const std::optional<Duration> deadline = options.deadline;
    WorkerPool& workers = reads ? database_->readers() : database_->writers();
    return postgres::on_worker<void>(
        database_, workers, {reads, &DatabaseMeter::execution, deadline},
        [body = std::move(body), options = std::move(options)](
            Database& database, CallControl& control, Duration left) {
            return database.transaction(body, within(options, left), control);
        });
}

asio::awaitable<Result<CausalToken>> FailoverDB::async_try_token() const {
    return postgres::on_worker<CausalToken>(
        database_, database_->writers(), {true, nullptr, options_.deadline},
        [options = options_](Database& database, CallControl& control, Duration left) {
            return database.token(within(options, left), control);
        });
}

asio::awaitable<CausalToken> FailoverDB::async_token() const {
    return must_async(async_try_token());
}

asio::awaitable<Result<void>> FailoverDB::async_try_health_check() const {
    return postgres::on_worker<void>(
        database_, database_->writers(), {true, nullptr, options_.deadline},
        [options = options_](Database& database, CallControl& control, Duration left) {
            return database.health_check(within(options, left), control);
        });
}

asio::awaitable<void> FailoverDB::async_health_check() const {
    return must_async(async_try_health_check());
}

Topology FailoverDB::topology() const {
    return database_->cluster().topology(Clock::now());
}

asio::awaitable<Topology> FailoverDB::async_topology() const {
    return topology_of(database_);
}

bool FailoverDB::pause_writes(Duration limit) const {
    return database_->pause_writes(limit);
}

void FailoverDB::resume_writes() const {
    database_->cluster().resume();
}

void FailoverDB::drain(std::string_view id) const {
    database_->cluster().set_draining(find(*database_, id), true);
}

void FailoverDB::undrain(std::string_view id) const {
    database_->cluster().set_draining(find(*database_, id), false);
}

} // namespace failover
