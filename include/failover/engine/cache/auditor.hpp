// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/metrics.hpp>
#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/engine/cache/nodes.hpp>
#include <failover/engine/cache/resp.hpp>
#include <failover/engine/new_seed.hpp>
#include <failover/role/fill_lease.hpp>
#include <failover/select/hash_key.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace failover::cache {

/// Compares some of the keys that were written on all nodes a while later (as Meta's Polaris does
/// for its caches). Two processes that set one key at the same moment may reach two nodes in
/// different order; what then differs is deleted on all but the node that serves it.
/// Threads    add() from any; look() from one.
class Auditor {
public:
    using Listener = std::function<void(const std::string& key)>;

    /// `share`: of the keys written. 0: none.
    Auditor(Nodes& nodes, double share, std::shared_ptr<CacheMeter> meter, Listener listener)
        : nodes_{nodes}, share_{share}, meter_{std::move(meter)}, listener_{std::move(listener)} {}

    void add(const std::string& key) {
        if (share_ <= 0) {
            return;
        }
        thread_local Rng rng{new_seed()};
        if (rng.uniform() >= share_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        if (waiting_.size() < most_waiting) {
            waiting_.push_back({key, Clock::now() + settle_time, false});
        }
    }

    /// Looks at what is due, for a few keys.
    void look(Duration timeout) {
        for (int i = 0; i < keys_a_look; ++i) {
            std::optional<Sample> sample = next();
            if (!sample) {
                return;
            }
            const bool differs = compare(sample->key, timeout);
            meter_->audited(1);
            if (differs && !sample->seen_differing) {
                // Perhaps it was just being written.
                sample->due = Clock::now() + settle_time;
                sample->seen_differing = true;
                const std::lock_guard lock{mutex_};
                waiting_.push_back(*std::move(sample));
            } else if (differs) {
                mend(sample->key);
            }
        }
    }

private:
    static constexpr std::size_t most_waiting = 1000;
    static constexpr int keys_a_look = 2;
    static constexpr Duration settle_time = std::chrono::seconds{1};

    struct Sample {
        std::string key;
        TimePoint due{};
        bool seen_differing = false;
    };

    [[nodiscard]] std::optional<Sample> next() {
        const std::lock_guard lock{mutex_};
        if (waiting_.empty() || waiting_.front().due > Clock::now()) {
            return std::nullopt;
        }
        Sample sample = std::move(waiting_.front());
        waiting_.pop_front();
        return sample;
    }

    /// A key that only some nodes have is no difference: caches forget.
    [[nodiscard]] bool compare(const std::string& key, Duration timeout) const {
        const std::string question = resp({"GET", key});
        std::optional<std::string> first;
        for (const auto& node : nodes_.all()) {
            if (!node->readable(key, 0, true)) {
                continue;
            }
            const TimePoint until = Clock::now() + timeout;
            Opened opened = node->link().take(until, nullptr);
            if (opened.session == nullptr) {
                continue;
            }
            Answer answer = opened.session->ask(question, until, nullptr);
            node->link().give(std::move(opened.session));
            if (!answer.good() || answer.reply.type() != Reply::Type::text ||
                is_placeholder(answer.reply.text())) {
                continue;
            }
            if (first && *first != answer.reply.text()) {
                return true;
            }
            first = std::move(answer.reply).text();
        }
        return false;
    }

    void mend(const std::string& key) {
        const Node* const serving = nodes_.reader(key, hash_key(key), 0, CacheReads::primary);
        for (const auto& node : nodes_.all()) {
            if (node.get() != serving) {
                node->missed().add(key);
            }
        }
        meter_->diverged(1);
        listener_(key);
    }

    Nodes& nodes_;
    const double share_;
    const std::shared_ptr<CacheMeter> meter_;
    const Listener listener_;
    std::mutex mutex_;
    std::deque<Sample> waiting_;
};

} // namespace failover::cache
