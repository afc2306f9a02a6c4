// SPDX-License-Identifier: MIT
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace failover::bench {

/// libpq as one would use it by hand: one connection that is held.
/// Threads    one thread.
class LibpqPeer {
public:
    /// `conninfo`: URL or key=value; may name several hosts. Check connected().
    explicit LibpqPeer(const std::string& conninfo) : connection_{::PQconnectdb(conninfo.c_str())} {
        ::PQsetNoticeProcessor(
            connection_.get(), [](void*, const char*) {}, nullptr);
    }

    [[nodiscard]] bool connected() const noexcept {
        return ::PQstatus(connection_.get()) == CONNECTION_OK;
    }
    /// One statement by the extended protocol; false: it failed.
    bool run(const char* sql) {
        const std::unique_ptr<PGresult, Clear> result{
            ::PQexecParams(connection_.get(), sql, 0, nullptr, nullptr, nullptr, nullptr, 0)};
        const ExecStatusType status = ::PQresultStatus(result.get());
        return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    }
    void must_run(const char* sql) {
        if (!run(sql)) {
            throw std::runtime_error{std::string{"libpq: "} + ::PQerrorMessage(connection_.get())};
        }
    }

private:
    struct Finish {
        void operator()(PGconn* connection) const noexcept { ::PQfinish(connection); }
    };
    struct Clear {
        void operator()(PGresult* result) const noexcept { ::PQclear(result); }
    };
    std::unique_ptr<PGconn, Finish> connection_;
};

} // namespace failover::bench
