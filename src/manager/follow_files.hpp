// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/discovery/static_provider.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

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

/// Applies files; gets why they were refused the last time, which need not be reported again.
/// Returns why they are now, empty when they are in force; none: there is nobody left.
using ApplyFiles = std::function<std::optional<std::string>(const std::string& told)>;

/// Calls `apply` at each look at which the files say something else than `in_force`, until it
/// returns none or this is cancelled. What is refused is tried again at each look: what is wrong
/// may lie in none of these files.
asio::awaitable<void> follow_config(ConfigFiles files, std::uint64_t in_force, ApplyFiles apply);

} // namespace failover::detail
