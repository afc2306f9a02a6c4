// SPDX-License-Identifier: MIT
#pragma once

#include <failover/select/picker.hpp>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace picker_fleet {

using namespace std::chrono_literals;
using failover::Duration;
using failover::Endpoint;
using failover::EndpointNode;
using failover::EndpointSet;
using failover::EndpointStats;
using failover::Lane;
using failover::mix_hash;
using failover::Pick;
using failover::Picker;
using failover::PickerOptions;
using failover::Strategy;
using failover::TimePoint;
using failover::TriedSet;
using failover::Usability;

const TimePoint t0{1000s};

inline Endpoint one(std::string id, std::uint32_t weight = 1, std::uint32_t priority = 0,
                    std::string zone = {}) {
    return Endpoint{
        .id = std::move(id), .weight = weight, .priority = priority, .zone = std::move(zone)};
}

/// `count` equal endpoints "e0", "e1", ...
inline std::vector<Endpoint> alike(std::size_t count) {
    std::vector<Endpoint> list;
    for (std::size_t i = 0; i < count; ++i) {
        list.push_back(one("e" + std::to_string(i)));
    }
    return list;
}

/// Endpoints with a table over them and one thread's lane.
class Fleet {
public:
    explicit Fleet(std::vector<Endpoint> list, PickerOptions how = {}) : options{std::move(how)} {
        EndpointSet::Entries entries;
        for (Endpoint& endpoint : list) {
            entries.push_back({std::make_shared<const Endpoint>(std::move(endpoint)),
                               std::make_shared<EndpointNode>()});
        }
        set = std::make_shared<const EndpointSet>(std::move(entries));
        lane.seed(12345);
        build();
    }

    void build() { picker = Picker::build(set, options, now, picker.get()); }

    const EndpointSet::Entry& entry(std::string_view id) const {
        for (const EndpointSet::Entry& found : set->entries()) {
            if (found.info->id == id) {
                return found;
            }
        }
        throw std::invalid_argument{"no such endpoint"};
    }
    EndpointStats& stats(std::string_view id) const { return entry(id).node->stats(); }

    /// Sets states without building a new table.
    void becomes(std::string_view id, Usability usability) const {
        stats(id).set_usability(usability);
    }
    /// Sets states and builds a new table, as the engine does.
    void set_states(const std::map<std::string, Usability>& states) {
        for (const auto& [id, usability] : states) {
            becomes(id, usability);
        }
        build();
    }

    Pick pick_full(std::initializer_list<const char*> tried = {}, bool may_probe = true,
                   std::uint64_t hash = 0) {
        TriedSet out;
        for (const char* id : tried) {
            out.add(entry(id).node.get());
        }
        return picker->pick({.now = now, .hash = hash, .tried = &out, .may_probe = may_probe},
                            lane);
    }
    /// The id picked, or why there is none.
    std::string pick(std::initializer_list<const char*> tried = {}, bool may_probe = true,
                     std::uint64_t hash = 0) {
        return text(pick_full(tried, may_probe, hash));
    }
    static std::string text(const Pick& pick) {
        switch (pick.why) {
            case Pick::Why::picked:
                return pick.entry->info->id + (pick.probe ? " (probe)" : "");
            case Pick::Why::no_endpoints:
                return "no_endpoints";
            case Pick::Why::none_usable:
                return "none_usable";
            case Pick::Why::all_tried:
                return "all_tried";
        }
        return "?";
    }
    /// How often each is picked; a new hash each time.
    std::map<std::string, int> pick_many(int count, std::initializer_list<const char*> tried = {},
                                         bool may_probe = false) {
        std::map<std::string, int> counts;
        for (int i = 0; i < count; ++i) {
            ++counts[pick(tried, may_probe, mix_hash(next_hash++))];
        }
        return counts;
    }

    PickerOptions options;
    std::shared_ptr<const EndpointSet> set;
    std::shared_ptr<const Picker> picker;
    std::unique_ptr<Lane> own_lane = std::make_unique<Lane>();
    Lane& lane = *own_lane;
    TimePoint now = t0;
    std::uint64_t next_hash = 1;
};

constexpr Strategy all_strategies[] = {
    Strategy::active_passive, Strategy::active_active, Strategy::round_robin,
    Strategy::random,         Strategy::first,         Strategy::weighted,
    Strategy::least_request,  Strategy::peak_ewma,     Strategy::consistent_hash};

using Counts = std::map<std::string, int>;

} // namespace picker_fleet
