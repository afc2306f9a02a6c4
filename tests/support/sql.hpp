// SPDX-License-Identifier: MIT
#pragma once

#include "wait_until.hpp"

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace failover::test {

/// The text of each field; a null is empty.
using Rows = std::vector<std::vector<std::string>>;

class SqlError : public std::runtime_error {
public:
    SqlError(const std::string& text, std::string code)
        : std::runtime_error{text}, sqlstate{std::move(code)} {}

    /// Empty when no server said one: the connection broke, or could not be opened.
    std::string sqlstate;
};

/// A test's own connection to PostgreSQL, over which nothing is tried twice. No call hangs on a
/// server that is frozen.
/// Threads    one thread.
class SqlConnection {
public:
    explicit SqlConnection(const std::string& url,
                           std::chrono::milliseconds limit = std::chrono::seconds{10})
        : limit_{limit} {
        const char* const names[] = {"dbname", "connect_timeout", nullptr};
        const char* const values[] = {url.c_str(), "3", nullptr};
        connection_.reset(::PQconnectdbParams(names, values, 1));
        if (!usable()) {
            throw SqlError{::PQerrorMessage(connection_.get()), ""};
        }
        ::PQsetNoticeProcessor(
            connection_.get(), [](void*, const char*) {}, nullptr);
    }

    [[nodiscard]] bool usable() const noexcept {
        return ::PQstatus(connection_.get()) == CONNECTION_OK;
    }
    /// Rows of the last statement in `text`, sent as one simple query.
    Rows exec(const std::string& text) {
        return answer(::PQsendQuery(connection_.get(), text.c_str()));
    }
    /// The same by the extended protocol: parse, bind, execute, sync.
    Rows exec_extended(const std::string& text) {
        return answer(::PQsendQueryParams(connection_.get(), text.c_str(), 0, nullptr, nullptr,
                                          nullptr, nullptr, 0));
    }

private:
    struct Finish {
        void operator()(PGconn* connection) const noexcept { ::PQfinish(connection); }
    };
    struct Clear {
        void operator()(PGresult* result) const noexcept { ::PQclear(result); }
    };

    Rows answer(int sent) {
        if (sent == 0) {
            throw SqlError{::PQerrorMessage(connection_.get()), ""};
        }
        const auto end = std::chrono::steady_clock::now() + limit_;
        Rows rows;
        std::string failure;
        std::string sqlstate;
        for (;;) {
            await_result(end);
            const std::unique_ptr<PGresult, Clear> result{::PQgetResult(connection_.get())};
            if (!result) {
                break;
            }
            const ExecStatusType status = ::PQresultStatus(result.get());
            // A broken connection adds a result without SQLSTATE: the first failure tells more.
            if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
                status != PGRES_EMPTY_QUERY && failure.empty()) {
                const char* code = ::PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
                sqlstate = code == nullptr ? "" : code;
                failure = ::PQresultErrorMessage(result.get());
                failure += failure.empty() ? "statement failed" : "";
            }
            rows = fields_of(*result);
        }
        if (!failure.empty()) {
            throw SqlError{failure, sqlstate};
        }
        return rows;
    }

    void await_result(std::chrono::steady_clock::time_point end) {
        while (::PQisBusy(connection_.get()) != 0) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                end - std::chrono::steady_clock::now());
            pollfd watched{.fd = ::PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
            if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(left.count())) == 0) {
                throw SqlError{"no answer from the server", ""};
            }
            ::PQconsumeInput(connection_.get()); // a failure shows as a result
        }
    }

    static Rows fields_of(const PGresult& result) {
        Rows rows(static_cast<std::size_t>(::PQntuples(&result)));
        for (std::size_t row = 0; row < rows.size(); ++row) {
            for (int column = 0; column < ::PQnfields(&result); ++column) {
                rows[row].emplace_back(::PQgetvalue(&result, static_cast<int>(row), column));
            }
        }
        return rows;
    }

    std::chrono::milliseconds limit_;
    std::unique_ptr<PGconn, Finish> connection_;
};

/// `text` over a connection of its own.
inline Rows run_sql(const std::string& url, const std::string& text) {
    return SqlConnection{url}.exec(text);
}

} // namespace failover::test
