// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/errc.hpp>
#include <failover/base/time.hpp>

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace failover {

/// How far an attempt came before it ended.
enum class Phase {
    /// Waiting for a connection: queue, host name.
    queued,
    /// TCP connect.
    connecting,
    /// TLS handshake.
    handshaking,
    /// Writing the request: bytes may have left.
    sending,
    /// Request written, no byte of the answer seen.
    waiting,
    /// Answer begun.
    receiving,
    /// Complete answer read.
    done,
};

/// What one attempt means for breaker, budget, outlier detection and retry: they all read this.
enum class OutcomeClass {
    /// Answered usefully. A 4xx is a success of the endpoint.
    success,
    /// Failed in a way another attempt may cure.
    retryable,
    /// Failed in a way no repetition can cure.
    fatal,
    /// Says nothing about the endpoint: cancelled, lost a hedge, refused locally.
    ignored,
};

/// One attempt, as the error message and the response report it.
struct AttemptRecord {
    /// Endpoint id; empty when no endpoint could be picked.
    std::string endpoint{};
    /// "host:port" that was tried.
    std::string address{};
    /// How far it came.
    Phase phase = Phase::queued;
    /// How it was judged.
    OutcomeClass outcome = OutcomeClass::ignored;
    /// The cause, unchanged: from the OS, TLS, HTTP parser or this library. No error: answered.
    error_code cause{};
    /// Protocol status: HTTP status code; 0 when no answer was read.
    int status = 0;
    /// True for the second, concurrent attempt of a hedged call.
    bool hedged = false;
    /// Start, counted from the start of the call.
    Duration started{};
    /// Time it took.
    Duration took{};
    /// Text from the peer or a library, as received and unescaped; printing escapes it.
    std::string peer_text{};
};

/// Every attempt of one call, in the order they were started. Prints one line an attempt.
class AttemptLog : public std::vector<AttemptRecord> {
public:
    using std::vector<AttemptRecord>::vector;
};

[[nodiscard]] const char* to_string(Phase phase) noexcept;
[[nodiscard]] const char* to_string(OutcomeClass outcome) noexcept;

/// Printable form of bytes from a peer: control and non-ASCII bytes become \xNN, at most 200 bytes.
[[nodiscard]] std::string escaped(std::string_view text);
/// "1.234ms", "2.5s": three to four digits and the unit that fits.
[[nodiscard]] std::string format_short(Duration duration);
/// One line an attempt: number, endpoint, phase, cause or status, time.
[[nodiscard]] std::string to_string(const AttemptLog& log);
std::ostream& operator<<(std::ostream& out, const AttemptLog& log);

} // namespace failover

#include <failover/base/detail/attempt_log_text.hpp>
