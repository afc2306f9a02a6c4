// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/db_options.hpp>
#include <failover/db_params.hpp>
#include <failover/engine/must.hpp>
#include <failover/manager.hpp>
#include <failover/role/causal_token.hpp>
#include <failover/topology.hpp>

#include <boost/asio/awaitable.hpp>

#include <pqxx/pqxx>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace failover {

namespace detail {

class Database;

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

/// What a transaction's function returned, kept until the commit is certain.
template <class R>
using Kept = std::conditional_t<std::is_void_v<R>, bool, std::optional<R>>;

} // namespace detail

/// `value` as a parameter: text, bool, numbers and whatever libpqxx has a string_traits for; bytes
/// (anything that is a span of std::byte) as bytea; nullptr, nullopt and an empty optional as NULL.
template <class T>
[[nodiscard]] SqlParam to_sql_param(const T& value) {
    if constexpr (plain_sql_param<T>) {
        return to_plain_sql_param(value);
    } else if constexpr (detail::IsOptional<T>::value) {
        return value ? to_sql_param(*value) : std::nullopt;
    } else {
        return pqxx::to_string(value);
    }
}

/// `sql` with its values.
template <class... Params>
[[nodiscard]] Statement make_statement(std::string sql, const Params&... params) {
    Statement statement{.sql = std::move(sql), .params = {}};
    statement.params.reserve(sizeof...(Params));
    (statement.params.push_back(to_sql_param(params)), ...);
    return statement;
}

/// The PostgreSQL cluster of `database.providers.postgresql`.
///
///     failover::FailoverDB db{manager};
///     db.exec("insert into orders(id, total) values ($1, $2)", 42, 9.99);
///     pqxx::result rows = db.query("select total from orders where id = $1", 42);
///
/// query() reads and may go to a standby; the server refuses it when it writes. exec() writes and
/// goes only to the node that proved to be the primary moments ago; while there is none it waits.
/// What is repeated, and what an error says about execution: docs/postgres.md. In one line: what
/// was certainly not executed is repeated, what may have been is `maybe_executed`.
///
/// Each verb has four forms, as FailoverClient's: `query` blocks and throws Error, `try_query`
/// returns a Result, `async_query` returns an awaitable that throws, `async_try_query` one that
/// returns a Result. Errors: query_failed with Failure::sqlstate when the server refused the
/// statement; no_primary; replica_too_stale; deadline_exceeded; queue_full when the pool's queue
/// is; attempts_exhausted, connection_lost; not_running after stop().
///
/// Threads    Distinct objects: safe. Shared object: safe; the handle is cheap to copy.
/// Runs on    blocking forms: the calling thread. async forms: a bounded pool of worker threads, as
///            libpq blocks; they resume on the awaiting coroutine's executor.
/// Blocks     the constructor never waits for a server. Blocking forms until the deadline at most;
///            on one of the manager's own threads they fail at once with would_deadlock.
/// Lifetime   may outlive its manager; its calls then fail with not_running.
/// Cancel     terminal and total: the connection of the call is closed.
class FailoverDB {
public:
    /// The database of this manager's configuration; several handles of one manager share pools and
    /// monitor. Throws ConfigError when the configuration has no usable database part.
    explicit FailoverDB(FailoverManager& manager);

    /// The same database with other options for the calls made through the handle returned.
    [[nodiscard]] FailoverDB with(DbOptions options) const;

    /// Reads. `params`: values for $1, $2...; see to_sql_param().
    template <class... Params>
    pqxx::result query(std::string sql, const Params&... params) const {
        return detail::must(read(make_statement(std::move(sql), params...), {}));
    }
    template <class... Params>
    Result<pqxx::result> try_query(std::string sql, const Params&... params) const {
        return read(make_statement(std::move(sql), params...), {});
    }
    template <class... Params>
    asio::awaitable<pqxx::result> async_query(std::string sql, const Params&... params) const {
        return detail::must_async(async_read(make_statement(std::move(sql), params...), {}));
    }
    template <class... Params>
    asio::awaitable<Result<pqxx::result>> async_try_query(std::string sql,
                                                          const Params&... params) const {
        return async_read(make_statement(std::move(sql), params...), {});
    }

    /// Writes.
    template <class... Params>
    pqxx::result exec(std::string sql, const Params&... params) const {
        return detail::must(write(make_statement(std::move(sql), params...)));
    }
    template <class... Params>
    Result<pqxx::result> try_exec(std::string sql, const Params&... params) const {
        return write(make_statement(std::move(sql), params...));
    }
    template <class... Params>
    asio::awaitable<pqxx::result> async_exec(std::string sql, const Params&... params) const {
        return detail::must_async(async_write(make_statement(std::move(sql), params...)));
    }
    template <class... Params>
    asio::awaitable<Result<pqxx::result>> async_try_exec(std::string sql,
                                                         const Params&... params) const {
        return async_write(make_statement(std::move(sql), params...));
    }

    /// Runs `f(pqxx::work&)` in a transaction, commits, and returns what it returned. It is run
    /// again as a whole while that is certainly not committed, so it must have no effect but
    /// through its argument. What it throws rolls back and is passed on unchanged, but for
    /// libpqxx's own errors, which become Error. It must not commit or keep the transaction.
    template <class F>
    auto transaction(F&& f, TransactionOptions options = {}) const {
        return detail::must(try_transaction(std::forward<F>(f), std::move(options)));
    }
    template <class F>
    auto try_transaction(F&& f, TransactionOptions options = {}) const
        -> Result<std::invoke_result_t<F&, pqxx::work&>> {
        using R = std::invoke_result_t<F&, pqxx::work&>;
        detail::Kept<R> kept{};
        const std::function<void(pqxx::work&)> body = [&](pqxx::work& work) {
            if constexpr (std::is_void_v<R>) {
                f(work);
            } else {
                kept.emplace(f(work));
            }
        };
        return unpack<R>(run_transaction(body, options), kept);
    }
    /// `f` runs on a worker thread.
    template <class F>
    auto async_transaction(F f, TransactionOptions options = TransactionOptions()) const
        -> asio::awaitable<std::invoke_result_t<F&, pqxx::work&>> {
        return detail::must_async(async_try_transaction(std::move(f), std::move(options)));
    }
    template <class F>
    auto async_try_transaction(F f, TransactionOptions options = TransactionOptions()) const
        -> asio::awaitable<Result<std::invoke_result_t<F&, pqxx::work&>>> {
        using R = std::invoke_result_t<F&, pqxx::work&>;
        auto kept = std::make_shared<detail::Kept<R>>();
        std::function<void(pqxx::work&)> body = [kept, f = std::move(f)](pqxx::work& work) mutable {
            if constexpr (std::is_void_v<R>) {
                f(work);
            } else {
                kept->emplace(f(work));
            }
        };
        return unpack_async<R>(async_run_transaction(std::move(body), std::move(options)),
                               std::move(kept));
    }

    /// A position after everything that was acknowledged so far, for query_after() here or, as
    /// text, in another process. One round trip to the primary.
    [[nodiscard]] CausalToken token() const;
    [[nodiscard]] Result<CausalToken> try_token() const;
    asio::awaitable<CausalToken> async_token() const;
    asio::awaitable<Result<CausalToken>> async_try_token() const;

    /// query() on a node that has everything up to `token`; the primary when no standby gets there
    /// in time.
    template <class... Params>
    pqxx::result query_after(const CausalToken& token, std::string sql,
                             const Params&... params) const {
        return detail::must(read(make_statement(std::move(sql), params...), token));
    }
    template <class... Params>
    Result<pqxx::result> try_query_after(const CausalToken& token, std::string sql,
                                         const Params&... params) const {
        return read(make_statement(std::move(sql), params...), token);
    }
    template <class... Params>
    asio::awaitable<pqxx::result> async_query_after(CausalToken token, std::string sql,
                                                    const Params&... params) const {
        return detail::must_async(async_read(make_statement(std::move(sql), params...), token));
    }
    template <class... Params>
    asio::awaitable<Result<pqxx::result>> async_try_query_after(CausalToken token, std::string sql,
                                                                const Params&... params) const {
        return async_read(make_statement(std::move(sql), params...), token);
    }

    /// Asks every node now, over a log-in of its own each; throws Error with the problems when no
    /// node is proven primary afterwards.
    void health_check() const;
    [[nodiscard]] Result<void> try_health_check() const;
    asio::awaitable<void> async_health_check() const;
    asio::awaitable<Result<void>> async_try_health_check() const;

    /// Every node as the monitor knows it. Never waits.
    [[nodiscard]] Topology topology() const;
    asio::awaitable<Topology> async_topology() const;

    /// For a planned switchover: writes that begin from now on wait, up to their deadline, and
    /// those under way are waited for, up to `limit`; false when some are still under way then.
    bool pause_writes(Duration limit = std::chrono::seconds{5}) const;
    /// Writes go on, to whichever node is primary by then.
    void resume_writes() const;
    /// No new call goes to that node, and its idle connections are closed. Throws Error with
    /// no_endpoints for an unknown id.
    void drain(std::string_view id) const;
    void undrain(std::string_view id) const;

private:
    FailoverDB(std::shared_ptr<detail::Database> database, DbOptions options);

    Result<pqxx::result> read(const Statement& statement, const CausalToken& after) const;
    Result<pqxx::result> write(const Statement& statement) const;
    Result<void> run_transaction(const std::function<void(pqxx::work&)>& body,
                                 const TransactionOptions& options) const;
    asio::awaitable<Result<pqxx::result>> async_read(Statement statement, CausalToken after) const;
    asio::awaitable<Result<pqxx::result>> async_write(Statement statement) const;
    asio::awaitable<Result<void>> async_run_transaction(std::function<void(pqxx::work&)> body,
                                                        TransactionOptions options) const;

    template <class R>
    static Result<R> unpack(Result<void> result, detail::Kept<R>& kept) {
        if (!result) {
            return std::move(result).error();
        }
        if constexpr (std::is_void_v<R>) {
            return {};
        } else {
            return std::move(*kept);
        }
    }
    template <class R>
    static asio::awaitable<Result<R>> unpack_async(asio::awaitable<Result<void>> work,
                                                   std::shared_ptr<detail::Kept<R>> kept) {
        Result<void> result = co_await std::move(work);
        co_return unpack<R>(std::move(result), *kept);
    }

    std::shared_ptr<detail::Database> database_;
    DbOptions options_;
};

} // namespace failover
