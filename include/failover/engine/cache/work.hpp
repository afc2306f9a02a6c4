// SPDX-License-Identifier: MIT
#pragma once

#include <failover/cache_options.hpp>
#include <failover/engine/cache/resp.hpp>
#include <failover/engine/cache/write_join.hpp>
#include <failover/role/command_class.hpp>
#include <failover/role/own_writes.hpp>
#include <failover/select/hash_key.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::cache {

/// One command as the engine sees it.
struct Work {
    CommandClass kind = CommandClass::read;
    /// As it is sent.
    std::string bytes{};
    /// Decides which node and connection; its first one when it has several.
    std::string key{};
    std::uint64_t hash = 0;
    /// GET: a node that warms up asks another one for what it misses.
    bool copies = false;
    /// All that it changes.
    Mutation::Keys keys{};
    /// What its key has when it was executed; none: that is not known.
    std::optional<OwnWrites::Digest> leaves{};
    /// The server is to refuse it when it comes too late, where its clock is known.
    bool timed = false;
    /// FLUSHDB, FLUSHALL.
    bool everything = false;
    /// What is sent to the nodes that do not decide; empty: `bytes`.
    std::string others{};
    /// SET: the same with the life that gutter mode allows; empty: `bytes`.
    std::string capped{};
};

[[nodiscard]] inline Work read_work(std::string key, std::string bytes) {
    Work work;
    work.hash = hash_key(key);
    work.key = std::move(key);
    work.bytes = std::move(bytes);
    return work;
}

[[nodiscard]] inline Work get_work(std::string key) {
    std::string bytes = resp({"GET", key});
    Work work = read_work(std::move(key), std::move(bytes));
    work.copies = true;
    return work;
}

[[nodiscard]] inline Work write_work(std::string key, std::string bytes) {
    Work work = read_work(std::move(key), std::move(bytes));
    work.kind = CommandClass::idempotent;
    work.keys = std::make_shared<const std::vector<std::string>>(1, work.key);
    return work;
}

/// Any command. The caller has made sure that it is not refused.
[[nodiscard]] inline Work command_work(std::span<const std::string> args,
                                       const CommandTraits& traits) {
    std::vector<std::string> keys;
    for_each_key(traits, args, [&keys](const std::string& key) { keys.push_back(key); });
    Work work = read_work(keys.empty() ? std::string{} : keys.front(), resp(args));
    work.kind = traits.kind;
    work.everything = traits.flushes;
    if (traits.kind == CommandClass::once && !keys.empty()) {
        std::vector<std::string> words{"DEL"};
        words.insert(words.end(), keys.begin(), keys.end());
        work.others = resp(std::span<const std::string>{words});
    }
    if (traits.kind != CommandClass::read) {
        work.keys = std::make_shared<const std::vector<std::string>>(std::move(keys));
    }
    return work;
}

} // namespace failover::cache
