// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/errc.hpp>

#include <boost/system/result.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace failover {

class Response;

/// Why a call failed: what happened, to whom, and every attempt that led there.
struct Failure {
    /// What, and whether it may have been executed.
    error_code code{};
    /// Service the call was for.
    std::string service{};
    /// What to know beyond the code, for people: which limit, which endpoint, what to do.
    std::string detail{};
    /// The attempts, oldest first; empty when none was started.
    AttemptLog attempts{};
    /// The last complete answer (a 5xx, a 429), if one was received.
    std::shared_ptr<const Response> last_response{};
    /// SQLSTATE of the database's answer, five characters; empty: it gave none.
    std::string sqlstate{};
    /// The client library's own exception, unchanged, for std::rethrow_exception(); null: none.
    std::exception_ptr cause{};

    /// One paragraph: service, what happened, whether executed, then one line an attempt.
    [[nodiscard]] std::string message() const;
};

inline bool operator==(const Failure& failure, Condition condition) noexcept {
    return failure.code == condition;
}
inline bool operator==(const Failure& failure, Errc what) noexcept { return failure.code == what; }
inline std::ostream& operator<<(std::ostream& out, const Failure& failure) {
    return out << failure.message();
}

/// A value or a Failure. `if (r)`, `*r`, `r->x`, `r.error()`; `r.value()` throws Error.
template <class T>
using Result = boost::system::result<T, Failure>;

/// What the throwing verbs throw. what() is Failure::message().
class Error : public boost::system::system_error {
public:
    explicit Error(Failure failure)
        : system_error{failure.code}, report_{std::make_shared<const Report>(std::move(failure))} {}

    [[nodiscard]] const char* what() const noexcept override { return report_->text.c_str(); }
    /// Every attempt of the call, oldest first.
    [[nodiscard]] const AttemptLog& attempts() const noexcept { return report_->failure.attempts; }
    /// The last complete answer that was received (a 5xx, a 429); null when there was none.
    [[nodiscard]] const std::shared_ptr<const Response>& last_response() const noexcept {
        return report_->failure.last_response;
    }
    [[nodiscard]] const Failure& failure() const noexcept { return report_->failure; }

private:
    struct Report {
        explicit Report(Failure cause) : failure{std::move(cause)}, text{failure.message()} {}
        Failure failure;
        std::string text;
    };
    // Shared, so that copying an exception in flight cannot throw.
    std::shared_ptr<const Report> report_;
};

/// Found by argument-dependent lookup: what Result::value() does with a Failure.
[[noreturn]] inline void throw_exception_from_error(const Failure& failure,
                                                    const boost::source_location&) {
    throw Error{failure};
}

inline std::string Failure::message() const {
    std::string out{};
    if (!service.empty()) {
        out += "service \"" + escaped(service) + "\": ";
    }
    out += code.message();
    if (!sqlstate.empty()) {
        out += " [SQLSTATE " + sqlstate + ']';
    }
    if (!detail.empty()) {
        out += ": " + detail;
    }
    const bool of_a_call = code.category() == error_category() && code != Condition::bad_config;
    if (of_a_call && code == Condition::not_sent) {
        out += " (not executed)";
    }
    if (!attempts.empty()) {
        out += '\n' + to_string(attempts);
        out.pop_back();
    }
    return out;
}

} // namespace failover
