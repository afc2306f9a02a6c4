// SPDX-License-Identifier: MIT
#pragma once

#include <failover/role/causal_token.hpp>
#include <failover/role/detail/lease_scripts.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace failover {

/// Who may store what was loaded. Who misses a key puts a lease in its place, and stores its value
/// only where it still finds that lease: a DEL or SET of anybody, who need not know of leases, ends
/// it. A versioned delete leaves a tombstone instead of nothing, whose version the next lease takes
/// over: what was read from an older state of the database is not stored.
///
/// Both are values of the key, and placeholders: whoever reads one has missed.
///
///     "\0fo:l:" token ":" version      a lease
///     "\0fo:t:" version                a tombstone
///
/// token: 16 hex digits. version: version_text(). The scripts are Lua for EVAL; times in
/// milliseconds; each answers an integer unless it says otherwise, and fails with WRONGTYPE on a
/// key that holds no string (bury_script does not).

/// Orders as the database's history does: "<system id>-<timeline><lsn>" in hex digits of a fixed
/// length. Empty for an empty token. Two of different system ids have no order.
[[nodiscard]] std::string version_text(const CausalToken& token);

/// As ARGV of the scripts.
[[nodiscard]] std::string lease_token_text(std::uint64_t token);

/// A lease or a tombstone, not a value.
[[nodiscard]] bool is_placeholder(std::string_view value) noexcept;

/// What acquire_script puts in the place of the value.
[[nodiscard]] std::string lease_value(std::uint64_t token, std::string_view version);

/// Key of the lease of those that load anew a value which is still served.
[[nodiscard]] std::string refresh_key(std::string_view key);

/// Reads the value or takes the lease.
///     KEYS[1] key; ARGV[1] token, ARGV[2] lease
/// {1, value, PTTL}: there is one. {2}: the lease is taken, or was by this token; it lasts at least
/// as long as a tombstone it replaced would have. {0, PTTL}: somebody else holds it.
inline constexpr const char* acquire_script = detail::acquire_lua;

/// Takes the lease for loading anew a value that goes on being served.
///     KEYS[1] key, KEYS[2] refresh_key(key); ARGV[1] token, ARGV[2] lease
/// When the value expires, in milliseconds by the server's clock: taken. 0: somebody else holds it,
/// or the key holds no value that expires.
inline constexpr const char* refresh_script = detail::refresh_lua;

/// Stores what the holder of a lease has loaded.
///     KEYS[1] key; ARGV[1] token, ARGV[2] version or "", ARGV[3] value, ARGV[4] life or 0 for ever
/// 1: stored. 0: the key does not hold this token's lease. 2: the lease carries a version, and this
/// one is older or none; a tombstone takes its place. A version of another system id is stored.
inline constexpr const char* fill_script = detail::fill_lua;

/// Stores what was loaded anew, and gives the lease back.
///     KEYS[1] key, KEYS[2] refresh_key(key); ARGV[1] token, ARGV[2] value, ARGV[3] life or 0,
///     ARGV[4] the value that was served, ARGV[5] what refresh_script answered
/// 1: stored. 0: the lease is not this token's, or the key does not hold that value any more; one
/// that was set again to the same bytes expires at another time.
inline constexpr const char* refresh_fill_script = detail::refresh_fill_lua;

/// Deletes the key and leaves a tombstone. That of a newer version of the same system id stays,
/// and a lease's version counts as one's; a lease ends. Works on a key of any type.
///     KEYS[1] key; ARGV[1] version, ARGV[2] tombstone
/// 1: there was a value. 0: there was none.
inline constexpr const char* bury_script = detail::bury_lua;

/// Gives a lease back unused. What it knew of a version stays as a tombstone.
///     KEYS[1] key; ARGV[1] token
/// 1: it was there.
inline constexpr const char* release_script = detail::release_lua;

namespace detail {

inline constexpr std::string_view lease_mark{"\0fo:l:", 6};
inline constexpr std::string_view tombstone_mark{"\0fo:t:", 6};

inline void append_hex(std::string& text, std::uint64_t number, unsigned digits) {
    for (unsigned shift = digits * 4; shift > 0;) {
        shift -= 4;
        text += "0123456789abcdef"[number >> shift & 15U];
    }
}

} // namespace detail

inline std::string version_text(const CausalToken& token) {
    std::string text;
    if (!token.empty()) {
        text.reserve(41);
        detail::append_hex(text, token.system_id, 16);
        text += '-';
        detail::append_hex(text, token.timeline, 8);
        detail::append_hex(text, token.lsn.value, 16);
    }
    return text;
}

inline std::string lease_token_text(std::uint64_t token) {
    std::string text;
    detail::append_hex(text, token, 16);
    return text;
}

inline bool is_placeholder(std::string_view value) noexcept {
    return value.starts_with(detail::lease_mark) || value.starts_with(detail::tombstone_mark);
}

inline std::string lease_value(std::uint64_t token, std::string_view version) {
    std::string text{detail::lease_mark};
    detail::append_hex(text, token, 16);
    text += ':';
    text += version;
    return text;
}

inline std::string refresh_key(std::string_view key) {
    std::string text{"fo:r:"};
    text += key;
    return text;
}

} // namespace failover
