// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/consul/blocking_index.hpp>
#include <failover/discovery/consul/instance_ids.hpp>
#include <failover/discovery/consul/removal_guard.hpp>

namespace failover::discovery {

/// What a watch of a service goes on with where another one was: which ids were given out, who is
/// kept although not listed, and how far the agents' index had come.
/// Threads    Distinct objects: safe. Shared object: unsafe.
struct ConsulWatchMemory {
    InstanceIds ids{};
    RemovalGuard guard{};
    BlockingIndex index{};

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
};

} // namespace failover::discovery
