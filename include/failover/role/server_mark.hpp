// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace failover {

/// Which server a session talks to, and in which of its lives: it holds for as long as the session
/// does, since neither a crash nor a restart leaves one.
struct ServerMark {
    /// Default 0: it may not be asked.
    std::uint64_t system_id = 0;
    /// Default 0: unknown.
    std::uint32_t timeline = 0;
    /// Another text after every start and after every crash, also one that the server recovers from
    /// by itself. Default empty: unknown.
    std::string life{};
};

/// Has the server that both are of run ever since the first was taken?
[[nodiscard]] inline bool same_life(const ServerMark& one, const ServerMark& other) noexcept {
    return !one.life.empty() && one.life == other.life;
}

/// Are both known to be of one cluster? A server in the same life is, whatever it may say.
[[nodiscard]] inline bool same_system(const ServerMark& one, const ServerMark& other) noexcept {
    return one.system_id != 0 && other.system_id != 0 ? one.system_id == other.system_id
                                                      : same_life(one, other);
}

/// Are they known to be of different clusters?
[[nodiscard]] inline bool other_system(const ServerMark& one, const ServerMark& other) noexcept {
    return one.system_id != 0 && other.system_id != 0 && one.system_id != other.system_id;
}

[[nodiscard]] inline bool same_timeline(const ServerMark& one, const ServerMark& other) noexcept {
    return one.timeline != 0 && one.timeline == other.timeline;
}

/// Can the server be told from others at all? Else no number of a transaction can be asked for.
[[nodiscard]] inline bool recognizable(const ServerMark& mark) noexcept {
    return mark.timeline != 0 && (mark.system_id != 0 || !mark.life.empty());
}

} // namespace failover
