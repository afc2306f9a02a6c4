// SPDX-License-Identifier: MIT
#include "follow_files.hpp"
#include "manager_impl.hpp"
#include <failover/config/load.hpp>
#include <failover/engine/background.hpp>

#include <optional>
#include <string>
#include <utility>

// The files of the configuration, followed while the manager runs.

namespace failover {

/// What cannot be used changes nothing and is reported, unless `told`. Returns why it cannot; none:
/// the manager is gone.
std::optional<std::string> FailoverManager::Impl::reload_file(const std::weak_ptr<Impl>& weak,
                                                              const std::filesystem::path& main,
                                                              const std::string& told) {
    const std::shared_ptr<Impl> self = weak.lock();
    if (!self) {
        return std::nullopt;
    }
    Config config;
    try {
        config = load_config(main);
    } catch (const Error& error) {
        self->reject(error.what(), told);
        return error.what();
    }
    try {
        self->reload(std::move(config), told);
    } catch (const Error& error) { // reported there
        return error.what();
    }
    return std::string{};
}

/// From what config_ was read of: what has changed since is applied at the first look.
void FailoverManager::Impl::start_config_watch() {
    if (config_.source.empty() || config_.fragments.path.empty()) {
        return;
    }
    const std::filesystem::path main = config_.source;
    const detail::ConfigFiles files{.main = main, .fragments = fragments_directory(config_, main)};
    // One that was made in code is in force until the files change.
    const std::uint64_t in_force =
        config_.fingerprint != 0 ? config_.fingerprint : files.fingerprint();
    auto apply = [weak = weak_from_this(), main](const std::string& told) {
        return reload_file(weak, main, told);
    };
    config_watch_ =
        detail::spawn(strand_, detail::follow_config(files, in_force, std::move(apply)));
}

void FailoverManager::Impl::stop_config_watch() {
    detail::cancel(strand_, std::move(config_watch_));
}

} // namespace failover
