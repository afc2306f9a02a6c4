// SPDX-License-Identifier: MIT
#pragma once

// Bodies of read_choice.hpp.

#include <failover/role/read_choice.hpp>

#include <algorithm>
#include <chrono>

namespace failover::detail {

/// Those a choice is made among.
struct ReadGroup {
    std::span<const ReadCandidate> candidates;
    std::uint64_t excluded_mask = 0;
    bool primary = false;
    bool standbys = false;
    /// Those with weight 0, instead of the others.
    bool weightless = false;
    bool local_only = false;

    [[nodiscard]] bool has(std::size_t i) const noexcept {
        const ReadCandidate& candidate = candidates[i];
        const bool excluded = i < 64 && ((excluded_mask >> i) & 1U) != 0;
        const bool role = candidate.primary ? primary : standbys && candidate.admitted;
        return candidate.usable && !excluded && role && (candidate.weight == 0) == weightless &&
               (candidate.local_zone || !local_only);
    }
    [[nodiscard]] std::uint32_t size() const noexcept {
        std::uint32_t n = 0;
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            n += has(i) ? 1U : 0U;
        }
        return n;
    }
    /// The n-th of them, which there must be.
    [[nodiscard]] std::size_t nth(std::uint32_t n) const noexcept {
        std::size_t i = 0;
        while (!has(i) || n-- > 0) {
            ++i;
        }
        return i;
    }
};

/// Is `a` less loaded than `b` for its weight? Cross-multiplied: no division, no rounding.
inline bool less_loaded(const ReadCandidate& a, const ReadCandidate& b) noexcept {
    const auto load = [](const ReadCandidate& of, const ReadCandidate& other) noexcept {
        return (std::uint64_t{of.in_flight} + 1) * std::max<std::uint32_t>(other.weight, 1);
    };
    return load(a, b) < load(b, a);
}

inline std::optional<std::size_t> least_loaded(const ReadGroup& group, Rng& rng) noexcept {
    std::optional<std::size_t> best;
    std::uint32_t equals = 0;
    for (std::size_t i = 0; i < group.candidates.size(); ++i) {
        if (!group.has(i)) {
            continue;
        }
        const ReadCandidate& candidate = group.candidates[i];
        const bool better = !best || less_loaded(candidate, group.candidates[*best]) ||
                            (!less_loaded(group.candidates[*best], candidate) &&
                             candidate.local_zone && !group.candidates[*best].local_zone);
        const bool equal = !better && !less_loaded(group.candidates[*best], candidate) &&
                           candidate.local_zone == group.candidates[*best].local_zone;
        equals = better ? 1 : equals + (equal ? 1U : 0U);
        // Each of n equals is kept with chance 1/n.
        if (better || (equal && rng.below(equals) == 0)) {
            best = i;
        }
    }
    return best;
}

inline std::optional<std::size_t> quicker_of_two(const ReadGroup& group, Rng& rng) noexcept {
    const std::uint32_t n = group.size();
    if (n == 0) {
        return std::nullopt;
    }
    const std::uint32_t drawn = rng.below(n);
    const std::size_t first = group.nth(drawn);
    if (n == 1) {
        return first;
    }
    const std::size_t second = group.nth((drawn + 1 + rng.below(n - 1)) % n);
    const auto cost = [&](std::size_t i) noexcept {
        // Below a microsecond is noise, and 0 would hide any load.
        constexpr Duration least = std::chrono::microseconds{1};
        const ReadCandidate& candidate = group.candidates[i];
        return static_cast<double>(std::max(candidate.round_trip, least).count()) *
               (static_cast<double>(candidate.in_flight) + 1);
    };
    return cost(second) < cost(first) ? second : first;
}

inline std::optional<std::size_t> nearest(ReadGroup group, Rng& rng) noexcept {
    group.local_only = true;
    if (const std::optional<std::size_t> local = quicker_of_two(group, rng)) {
        return local;
    }
    group.local_only = false;
    return quicker_of_two(group, rng);
}

/// Among the primary (`primary`), the standbys, or both.
inline std::optional<std::size_t> choose_among(ReadGroup group, bool primary, bool standbys,
                                               Rng& rng) noexcept {
    group.primary = primary;
    group.standbys = standbys;
    return least_loaded(group, rng);
}

inline std::optional<std::size_t> choose_by(ReadPolicy policy, ReadGroup group, Rng& rng) noexcept {
    std::optional<std::size_t> chosen;
    switch (policy) {
        case ReadPolicy::primary:
            return choose_among(group, true, false, rng);
        case ReadPolicy::standby:
            return choose_among(group, false, true, rng);
        case ReadPolicy::prefer_standby:
            chosen = choose_among(group, false, true, rng);
            return chosen ? chosen : choose_among(group, true, false, rng);
        case ReadPolicy::prefer_primary:
            chosen = choose_among(group, true, false, rng);
            return chosen ? chosen : choose_among(group, false, true, rng);
        case ReadPolicy::nearest:
            group.primary = group.standbys = true;
            return nearest(group, rng);
        case ReadPolicy::any:
            return choose_among(group, true, true, rng);
    }
    return std::nullopt;
}

} // namespace failover::detail

namespace failover {

inline std::optional<std::size_t> choose_read(std::span<const ReadCandidate> candidates,
                                              ReadPolicy policy, std::uint64_t excluded_mask,
                                              Rng& rng) noexcept {
    detail::ReadGroup group{.candidates = candidates, .excluded_mask = excluded_mask};
    for (const bool weightless : {false, true}) {
        group.weightless = weightless;
        if (const auto chosen = detail::choose_by(policy, group, rng)) {
            return chosen;
        }
    }
    return std::nullopt;
}

} // namespace failover
