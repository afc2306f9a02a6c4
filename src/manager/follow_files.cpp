// SPDX-License-Identifier: MIT
#include "follow_files.hpp"

#include "../config/endpoint_file.hpp"
#include "../config/file_text.hpp"
#include "../config/fingerprint.hpp"
#include "directory_watch.hpp"
#include <failover/config/load.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <optional>
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

asio::awaitable<void> follow_as(std::uint64_t source, std::shared_ptr<StaticProvider> provider,
                                ServiceConfig wanted, SnapshotSink sink) {
    const std::filesystem::path file = wanted.static_list.file;
    const std::vector<std::filesystem::path> directories(1, directory_of(file));
    DirectoryWatch watch{co_await asio::this_coro::executor, directories};
    std::optional<std::string> used; // what the file said when it could be used last
    bool lost = false;
    for (bool attached = false;;) {
        try {
            std::string text = config::text_of(file);
            if (text != used) {
                std::vector<Endpoint> all = wanted.static_list.endpoints;
                for (Endpoint& one : config::endpoints_in(file.string(), text)) {
                    all.push_back(std::move(one));
                }
                provider->set_from(source, wanted.name, std::move(all));
                used = std::move(text);
                if (!std::exchange(attached, true)) {
                    provider->attach_from(source, wanted.name, sink);
                }
            } else if (lost) {
                // The file says what it said: the set is told again as it is now. Setting it anew
                // would bring back what was deregistered.
                provider->attach_from(source, wanted.name, sink);
            }
            lost = false;
        } catch (const Error& error) {
            // Better than none: what is listed, or what the file said before.
            if (!attached && provider->size(wanted.name) > 0) {
                attached = true;
                provider->attach_from(source, wanted.name, sink);
            }
            lost = true;
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

} // namespace

/// The source begins with this call and not when the coroutine does: one that is cancelled at once
/// may still run for a turn, and must not come after its successor.
asio::awaitable<void> follow_endpoints(std::shared_ptr<StaticProvider> provider,
                                       ServiceConfig wanted, SnapshotSink sink) {
    const std::uint64_t source = provider->new_source(wanted.name);
    return follow_as(source, std::move(provider), std::move(wanted), std::move(sink));
}

std::uint64_t ConfigFiles::fingerprint() const {
    config::Fingerprint all;
    try {
        // In the order in which load_config() reads them.
        all.add(main.string(), config::text_of(main));
        for (const std::filesystem::path& file : fragment_files(fragments, main)) {
            all.add(file.string(), config::text_of(file));
        }
    } catch (const Error& error) {
        all.add({}, error.what()); // not what is in force: loading them says so
    }
    return all.value();
}

asio::awaitable<void> follow_config(ConfigFiles files, std::uint64_t in_force, ApplyFiles apply) {
    std::vector<std::filesystem::path> directories(1, directory_of(files.main));
    directories.push_back(files.fragments);
    DirectoryWatch watch{co_await asio::this_coro::executor, std::move(directories)};
    std::string refused;
    for (;;) { // the first look comes after the watch has begun, or a change between were missed
        const std::uint64_t now = files.fingerprint();
        if (now == in_force) {
            refused.clear();
        } else {
            std::optional<std::string> why = apply(refused);
            if (!why) {
                co_return;
            }
            refused = std::move(*why);
            if (refused.empty()) {
                in_force = now; // or what was read a moment later: the next look tells
            }
        }
        co_await watch.changed(unseen_changes);
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            co_return;
        }
    }
}

} // namespace failover::detail
