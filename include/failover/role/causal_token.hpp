// SPDX-License-Identifier: MIT
#pragma once

#include <failover/role/lsn.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace failover {

/// What a write leaves behind, so that a later read, also one of another process, can ask for a
/// node that has it. A position alone would not do: after a promotion the same number is another
/// place.
struct CausalToken {
    /// The cluster's system identifier.
    std::uint64_t system_id = 0;
    /// Timeline the write was made on.
    std::uint32_t timeline = 0;
    /// The write and all before it end at or before this position.
    Lsn lsn{};

    friend bool operator==(const CausalToken&, const CausalToken&) = default;

    /// Asks for nothing: every node satisfies it.
    [[nodiscard]] constexpr bool empty() const noexcept { return *this == CausalToken{}; }
    /// "<system id>-<timeline>-<lsn>": "7219432148301225984-3-16/B374D848".
    [[nodiscard]] std::string to_string() const;
    /// The inverse of to_string(). None for any other text, which may come from anywhere.
    [[nodiscard]] static std::optional<CausalToken> parse(std::string_view text) noexcept;
};

/// How a node stands to a token.
enum class TokenState : std::uint8_t {
    /// It has the write.
    reached,
    /// It does not have the write yet, or cannot be shown to.
    behind,
    /// It is on a later timeline: the write may have been lost by the promotion. The primary is to
    /// be read, and the reader told that the token may be lost.
    other_timeline,
    /// It belongs to another cluster.
    other_system,
};

/// `position`: as in NodeReport, of one node; a token holds for each node by itself. A node whose
/// timeline is not known (0) is behind.
[[nodiscard]] constexpr TokenState check_token(const CausalToken& token, std::uint64_t system_id,
                                               std::uint32_t timeline, Lsn position) noexcept {
    if (token.empty()) {
        return TokenState::reached;
    }
    if (system_id != token.system_id) {
        return TokenState::other_system;
    }
    if (timeline > token.timeline) {
        return TokenState::other_timeline;
    }
    return timeline == token.timeline && position >= token.lsn ? TokenState::reached
                                                               : TokenState::behind;
}

namespace detail {

template <class Number>
std::optional<Number> parse_token_number(std::string_view text) noexcept {
    Number number = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    return error == std::errc{} && stopped == end ? std::optional{number} : std::nullopt;
}

} // namespace detail

inline std::string CausalToken::to_string() const {
    return std::to_string(system_id) + '-' + std::to_string(timeline) + '-' +
           failover::to_string(lsn);
}

inline std::optional<CausalToken> CausalToken::parse(std::string_view text) noexcept {
    const std::size_t first = text.find('-');
    const std::size_t second = first == std::string_view::npos ? first : text.find('-', first + 1);
    if (second == std::string_view::npos) {
        return std::nullopt;
    }
    const auto system_id = detail::parse_token_number<std::uint64_t>(text.substr(0, first));
    const auto timeline =
        detail::parse_token_number<std::uint32_t>(text.substr(first + 1, second - first - 1));
    const auto lsn = parse_lsn(text.substr(second + 1));
    if (!system_id || !timeline || !lsn) {
        return std::nullopt;
    }
    return CausalToken{*system_id, *timeline, *lsn};
}

} // namespace failover
