// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/metrics.hpp>
#include <failover/fwd.hpp>

#include <memory>

namespace failover {

/// Metrics in a prometheus-cpp registry: the user's, or one of our own when that is null. Series of
/// a manager disappear from the user's registry with its meters. Several managers may share a
/// registry; equal names and labels then share a series.
[[nodiscard]] std::shared_ptr<Metrics> make_metrics(
    std::shared_ptr<prometheus::Registry> user_registry);

} // namespace failover
