// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/metrics.hpp>
#include <failover/base/rng.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/config/health_check_options.hpp>
#include <failover/endpoint/endpoint_node.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/transport.hpp>
#include <failover/health/endpoint_health.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace failover {

/// One endpoint as the engine runs it: the live numbers picks read, its health, its connections and
/// its check. Stays the same object while the endpoint stays in its set, whatever else changes.
/// Threads    safe. The mutex guards the health machine alone and is held for one decision.
class Target final : public EndpointNode {
public:
    struct Parts {
        HealthCheckOptions health_check;
        FailoverOptions failover;
        std::unique_ptr<TransportState> transport;
        std::shared_ptr<EndpointMeter> meter;
        std::uint64_t seed = 0;
    };

    explicit Target(Parts parts)
        : transport_{std::move(parts.transport)},
          meter_{std::move(parts.meter)},
          health_{parts.health_check, parts.failover},
          rng_{parts.seed} {
        meter_->set_usable(true);
    }

    [[nodiscard]] TransportState& transport() const noexcept { return *transport_; }
    [[nodiscard]] EndpointMeter& meter() const noexcept { return *meter_; }

    /// Runs one decision on the health machine and publishes what it means for picks, as one step:
    /// decide(EndpointHealth&, Rng&) -> HealthChange.
    template <class Decide>
    HealthChange judge(Decide&& decide) {
        const std::lock_guard lock{mutex_};
        HealthChange change = decide(health_, rng_);
        if (change.changed) {
            stats().set_usability(health_.usability());
            stats().set_recovered_at(health_.recovered_at());
        }
        return change;
    }

    /// Reads from the health machine: read(const EndpointHealth&).
    template <class Read>
    auto inspect(Read&& read) const {
        const std::lock_guard lock{mutex_};
        return read(health_);
    }

    /// Ends the running check coroutine; null while none runs. Owned by the prober.
    std::shared_ptr<CallControl> check_control;

private:
    std::unique_ptr<TransportState> transport_;
    std::shared_ptr<EndpointMeter> meter_;
    mutable std::mutex mutex_;
    EndpointHealth health_;
    Rng rng_;
};

} // namespace failover
