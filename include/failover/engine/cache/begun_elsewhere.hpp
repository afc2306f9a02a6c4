// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/cache/nodes.hpp>
#include <failover/engine/cache/work.hpp>
#include <failover/engine/cache/write_join.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace failover::cache {

/// A command that is executed by one node only: from its beginning the others must not be read for
/// its keys, and once it is executed they are to delete them. Whatever becomes of the call, they
/// are.
class BegunElsewhere {
public:
    BegunElsewhere(std::shared_ptr<const void> keep, Nodes& nodes, const Work& work, Node& lead,
                   std::uint64_t targets)
        : keep_{std::move(keep)}, nodes_{nodes}, work_{work}, lead_{lead}, targets_{targets} {
        each([&](Node& node) {
            for (const std::string& key : *work_.keys) {
                node.missed().begin(key, false);
            }
        });
    }
    BegunElsewhere(const BegunElsewhere&) = delete;
    BegunElsewhere& operator=(const BegunElsewhere&) = delete;
    ~BegunElsewhere() {
        if (!sent_) {
            each([&](Node& node) {
                for (const std::string& key : *work_.keys) {
                    node.missed().fail(key);
                }
            });
        }
    }

    void invalidate(const std::shared_ptr<WriteJoin>& join, TimePoint until) {
        sent_ = true;
        for (const auto& node : nodes_.all()) {
            if (node.get() == &lead_) {
                continue;
            }
            const auto mutation =
                std::make_shared<Mutation>(keep_, join, *node, work_.keys, is_target(*node), false);
            if (is_target(*node) && node->reachable() && !work_.others.empty()) {
                node->link().submit(work_.hash, work_.others, mutation, Clock::now(), until, false);
            } else {
                if (is_target(*node)) {
                    mutation->done(Answer::skipped());
                } else {
                    join->settle(node->index(), Answer::skipped());
                }
            }
        }
    }

private:
    [[nodiscard]] bool is_target(const Node& node) const noexcept {
        return (targets_ >> node.index() & 1U) != 0;
    }
    template <class F>
    void each(const F& f) {
        for (const auto& node : nodes_.all()) {
            if (node.get() != &lead_ && is_target(*node)) {
                f(*node);
            }
        }
    }

    const std::shared_ptr<const void> keep_;
    Nodes& nodes_;
    const Work& work_;
    Node& lead_;
    const std::uint64_t targets_;
    bool sent_ = false;
};

} // namespace failover::cache
