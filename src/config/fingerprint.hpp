// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace failover::config {

/// What some files say, as one number that holds within this process: to see whether they have
/// changed without keeping their texts, which may hold secrets.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class Fingerprint {
public:
    void add(std::string_view file, std::string_view text) {
        add(file);
        add(text);
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

private:
    void add(std::string_view part) {
        value_ ^= std::hash<std::string_view>{}(part) + 0x9E3779B97F4A7C15ULL + (value_ << 6U) +
                  (value_ >> 2U); // boost's hash_combine: order counts
    }

    std::uint64_t value_ = 0;
};

} // namespace failover::config
