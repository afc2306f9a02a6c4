// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/discovery/static_provider.hpp>

#include <boost/asio/awaitable.hpp>

#include <filesystem>
#include <functional>
#include <memory>
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

    /// All they say, as one text, to see whether anything has changed.
    [[nodiscard]] std::string text() const;
};

/// Calls `changed` whenever the files say something else than `known`, until it returns false or
/// this is cancelled.
asio::awaitable<void> follow_config(ConfigFiles files, std::string known,
                                    std::function<bool()> changed);

} // namespace failover::detail
