// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>

namespace failover {

/// A string that must not be printed: no stream operator, no comparison, no implicit conversion.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_{std::move(value)} {}

    /// The secret itself; call it only where it is put on the wire.
    [[nodiscard]] const std::string& reveal() const noexcept { return value_; }
    [[nodiscard]] bool empty() const noexcept { return value_.empty(); }
    bool operator==(const Secret&) const = default;

private:
    std::string value_;
};

/// `url` with its password replaced by "***": "postgresql://app:***@db/orders". Text that is no URL
/// but holds `password=...` is masked too. For logs, errors and the status.
[[nodiscard]] inline std::string masked_url(std::string url) {
    const auto scheme = url.find("://");
    if (scheme != std::string::npos) {
        // The last '@', wherever it stands: a password may hold '/', '?' and '#' itself, and to
        // mask too much harms nobody.
        const auto at = url.rfind('@');
        const auto colon = url.find(':', scheme + 3);
        if (at != std::string::npos && colon < at) {
            url.replace(colon + 1, at - colon - 1, "***");
        }
    }
    const std::string key = "password=";
    for (auto at = url.find(key); at != std::string::npos; at = url.find(key, at)) {
        at += key.size();
        const auto end = url.find_first_of(" &", at);
        url.replace(at, (end == std::string::npos ? url.size() : end) - at, "***");
    }
    return url;
}

} // namespace failover
