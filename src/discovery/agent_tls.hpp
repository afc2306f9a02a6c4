// SPDX-License-Identifier: MIT
#pragma once

#include "../http/tls_context.hpp"
#include <failover/base/error.hpp>
#include <failover/config/service_config.hpp>

#include <boost/asio/ssl/context.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace failover::discovery {

/// How https agents are spoken to: made of files that another program renews.
/// Threads    safe.
class AgentTls {
public:
    /// `path`: of the keys, for messages. Throws ConfigError when a file cannot be used.
    AgentTls(TlsOptions options, std::string path)
        : options_{std::move(options)},
          path_{std::move(path)},
          read_{written()},
          context_{http::make_tls_context(options_, path_)} {}

    /// For the next connection.
    [[nodiscard]] std::shared_ptr<boost::asio::ssl::context> get() const {
        const std::lock_guard lock{mutex_};
        return context_;
    }

    /// After an exchange that failed: reads the files again when one has changed. Returns why they
    /// cannot be used, for people; what was good stays in use. Empty: nothing is wrong with them.
    std::string refresh() {
        const std::lock_guard lock{mutex_};
        Stamps now = written(); // before they are read: who changes one meanwhile is noticed
        if (now == read_) {
            return {};
        }
        try {
            context_ = http::make_tls_context(options_, path_);
        } catch (const Error& error) {
            return error.what();
        }
        read_ = std::move(now);
        return {};
    }

private:
    using Stamps = std::vector<std::pair<std::filesystem::file_time_type, std::uintmax_t>>;

    [[nodiscard]] Stamps written() const {
        Stamps all;
        for (const std::string& file : {options_.ca_file, options_.cert_file, options_.key_file}) {
            std::error_code error;
            const auto when = std::filesystem::last_write_time(file, error);
            const auto size = error ? 0 : std::filesystem::file_size(file, error);
            all.emplace_back(error ? std::filesystem::file_time_type{} : when, error ? 0 : size);
        }
        return all;
    }

    const TlsOptions options_;
    const std::string path_;
    mutable std::mutex mutex_;
    Stamps read_; // what context_ was made of
    std::shared_ptr<boost::asio::ssl::context> context_;
};

} // namespace failover::discovery
