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
    Picker(std::shared_ptr<const EndpointSet> set, PickerOptions options)
        : set_{std::move(set)}, options_{std::move(options)} {}

    [[nodiscard]] const Tier& draw_tier(Lane& lane) const noexcept;
    [[nodiscard]] std::uint32_t choose(const Tier& tier, const PickRequest& request,
                                       Lane& lane) const noexcept;
    [[nodiscard]] bool admit(const EndpointSet::Entry& entry, const EndpointStats& stats,
                             const PickRequest& request, Usability worst,
                             Pick& pick) const noexcept;
    [[nodiscard]] bool pick_probe(const PickRequest& request, Pick& pick) const noexcept;
    [[nodiscard]] Pick pick_hashed(const PickRequest& request, Lane& lane) const noexcept;
    [[nodiscard]] bool take_probe(const EndpointSet::Entry& entry, const PickRequest& request,
                                  Pick& pick) const noexcept;
    [[nodiscard]] bool admit_doubtful(const EndpointSet::Entry& entry, const PickRequest& request,
                                      Pick& pick) const noexcept;
    [[nodiscard]] bool overloaded(const EndpointSet::Entry& entry, Lane& lane) const noexcept;
    // Rare, and out of the way: inlined it would make the common path save more registers.
    [[nodiscard, gnu::cold]] Pick pick_anything(const PickRequest& request) const noexcept;
    void list_all();
    void order_candidates();
    void build_weights();
    void note_priorities();

    std::shared_ptr<const EndpointSet> set_;
    PickerOptions options_;
    HealthCounts counts_;
    bool panic_ = false;
    std::vector<Tier> tiers_;
    std::vector<Weighted> weights_; // one a tier
    std::vector<const EndpointSet::Entry*> probing_;
    std::vector<std::size_t> preference_;
    std::shared_ptr<const HashRing> ring_;
    // For the ring: most sets have one priority, and then no pick needs to look.
    bool one_priority_ = true;
    std::uint32_t best_priority_ = 0;
    PeakEwma peak_ewma_;
};

} // namespace failover

#include <failover/select/detail/picker_steps.hpp>
