// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/message.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace failover::discovery {

/// How far behind the leader an answer may be. A follower that lost its leader goes on answering
/// `stale` reads for ever, with status 200.
inline constexpr Duration longest_staleness = std::chrono::seconds{30};

/// Did Consul leave out of the answer what the token may not read?
[[nodiscard]] inline bool filtered_by_acls(const Response& response) {
    return response.header("X-Consul-Results-Filtered-By-ACLs") == "true";
}

inline constexpr std::string_view acl_rights = "(it needs service:read and node:read)";

/// Why an answer with status 200 is not the truth; empty: nothing speaks against it. `lists_any`:
/// it lists an instance that can be used. What a token may read of a list is better than no list.
[[nodiscard]] inline std::string doubt_of(const Response& response, bool lists_any) {
    if (!lists_any && filtered_by_acls(response)) {
        return "the token may not read the instances " + std::string{acl_rights};
    }
    const std::string_view contact = response.header("X-Consul-LastContact").value_or("0");
    std::uint64_t behind = 0;
    const auto parsed = std::from_chars(contact.data(), contact.data() + contact.size(), behind);
    // Knownleader says "true" for seconds after the leader died, so the time decides.
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(longest_staleness);
    if (parsed.ec == std::errc{} && behind > static_cast<std::uint64_t>(limit.count())) {
        return "its data is " + std::to_string(behind / 1000) +
               " s old: it has no contact with a leader";
    }
    return {};
}

} // namespace failover::discovery
