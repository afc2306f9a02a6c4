// SPDX-License-Identifier: MIT
#pragma once

// Bodies of attempt_log.hpp: text for people.

#include <cstdio>
#include <ostream>

namespace failover {

inline const char* to_string(Phase phase) noexcept {
    switch (phase) {
        case Phase::queued: return "queued";
        case Phase::connecting: return "connecting";
        case Phase::handshaking: return "handshaking";
        case Phase::sending: return "sending";
        case Phase::waiting: return "waiting";
        case Phase::receiving: return "receiving";
        case Phase::done: return "done";
    }
    return "unknown";
}

inline const char* to_string(OutcomeClass outcome) noexcept {
    switch (outcome) {
        case OutcomeClass::success: return "success";
        case OutcomeClass::retryable: return "retryable";
        case OutcomeClass::fatal: return "fatal";
        case OutcomeClass::ignored: return "ignored";
    }
    return "unknown";
}

inline std::string escaped(std::string_view text) {
    constexpr std::size_t limit = 200;
    std::string out;
    for (const char c : text.substr(0, limit)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F && c != '\\') {
            out += c;
        } else {
            char hex[8];
            std::snprintf(hex, sizeof hex, "\\x%02x", byte);
            out += hex;
        }
    }
    if (text.size() > limit) {
        out += "...";
    }
    return out;
}

inline std::string format_short(Duration duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    char text[32];
    if (seconds >= 1.0) {
        std::snprintf(text, sizeof text, "%.3gs", seconds);
    } else if (seconds >= 1e-3) {
        std::snprintf(text, sizeof text, "%.3gms", seconds * 1e3);
    } else {
        std::snprintf(text, sizeof text, "%.3gus", seconds * 1e6);
    }
    return text;
}

inline std::string to_string(const AttemptLog& log) {
    std::string out;
    int number = 0;
    for (const AttemptRecord& attempt : log) {
        out += "  #" + std::to_string(++number) + ' ';
        out += attempt.endpoint.empty() ? "(no endpoint)" : escaped(attempt.endpoint);
        if (!attempt.address.empty() && attempt.address != attempt.endpoint) {
            out += " at " + escaped(attempt.address);
        }
        if (attempt.hedged) {
            out += " [hedge]";
        }
        out += ": ";
        out += to_string(attempt.phase);
        if (attempt.status != 0) {
            out += ", status " + std::to_string(attempt.status);
        }
        if (attempt.cause) {
            out += ", " + attempt.cause.message();
        }
        if (!attempt.peer_text.empty()) {
            out += ", peer said \"" + escaped(attempt.peer_text) + '"';
        }
        out += " (" + std::string{to_string(attempt.outcome)} + ", " + format_short(attempt.took);
        out += " from +" + format_short(attempt.started) + ")\n";
    }
    return out;
}

inline std::ostream& operator<<(std::ostream& out, const AttemptLog& log) {
    return out << to_string(log);
}

} // namespace failover
