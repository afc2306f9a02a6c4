// SPDX-License-Identifier: MIT
#pragma once

#include <libpq-fe.h>
#include <pqxx/pqxx>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace failover::postgres {

struct FinishConnection {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
using PgHandle = std::unique_ptr<PGconn, FinishConnection>;

struct ClearResult {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, ClearResult>;

/// What libpqxx's transactions take: their base class in 6, the connection itself since 7.
#if PQXX_VERSION_MAJOR >= 7
using PqxxBase = pqxx::connection;
#else
using PqxxBase = pqxx::connection_base;
#endif

/// A libpqxx connection over one that libpq has established already: libpqxx's own constructors
/// connect without a deadline.
#if PQXX_VERSION_MAJOR >= 7

class PqxxConnection {
public:
    explicit PqxxConnection(PgHandle handle)
        : raw_{handle.get()},
          connection_{pqxx::connection::seize_raw_connection(handle.release())} {}

    [[nodiscard]] PqxxBase& get() noexcept { return connection_; }
    [[nodiscard]] PGconn* raw() const noexcept { return raw_; }

private:
    PGconn* raw_;
    pqxx::connection connection_;
};

#else

class PqxxConnection {
public:
    explicit PqxxConnection(PgHandle handle) : raw_{handle.get()}, connection_{std::move(handle)} {}

    [[nodiscard]] PqxxBase& get() noexcept { return connection_; }
    [[nodiscard]] PGconn* raw() const noexcept { return raw_; }

private:
    /// Hands out the connection once. libpqxx 6 would reconnect by itself: not here.
    class Policy final : public pqxx::connectionpolicy {
    public:
        explicit Policy(PgHandle ready)
            : connectionpolicy{std::string{}}, ready_{std::move(ready)} {}
        handle do_startconnect(handle orig) override {
            return orig != nullptr ? orig : ready_.release();
        }
        handle do_completeconnect(handle orig) override { return orig; }
        bool is_ready(handle connection) const noexcept override { return connection != nullptr; }

    private:
        PgHandle ready_;
    };

    class Connection final : public pqxx::connection_base {
    public:
        explicit Connection(PgHandle ready) : connection_base{policy_}, policy_{std::move(ready)} {
            init();
        }
        Connection(const Connection&) = delete;
        Connection& operator=(const Connection&) = delete;
        ~Connection() noexcept { close(); }

    private:
        Policy policy_;
    };

    PGconn* raw_;
    Connection connection_;
};

#endif

/// Parameters as text; nulls stay null.
using SqlParams = std::vector<const char*>;

/// One statement by the extended protocol: values are bound, never spliced.
inline pqxx::result exec_bound(pqxx::transaction_base& work, const std::string& sql,
                               const SqlParams& params) {
#if PQXX_VERSION_MAJOR >= 7
    pqxx::params bound;
    for (const char* value : params) {
        if (value != nullptr) {
            bound.append(std::string_view{value});
        } else {
            bound.append();
        }
    }
    return work.exec_params(sql, bound);
#else
    return work.exec_params(sql, pqxx::prepare::make_dynamic_params(params.begin(), params.end()));
#endif
}

} // namespace failover::postgres
