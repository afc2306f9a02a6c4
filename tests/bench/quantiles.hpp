// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace failover::bench {

/// Values and what share of them lies below which one.
class Quantiles {
public:
    void add(double value) { values_.push_back(value); }

    /// The smallest value that at least `share` of all do not exceed; share 1: the largest. There
    /// must be one.
    [[nodiscard]] double at(double share) const {
        std::vector<double> sorted = values_;
        const auto last = static_cast<double>(sorted.size() - 1);
        const auto place = sorted.begin() + static_cast<std::ptrdiff_t>(share * last + 0.5);
        std::nth_element(sorted.begin(), place, sorted.end());
        return *place;
    }

private:
    std::vector<double> values_;
};

} // namespace failover::bench
