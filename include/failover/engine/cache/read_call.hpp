// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/cache/awaited_command.hpp>
#include <failover/engine/cache/node.hpp>
#include <failover/engine/call_registry.hpp>
#include <failover/engine/recycled.hpp>
#include <failover/role/own_writes.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace failover::cache {

/// A get() and its first attempt, which is all that most of them are. What a coroutine would keep
/// in its frame is here, as frames are made anew with every call and these are not.
class ReadCall final : public AwaitedCommand {
public:
    ReadCall(const asio::any_io_executor& executor, std::shared_ptr<const void> keep,
             CallRegistry& registry, std::string key, std::uint64_t hash)
        : AwaitedCommand{executor},
          keep_{std::move(keep)},
          entry_{registry},
          key_{std::move(key)},
          hash_{hash} {}

    [[nodiscard]] static std::shared_ptr<ReadCall> make(const asio::any_io_executor& executor,
                                                        std::shared_ptr<const void> keep,
                                                        CallRegistry& registry, std::string key,
                                                        std::uint64_t hash) {
        return std::allocate_shared<ReadCall>(RecycledAllocator<ReadCall>{}, executor,
                                              std::move(keep), registry, std::move(key), hash);
    }

    [[nodiscard]] CallRegistry::Entry& entry() noexcept { return entry_; }
    [[nodiscard]] const std::string& key() const noexcept { return key_; }
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
    [[nodiscard]] TimePoint start() const noexcept { return start_; }
    /// Where the first attempt is; null: none was made.
    [[nodiscard]] Node* node() const noexcept { return node_; }
    void sent_to(Node& node) noexcept { node_ = &node; }

    /// What this process had written when it was sent.
    OwnWrites::Seen own{};

private:
    const std::shared_ptr<const void> keep_; // the nodes
    CallRegistry::Entry entry_;
    const std::string key_;
    const std::uint64_t hash_;
    const TimePoint start_ = Clock::now();
    Node* node_ = nullptr;
};

} // namespace failover::cache
