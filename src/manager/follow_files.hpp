// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/discovery/static_provider.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

namespace failover::detail {

namespace asio = boost::asio;

/// Keeps the endpoints of `wanted.static_list.file` beside the listed ones until cancelled. A file
/// that cannot be used leaves the set as it is, and `sink` is told why. One that says what it said
/// changes nothing: what was deregistered stays out.
asio::awaitable<void> follow_endpoints(std::shared_ptr<StaticProvider> provider,
                                       ServiceConfig wanted, SnapshotSink sink);

/// The main file of a configuration and the directory of its fragments.
struct ConfigFiles {
    std::filesystem::path main{};
    std::filesystem::path fragments{};

    /// What they say now: Config::fingerprint of what load_config() would make of them.
    [[nodiscard]] std::uint64_t fingerprint() const;
};

/// Calls `changed` whenever the files say something else than `known`, until it returns false or
/// this is cancelled.
asio::awaitable<void> follow_config(ConfigFiles files, std::uint64_t known,
                                    std::function<bool()> changed);

} // namespace failover::detail
