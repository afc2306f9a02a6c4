// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/endpoint/endpoint_set.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace failover {

/// Endpoints a pick must leave out. Fixed storage: a call tries few.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class TriedSet {
public:
    static constexpr std::size_t capacity = 32;

    /// Beyond capacity nothing is added: such an endpoint may be picked again.
    void add(const void* node) noexcept {
        if (size_ < capacity) {
            nodes_[size_++] = node;
        }
    }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool contains(const void* node) const noexcept {
        return std::find(nodes_.begin(), nodes_.begin() + size_, node) != nodes_.begin() + size_;
    }

private:
    std::array<const void*, capacity> nodes_; // only the first size_ are ever read
    std::uint32_t size_ = 0;
};

/// What a pick is for.
struct PickRequest {
    TimePoint now{};
    /// Of the key, for consistent-hash; without meaning for the others.
    std::uint64_t hash = 0;
    /// Never null while picking. Nothing tried: an empty set.
    const TriedSet* tried = nullptr;
    /// May this call be the one that tries an endpoint in doubt? A call that must not be repeated
    /// leaves that to others, as long as there is another endpoint; but a service whose calls are
    /// all of that kind would never see the endpoint again, so every sixteenth of them does it.
    bool may_probe = true;
};

/// What a pick found.
struct Pick {
    enum class Why {
        picked,
        /// The set is empty.
        no_endpoints,
        /// Endpoints are known and none may be used.
        none_usable,
        /// Those that may be used were all tried.
        all_tried,
    };
    /// Null unless picked. Lives as long as the Picker.
    const EndpointSet::Entry* entry = nullptr;
    Why why = Why::none_usable;
    /// It holds the endpoint's half-open permit; give it back.
    bool probe = false;
};

} // namespace failover
