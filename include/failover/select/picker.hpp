// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint_set.hpp>
#include <failover/select/hash_ring.hpp>
#include <failover/select/in_order.hpp>
#include <failover/select/lane.hpp>
#include <failover/select/least_loaded.hpp>
#include <failover/select/pick.hpp>
#include <failover/select/picker_options.hpp>
#include <failover/select/random_choice.hpp>
#include <failover/select/round_robin.hpp>
#include <failover/select/tiers.hpp>
#include <failover/select/weighted.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace failover {

/// The table calls pick from: built by whoever changes the set or its health, then only read. What
/// changes between two builds is seen through each endpoint's atomic usability, so that an ejection
/// acts at once; a slow path over all endpoints makes sure that none that may be used is missed.
/// Threads    safe, lock-free, no allocation in pick().
class Picker {
public:
    /// `previous` may lend its hash ring. `set` must not be null.
    [[nodiscard]] static std::shared_ptr<const Picker> build(std::shared_ptr<const EndpointSet> set,
                                                             PickerOptions options, TimePoint now,
                                                             const Picker* previous = nullptr);
    [[nodiscard]] static std::shared_ptr<const Picker> empty() {
        return build(std::make_shared<const EndpointSet>(), {}, TimePoint{});
    }

    [[nodiscard]] Pick pick(const PickRequest& request, Lane& lane) const noexcept;

    [[nodiscard]] const EndpointSet& set() const noexcept { return *set_; }
    /// Endpoints not draining, and those of them that may be used, when the table was built.
    [[nodiscard]] std::size_t known() const noexcept { return counts_.known; }
    [[nodiscard]] std::size_t usable() const noexcept { return counts_.usable; }
    /// Ejected endpoints are tried too.
    [[nodiscard]] bool panic() const noexcept { return panic_; }

private:
    static constexpr std::uint32_t no_tier = ~std::uint32_t{0};
    /// The endpoints of one priority as consistent-hash sees them.
    struct PriorityRing {
        std::uint32_t priority = 0;
        std::shared_ptr<const HashRing> ring{};
        /// The first one of that priority; no_tier: it had nobody to offer.
        std::uint32_t tier = no_tier;
    };

    Picker(std::shared_ptr<const EndpointSet> set, PickerOptions options)
        : set_{std::move(set)}, options_{std::move(options)} {}

    [[nodiscard]] const Tier& draw_tier(Lane& lane) const noexcept;
    [[nodiscard]] std::uint32_t choose(const Tier& tier, const PickRequest& request,
                                       Lane& lane) const noexcept;
    [[nodiscard]] bool admit(const EndpointSet::Entry& entry, const EndpointStats& stats,
                             const PickRequest& request, Usability worst,
                             Pick& pick) const noexcept;
    [[nodiscard]] bool pick_probe(const PickRequest& request, Pick& pick) const noexcept;
    // Not inlined: the other strategies would have to save the registers that it needs.
    [[nodiscard, gnu::noinline]] inline Pick pick_hashed(const PickRequest& request,
                                                         Lane& lane) const noexcept;
    [[nodiscard, gnu::always_inline]] bool walk(const HashRing& ring, std::uint32_t tier,
                                                const PickRequest& request, Usability worst,
                                                Lane& lane, Pick& pick) const noexcept;
    [[nodiscard]] bool take_probe(const EndpointSet::Entry& entry, const PickRequest& request,
                                  Pick& pick) const noexcept;
    [[nodiscard]] bool admit_doubtful(const EndpointSet::Entry& entry, const PickRequest& request,
                                      Pick& pick) const noexcept;
    [[nodiscard]] bool overloaded(const EndpointSet::Entry& entry, std::uint32_t tier,
                                  Lane& lane) const noexcept;
    // Rare, and out of the way: inlined it would make the common path save more registers.
    [[nodiscard, gnu::cold]] Pick pick_anything(const PickRequest& request) const noexcept;
    [[nodiscard, gnu::cold]] Pick pick_spilled(const PickRequest& request,
                                               Lane& lane) const noexcept;
    [[nodiscard, gnu::cold]] bool pick_attracted(const HashRing& ring, const PickRequest& request,
                                                 Usability worst, Pick& pick) const noexcept;
    void list_all();
    void order_candidates();
    void build_weights();
    void build_rings(const Picker* previous);

    std::shared_ptr<const EndpointSet> set_;
    PickerOptions options_;
    HealthCounts counts_;
    bool panic_ = false;
    std::vector<Tier> tiers_;
    std::vector<Weighted> weights_; // one a tier
    std::vector<const EndpointSet::Entry*> probing_;
    std::vector<std::size_t> preference_;
    std::vector<PriorityRing> rings_; // for consistent-hash, best first
    std::size_t first_ring_ = 0;      // the best one with a share of the load
    const HashRing* ring_ = nullptr;  // the same one; null: none has
    std::uint32_t ring_tier_ = no_tier;
    PeakEwma peak_ewma_;
};

} // namespace failover

#include <failover/select/detail/picker_hashing.hpp>
#include <failover/select/detail/picker_steps.hpp>
