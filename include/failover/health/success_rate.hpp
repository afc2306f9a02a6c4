// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/failover_options.hpp>
#include <failover/endpoint/endpoint_stats.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace failover {

/// How far below the mean of its peers a success rate must be, whatever the deviation. Among peers
/// that are all but alike the deviation is next to nothing: 99.9 % would be an outlier among 100 %.
inline constexpr double least_success_rate_gap = 0.05;

/// Endpoints whose success rate is an outlier among their peers: below mean - factor * standard
/// deviation (Envoy; gRFC A50), and below it by at least least_success_rate_gap; the worst one
/// first, since the cap may not allow all. Empty unless enough of them had enough calls.
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
    const double threshold =
        mean - std::max(options.success_rate_stdev * deviation, least_success_rate_gap);
    for (const std::size_t i : judged) {
        if (rate(i) < threshold) {
            outliers.push_back(i);
        }
    }
    std::stable_sort(outliers.begin(), outliers.end(),
                     [&](std::size_t a, std::size_t b) { return rate(a) < rate(b); });
    return outliers;
}

} // namespace failover
