// SPDX-License-Identifier: MIT
#pragma once

#include <bitset>
#include <cstddef>

namespace failover::detail {

/// Hits among the last 200 reads.
class HitWindow {
public:
    void add(bool hit) noexcept {
        hits_ += static_cast<std::size_t>(hit);
        hits_ -= static_cast<std::size_t>(reads_[next_]);
        reads_[next_] = hit;
        next_ = (next_ + 1) % size;
        full_ = full_ || next_ == 0;
    }
    void clear() noexcept { *this = {}; }

    /// There were that many, and 90 % of them are hits.
    [[nodiscard]] bool warm() const noexcept { return full_ && hits_ * 10 >= size * 9; }

private:
    static constexpr std::size_t size = 200;

    std::bitset<size> reads_{};
    std::size_t next_ = 0;
    std::size_t hits_ = 0;
    bool full_ = false;
};

} // namespace failover::detail
