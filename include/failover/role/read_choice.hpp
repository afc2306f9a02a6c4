// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/config/read_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace failover {

/// One node, as a read sees it.
struct ReadCandidate {
    /// It answers, and takes calls.
    bool usable = false;
    bool primary = false;
    /// A standby fresh enough for this read. Not looked at for the primary.
    bool admitted = false;
    /// Calls it works on for this process.
    std::uint32_t in_flight = 0;
    /// Share of reads. 0: none, unless there is nobody else. Default 1.
    std::uint32_t weight = 1;
    /// In the zone of this process.
    bool local_zone = false;
    /// Of the last question it answered. Default 0: not measured.
    Duration round_trip{};
};

/// Where a read goes; none when nobody may answer it. `excluded_mask`: bit i says that candidate i
/// has already failed this call, which is never chosen again here.
///
/// Load is spread by calls in flight for the weight; of equals one in this process's zone is taken,
/// else any at random. `nearest` compares round trips times load of two drawn at random from the
/// zone, or from all when the zone has nobody.
[[nodiscard]] std::optional<std::size_t> choose_read(std::span<const ReadCandidate> candidates,
                                                     ReadPolicy policy, std::uint64_t excluded_mask,
                                                     Rng& rng) noexcept;

} // namespace failover

#include <failover/role/detail/read_choice_steps.hpp>
