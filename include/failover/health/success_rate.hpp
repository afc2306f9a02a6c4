// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/failover_options.hpp>
#include <failover/endpoint/endpoint_stats.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace failover {

/// Endpoints whose success rate is an outlier among their peers: below mean - factor * standard
/// deviation (Envoy; gRFC A50). Empty unless enough of them had enough calls.
[[nodiscard]] inline std::vector<std::size_t> success_rate_outliers(
    std::span<const CallCounts> counts, const OutlierOptions& options) {
    std::vector<std::size_t> judged;
    double sum = 0;
    const auto rate = [&](std::size_t i) {
        return 1.0 - static_cast<double>(counts[i].failures) / counts[i].calls;
    };
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i].calls >= options.success_rate_min_calls) {
            judged.push_back(i);
            sum += rate(i);
        }
    }
    std::vector<std::size_t> outliers;
    if (judged.size() < options.success_rate_min_hosts) {
        return outliers;
    }
    const double mean = sum / static_cast<double>(judged.size());
    double squares = 0;
    for (const std::size_t i : judged) {
        squares += (rate(i) - mean) * (rate(i) - mean);
    }
    const double deviation = std::sqrt(squares / static_cast<double>(judged.size()));
    const double threshold = mean - options.success_rate_stdev * deviation;
    for (const std::size_t i : judged) {
        // Alike to a hair is no outlier: with equal rates the deviation is rounding.
        if (rate(i) < threshold - 1e-9) {
            outliers.push_back(i);
        }
    }
    return outliers;
}

} // namespace failover
