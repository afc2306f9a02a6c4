// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/detail/http_text.hpp>
#include <failover/base/detail/trimmed.hpp>
#include <failover/config/secret.hpp>
#include <failover/config/service_config.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace failover::discovery {

/// The ACL token: from the configuration, or from a file that another program renews.
/// Threads    safe.
class AgentToken {
public:
    explicit AgentToken(const ConsulOptions& options)
        : file_{options.token_file},
          token_{Secret{std::string{failover::detail::trimmed(options.token.reveal())}}} {}

    /// Reads the file again when it has changed. Returns what is wrong with the token, for people
    /// and without it; empty: nothing. A token that was good stays in use.
    std::string refresh() {
        const std::lock_guard lock{mutex_};
        if (!file_.empty()) {
            std::error_code error;
            const auto written = std::filesystem::last_write_time(file_, error);
            const auto size = error ? 0 : std::filesystem::file_size(file_, error);
            if (error) {
                return "token_file " + file_ + ": " + error.message();
            }
            if (written != written_ || size != size_) {
                std::string problem = read();
                if (!problem.empty()) {
                    return problem;
                }
                written_ = written;
                size_ = size;
            }
        }
        return failover::detail::is_field_value(token_.reveal())
                   ? ""
                   : "the token holds control characters";
    }

    /// Empty: none.
    [[nodiscard]] Secret get() const {
        const std::lock_guard lock{mutex_};
        return token_;
    }

private:
    static constexpr std::size_t largest = 4096;

    std::string read() {
        std::ifstream in{file_, std::ios::binary};
        std::string text(largest + 1, '\0');
        in.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<std::size_t>(in.gcount()));
        if (in.bad() || text.size() > largest) {
            return "token_file " + file_ + ": cannot be read, or is no token";
        }
        text = std::string{failover::detail::trimmed(text)};
        // Empty: about to be written. A file that ends in the middle is read again once it changes.
        if (text.empty() || !failover::detail::is_field_value(text)) {
            return "token_file " + file_ + ": holds no token";
        }
        token_ = Secret{std::move(text)};
        return {};
    }

    mutable std::mutex mutex_;
    std::string file_;
    Secret token_;
    std::filesystem::file_time_type written_{};
    std::uintmax_t size_ = 0;
};

} // namespace failover::discovery
