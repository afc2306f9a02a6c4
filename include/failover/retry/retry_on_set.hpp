// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/failover_options.hpp>
#include <failover/retry/fault.hpp>

#include <cstdint>
#include <initializer_list>
#include <span>

namespace failover {

/// `retry_on` as a set of bits.
/// Threads    Distinct objects: safe. Shared object: safe for const members.
class RetryOnSet {
public:
    /// Nothing is retried.
    constexpr RetryOnSet() noexcept = default;
    constexpr RetryOnSet(std::initializer_list<RetryOn> kinds) noexcept
        : RetryOnSet{std::span{kinds.begin(), kinds.size()}} {}
    constexpr explicit RetryOnSet(std::span<const RetryOn> kinds) noexcept {
        for (const RetryOn kind : kinds) {
            bits_ = static_cast<std::uint8_t>(bits_ | bit(kind));
        }
    }

    [[nodiscard]] static constexpr RetryOnSet all() noexcept {
        return {RetryOn::connect_failure, RetryOn::reset, RetryOn::timeout, RetryOn::server_error,
                RetryOn::overloaded};
    }

    [[nodiscard]] constexpr bool contains(RetryOn kind) const noexcept {
        return (bits_ & bit(kind)) != 0;
    }

    /// Is this fault among those to retry? What failed before the request could be sent counts as
    /// connect_failure, a broken answer as reset. Refusals of this process are always covered: they
    /// are no failure of the upstream.
    [[nodiscard]] constexpr bool covers(FaultKind fault) const noexcept {
        switch (fault) {
            case FaultKind::connect:
            case FaultKind::tls:
            case FaultKind::resolve: return contains(RetryOn::connect_failure);
            case FaultKind::reset:
            case FaultKind::bad_response: return contains(RetryOn::reset);
            case FaultKind::timeout: return contains(RetryOn::timeout);
            case FaultKind::server_error: return contains(RetryOn::server_error);
            case FaultKind::overloaded: return contains(RetryOn::overloaded);
            case FaultKind::local_reject: return true;
            case FaultKind::none:
            case FaultKind::too_large:
            case FaultKind::cancelled: return false;
        }
        return false;
    }

private:
    static constexpr unsigned bit(RetryOn kind) noexcept {
        return 1U << static_cast<unsigned>(kind);
    }

    std::uint8_t bits_ = 0;
};

} // namespace failover
