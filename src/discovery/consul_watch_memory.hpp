// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/consul/blocking_index.hpp>
#include <failover/discovery/consul/instance_ids.hpp>
#include <failover/discovery/consul/removal_guard.hpp>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace failover::discovery {

/// What a watch of a service goes on with where another one was: which ids were given out, who is
/// kept although not listed, and how far the agents' index had come.
/// Threads    that of the watch, where nothing else is said.
class ConsulWatchMemory {
public:
    ConsulWatchMemory() = default;
    ConsulWatchMemory(const ConsulWatchMemory& other) : guard{other.guard}, index{other.index} {
        const std::lock_guard lock{other.mutex_};
        ids_ = other.ids_;
    }
    ConsulWatchMemory& operator=(const ConsulWatchMemory&) = delete;
    ~ConsulWatchMemory() = default;

    /// Other agents are asked from now on: they may count otherwise, and need not know yet whom the
    /// ones before listed.
    void on_other_agents() {
        index = BlockingIndex{};
        guard.on_loss();
    }
    /// Something else is asked for from now on: who is not listed then is not wanted.
    void on_other_question() {
        index = BlockingIndex{};
        guard = RemovalGuard{};
    }

    /// See InstanceIds::assign().
    void assign_ids(std::vector<Endpoint>& endpoints, const std::vector<std::string>& nodes) {
        const std::lock_guard lock{mutex_};
        ids_.assign(endpoints, nodes, guard.doubts());
    }
    /// From any thread; see InstanceIds::ambiguous().
    [[nodiscard]] std::optional<InstanceOrigin> ambiguous(const std::string& id) const {
        const std::lock_guard lock{mutex_};
        return ids_.ambiguous(id);
    }

    RemovalGuard guard{};
    BlockingIndex index{};

private:
    mutable std::mutex mutex_;
    InstanceIds ids_;
};

} // namespace failover::discovery
