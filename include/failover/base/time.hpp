// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace failover {

/// The one clock of every decision. Monotonic, so a step of the wall clock never opens a breaker.
using Clock = std::chrono::steady_clock;
/// A point on Clock. Pure code receives it as `now`; only the engine and the transports read it.
using TimePoint = Clock::time_point;
/// Nanoseconds. Every public duration is one; any std::chrono duration converts to it.
using Duration = std::chrono::nanoseconds;
/// Wall-clock time, for what people read (events, last_seen); never for a decision.
using WallTime = std::chrono::system_clock::time_point;

} // namespace failover
