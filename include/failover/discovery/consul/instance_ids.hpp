// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace failover::discovery {

/// Which instance has an id that was given out.
struct InstanceOrigin {
    std::string id{}; // Consul's
    std::string node{};
    std::string host{}; // and port
};

/// Ids for the instances of a service: Consul's own are unique on one node only. The first instance
/// with an id has it; one that another node adds later becomes "id@node", and so do all of several
/// that are first seen together. Who has an id keeps it while it is listed, whoever else comes and
/// goes, because calls, metrics and connections go by it. What several nodes list at the same
/// address and port, as happens after its agent was away, is one instance.
///
/// Pure: remembers what it gave out for the last list.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class InstanceIds {
public:
    /// Replaces Consul's ids of `endpoints` and drops those listed twice; nodes[i] is the node of
    /// endpoints[i]. `keep_unlisted`: who is not in this list may come back and still has its id.
    /// An empty list changes nothing.
    void assign(std::vector<Endpoint>& endpoints, const std::vector<std::string>& nodes,
                bool keep_unlisted) {
        if (endpoints.empty()) {
            return;
        }
        Instances now = sorted(endpoints, nodes);
        Instances kept;
        auto before = given_.begin();
        for (auto first = now.begin(); first != now.end();) {
            const auto end = end_of_group(first, now.end());
            for (; before != given_.end() && before->name < first->name; ++before) {
                kept.push_back(std::move(*before));
            }
            const bool known = before != given_.end() && before->name == first->name;
            const auto before_end = known ? end_of_group(before, given_.end()) : before;
            give({first, end}, {before, before_end}, keep_unlisted);
            for (; before != before_end; ++before) {
                if (!before->taken) {
                    kept.push_back(std::move(*before));
                }
            }
            first = end;
        }
        std::move(before, given_.end(), std::back_inserter(kept));
        write_back(now, endpoints);
        remember(std::move(now), keep_unlisted ? std::move(kept) : Instances{});
    }

    /// Whose id it is, where Consul's alone does not say so: several nodes use it, or did. None: it
    /// is Consul's own and one node's, or was not given out.
    [[nodiscard]] std::optional<InstanceOrigin> ambiguous(const std::string& id) const {
        const auto found = std::find_if(given_.begin(), given_.end(),
                                        [&](const Instance& one) { return one.id == id; });
        if (found == given_.end()) {
            return std::nullopt;
        }
        const auto same = [&](const Instance& one) { return one.name == found->name; };
        if (found->id == found->name && std::count_if(given_.begin(), given_.end(), same) == 1) {
            return std::nullopt;
        }
        return InstanceOrigin{.id = found->name, .node = found->node, .host = found->host};
    }

private:
    struct Instance {
        std::string name{}; // Consul's id
        std::string node{};
        std::string host{}; // and port
        std::string id{};   // the one given; empty: none yet
        std::size_t place = 0;
        unsigned rank = 0;  // of its status; 0: the best
        bool twice = false; // one of this name has the same host
        bool taken = false; // an instance of the list has this one's id now
    };
    using Instances = std::vector<Instance>;
    using Group = std::span<Instance>; // of one name

    static bool in_order(const Instance& a, const Instance& b) {
        return std::tie(a.name, a.node) < std::tie(b.name, b.node);
    }

    static Instances sorted(const std::vector<Endpoint>& endpoints,
                            const std::vector<std::string>& nodes) {
        std::vector<std::size_t> order(endpoints.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return std::tie(endpoints[a].id, nodes[a]) < std::tie(endpoints[b].id, nodes[b]);
        });
        Instances all;
        all.reserve(order.size());
        for (const std::size_t i : order) {
            all.push_back({.name = endpoints[i].id,
                           .node = nodes[i],
                           .host = host_port(endpoints[i]),
                           .place = i,
                           .rank = rank_of(endpoints[i].status)});
        }
        return all;
    }

    static Instances::iterator end_of_group(Instances::iterator first, Instances::iterator end) {
        return std::find_if(first, end,
                            [&](const Instance& one) { return one.name != first->name; });
    }

    /// Of what has the same host and port the one whose agent says the best of it: another may be
    /// gone, and what it said last with it.
    static void keep_best(Group now) {
        std::unordered_map<std::string_view, Instance*> best;
        for (Instance& one : now) {
            const auto [at, alone] = best.emplace(one.host, &one);
            if (alone) {
                continue;
            }
            Instance*& kept = at->second;
            const bool better = one.rank < kept->rank;
            (better ? *kept : one).twice = true;
            kept = better ? &one : kept;
        }
    }

    static unsigned rank_of(EndpointStatus status) noexcept {
        switch (status) {
            case EndpointStatus::healthy:
                return 0;
            case EndpointStatus::unknown:
                return 1;
            case EndpointStatus::draining:
                return 2;
            case EndpointStatus::unhealthy:
                break;
        }
        return 3;
    }

    static void give(Group now, Group before, bool keep_unlisted) {
        if (now.size() > 1) {
            keep_best(now);
        }
        for (Instance& one : now) {
            const auto known = std::lower_bound(before.begin(), before.end(), one, in_order);
            if (!one.twice && known != before.end() && known->node == one.node) {
                take(one, *known);
            }
        }
        give_to_moved(now, before);
        give_to_new(now, before, keep_unlisted);
    }

    static void take(Instance& one, Instance& known) {
        if (one.id.empty() && !std::exchange(known.taken, true)) {
            one.id = known.id;
        }
    }

    /// The same process, registered at another agent now.
    static void give_to_moved(Group now, Group before) {
        std::unordered_map<std::string_view, Instance*> left;
        for (Instance& known : before) {
            if (!known.taken) {
                left.emplace(known.host, &known);
            }
        }
        for (Instance& one : now) {
            const auto known = left.empty() || one.twice ? left.end() : left.find(one.host);
            if (known != left.end()) {
                take(one, *known->second);
            }
        }
    }

    static void give_to_new(Group now, Group before, bool keep_unlisted) {
        std::unordered_set<std::string> used;
        std::size_t fresh = 0;
        for (const Instance& one : now) {
            fresh += one.id.empty() && !one.twice ? 1U : 0U;
        }
        if (fresh == 0) {
            return;
        }
        for (const Instance& one : now) {
            used.insert(one.id);
        }
        for (const Instance& known : before) {
            if (!known.taken && keep_unlisted) {
                used.insert(known.id);
            }
        }
        used.erase(std::string{});
        const bool alone = fresh == 1 && used.empty();
        for (Instance& one : now) {
            if (!one.id.empty() || one.twice) {
                continue;
            }
            one.id = alone ? one.name : one.name + '@' + one.node;
            if (!used.insert(one.id).second) {
                one.id = one.name + '@' + one.host;
            }
        }
    }

    static void write_back(const Instances& now, std::vector<Endpoint>& endpoints) {
        std::vector<bool> twice(endpoints.size(), false);
        for (const Instance& one : now) {
            twice[one.place] = one.twice;
            endpoints[one.place].id = one.id;
        }
        std::size_t i = 0;
        std::erase_if(endpoints, [&](const Endpoint&) { return twice[i++]; });
    }

    void remember(Instances now, Instances kept) {
        std::erase_if(now, [](const Instance& one) { return one.twice; });
        given_.clear();
        std::merge(std::make_move_iterator(now.begin()), std::make_move_iterator(now.end()),
                   std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()),
                   std::back_inserter(given_), in_order);
        for (Instance& one : given_) {
            one.taken = false;
        }
    }

    Instances given_; // in order
};

} // namespace failover::discovery
