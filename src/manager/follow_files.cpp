// SPDX-License-Identifier: MIT
#include "follow_files.hpp"

#include "directory_watch.hpp"
#include <failover/config/load.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

namespace failover::detail {
namespace {

using namespace std::chrono_literals;

/// Files reached through links elsewhere are looked at this often.
constexpr Duration unseen_changes = 10s;

std::filesystem::path directory_of(const std::filesystem::path& file) {
    return file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
}

} // namespace

asio::awaitable<void> follow_endpoints(std::shared_ptr<StaticProvider> provider,
                                       ServiceConfig config, SnapshotSink sink) {
    const std::filesystem::path file = config.static_list.file;
    const std::vector<std::filesystem::path> directories(1, directory_of(file));
    DirectoryWatch watch{co_await asio::this_coro::executor, directories};
    for (bool attached = false;;) {
        try {
            std::vector<Endpoint> all = config.static_list.endpoints;
            for (Endpoint& one : load_endpoints(file)) {
                all.push_back(std::move(one));
            }
            provider->set(config.name, std::move(all));
            if (!std::exchange(attached, true)) {
                provider->attach(config.name, sink);
            }
        } catch (const Error& error) {
            // Better than none: what is listed, or what the file said before.
            if (!attached && provider->size(config.name) > 0) {
                attached = true;
                provider->attach(config.name, sink);
            }
            sink.lost(error.what());
        }
        co_await watch.changed(unseen_changes);
        // A wait that was cancelled ends like one that saw a change; another look would bring back
        // what the successor of this one has replaced.
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            co_return;
        }
    }
}

std::string ConfigFiles::text() const {
    std::vector<std::filesystem::path> files = fragment_files(fragments, main);
    files.push_back(main);
    std::string all;
    for (const std::filesystem::path& file : files) {
        std::ifstream in{file, std::ios::binary};
        all.append(file.string()).append(1, '\0');
        all.append(std::istreambuf_iterator<char>{in}, {});
    }
    return all;
}

asio::awaitable<void> follow_config(ConfigFiles files, std::string known,
                                    std::function<bool()> changed) {
    std::vector<std::filesystem::path> directories(1, directory_of(files.main));
    directories.push_back(files.fragments);
    DirectoryWatch watch{co_await asio::this_coro::executor, std::move(directories)};
    for (;;) { // the first look comes after the watch has begun, or a change between were missed
        std::string now = files.text();
        if (now != known && !changed()) {
            co_return;
        }
        known = std::move(now);
        co_await watch.changed(unseen_changes);
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            co_return;
        }
    }
}

} // namespace failover::detail
