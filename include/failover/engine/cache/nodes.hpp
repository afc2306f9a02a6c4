// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/cache_config.hpp>
#include <failover/engine/cache/bell.hpp>
#include <failover/engine/cache/node.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::cache {

/// The nodes of a cache, and which of them a command goes to. A pick takes no lock and allocates
/// nothing while nodes are up and have missed nothing.
/// Threads    safe.
class Nodes {
public:
    explicit Nodes(const CacheConfig& config) : config_{config} {}

    /// While it is being made only.
    void add(std::unique_ptr<Node> node) { nodes_.push_back(std::move(node)); }

    [[nodiscard]] const std::vector<std::unique_ptr<Node>>& all() const noexcept { return nodes_; }
    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] Node* find(std::string_view id) const noexcept {
        for (const auto& node : nodes_) {
            if (node->id() == id) {
                return node.get();
            }
        }
        return nullptr;
    }
    [[nodiscard]] Bell& bell() noexcept { return bell_; }

    /// Who serves this key. Bit i of `excluded`: node i failed this call. Null: nobody.
    [[nodiscard]] Node* reader(std::string_view key, std::uint64_t hash, std::uint64_t excluded,
                               CacheReads reads) const {
        if (config_.mode == CacheMode::replicated) {
            return replicated_reader(key, hash, excluded, reads);
        }
        if (Node* const chosen = forced(excluded);
            chosen != nullptr && chosen->readable(key, hash)) {
            return chosen;
        }
        const std::size_t first = start(hash);
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            Node& node = *nodes_[(first + i) % nodes_.size()];
            if (!has(excluded, node) && node.readable(key, hash)) {
                return &node;
            }
        }
        // Better one that is not warm yet than none.
        for (const auto& node : nodes_) {
            if (!has(excluded, *node) && node->readable(key, hash, true)) {
                return node.get();
            }
        }
        return nullptr;
    }
    /// Is it the one where all processes read and write this key, while it is well?
    [[nodiscard]] bool is_home(const Node& node, std::uint64_t hash) const noexcept {
        return node.index() == start(hash);
    }
    /// Is there a node that could be read, but for what it has not confirmed of this key? What it
    /// holds is to be deleted, so the key is as good as gone.
    [[nodiscard]] bool only_owed(std::string_view key) const {
        return config_.mode != CacheMode::replicated &&
               std::any_of(nodes_.begin(), nodes_.end(), [&](const std::unique_ptr<Node>& node) {
                   return node->fit() && node->owes(key);
               });
    }
    /// Whose reply to a write of this key is the call's: the one that serves it; where there is
    /// none, any that can be reached.
    [[nodiscard]] Node* lead(std::uint64_t hash, std::uint64_t excluded) const {
        if (config_.mode == CacheMode::replicated) {
            Node* const node = primary();
            return node != nullptr && node->reachable() ? node : nullptr;
        }
        if (Node* const chosen = forced(excluded); chosen != nullptr && chosen->fit()) {
            return chosen;
        }
        const std::size_t first = start(hash);
        Node* reachable = nullptr;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            Node& node = *nodes_[(first + i) % nodes_.size()];
            if (has(excluded, node)) {
                continue;
            }
            // By key: while a node warms up, a key is written where it is read.
            if (node.readable({}, hash)) {
                return &node;
            }
            if (reachable == nullptr && node.reachable() &&
                node.state() != CacheNodeState::unknown) {
                reachable = &node;
            }
        }
        return reachable;
    }
    /// A node that answers a miss of one that warms up. Null: none.
    [[nodiscard]] Node* peer_of(const Node& node, std::string_view key, std::uint64_t hash) const {
        for (const auto& other : nodes_) {
            if (other.get() != &node && other->state() != CacheNodeState::warming &&
                other->readable(key, hash)) {
                return other.get();
            }
        }
        return nullptr;
    }

    /// The node that reads go to first, of no key in particular. Null: none.
    [[nodiscard]] Node* serving() const { return reader({}, 0, 0, CacheReads::prefer_primary); }

    /// Why none is fit, for people.
    [[nodiscard]] std::string problems() const {
        std::string out;
        for (const auto& node : nodes_) {
            const CacheNodeStatus status = node->status(Clock::now());
            out += (out.empty() ? "" : "; ") + status.id + " (" + status.address + ") is " +
                   to_string(status.state) + (status.problem.empty() ? "" : ": " + status.problem);
        }
        return out;
    }

    /// Is there a node nobody knows anything of yet?
    [[nodiscard]] bool undecided() const noexcept {
        for (const auto& node : nodes_) {
            if (node->state() == CacheNodeState::unknown) {
                return true;
            }
        }
        return false;
    }

    // Replicated mode.

    [[nodiscard]] Node* primary() const noexcept {
        const int at = primary_.load(std::memory_order_acquire);
        return at < 0 ? nullptr : nodes_[static_cast<std::size_t>(at)].get();
    }
    void set_primary(std::optional<std::size_t> index) noexcept {
        primary_.store(index ? static_cast<int>(*index) : -1, std::memory_order_release);
        bell_.ring();
    }

    /// The operator's choice; none: by themselves.
    void force(std::optional<std::size_t> index) noexcept {
        forced_.store(index ? static_cast<int>(*index) : -1, std::memory_order_release);
    }
    void unforce(const Node& node) noexcept {
        int expected = static_cast<int>(node.index());
        forced_.compare_exchange_strong(expected, -1);
    }

private:
    static bool has(std::uint64_t set, const Node& node) noexcept {
        return (set >> node.index() & 1U) != 0;
    }
    [[nodiscard]] std::size_t start(std::uint64_t hash) const noexcept {
        return config_.strategy == Strategy::active_active && config_.mode == CacheMode::dual
                   ? hash % nodes_.size()
                   : 0;
    }
    [[nodiscard]] Node* forced(std::uint64_t excluded) const noexcept {
        const int at = forced_.load(std::memory_order_relaxed);
        if (at < 0) {
            return nullptr;
        }
        Node* const node = nodes_[static_cast<std::size_t>(at)].get();
        return has(excluded, *node) ? nullptr : node;
    }
    [[nodiscard]] Node* replicated_reader(std::string_view key, std::uint64_t hash,
                                          std::uint64_t excluded, CacheReads reads) const {
        Node* const first = primary();
        const bool usable = first != nullptr && first->readable(key, hash);
        if (usable && reads != CacheReads::prefer_replica) {
            return first;
        }
        if (reads != CacheReads::primary) {
            for (std::size_t i = 0; i < nodes_.size(); ++i) {
                Node& node = *nodes_[(hash + i) % nodes_.size()];
                if (&node != first && !has(excluded, node) && node.readable(key, hash)) {
                    return &node;
                }
            }
        }
        return usable ? first : nullptr;
    }

    const CacheConfig& config_;
    std::vector<std::unique_ptr<Node>> nodes_;
    Bell bell_;
    std::atomic<int> primary_{-1};
    std::atomic<int> forced_{-1};
};

} // namespace failover::cache
