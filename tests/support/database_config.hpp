// SPDX-License-Identifier: MIT
#pragma once

#include "fault_proxy.hpp"
#include "postgres_cluster.hpp"
#include <failover/config/load.hpp>
#include <failover/db.hpp>

#include <cstddef>
#include <string>
#include <vector>

/// Read by LeakSanitizer. libpqxx 6.4 loses a small result when a connection breaks under a
/// statement: it asks for the connection's encoding, which throws, before anything owns the result.
extern "C" __attribute__((weak, used)) const char* __lsan_default_suppressions() {
    return "leak:libpqxx";
}

namespace failover::test {

/// A configuration with these nodes, the first one as the primary. `more`: keys of `failover`,
/// flow style.
inline Config database_config(const std::vector<std::string>& urls, const std::string& more = {}) {
    std::string text =
        "database:\n  providers:\n    postgresql:\n      primary: {url: \"" + urls.at(0) + "\"}\n";
    if (urls.size() > 1) {
        text += "      secondaries:\n";
        for (std::size_t i = 1; i < urls.size(); ++i) {
            text += "        - {url: \"" + urls[i] + "\"}\n";
        }
    }
    text += "      failover: {timeout: 10s, health_check_interval: 1s" +
            (more.empty() ? std::string{} : ", " + more) + "}\n" +
            "logging: {providers: {console: {level: \"off\"}}}\n";
    return parse_config(text);
}

inline std::vector<std::string> urls_of(const PostgresCluster& cluster) {
    std::vector<std::string> urls;
    for (std::size_t i = 0; i < cluster.size(); ++i) {
        urls.push_back(cluster.url(i));
    }
    return urls;
}

/// URL of the server behind the proxy.
inline std::string through(const FaultProxy& proxy, const std::string& user = "postgres") {
    return "postgresql://" + user + '@' + proxy.address() + "/postgres";
}

inline DbOptions within(Duration deadline) {
    DbOptions options;
    options.deadline = deadline;
    return options;
}

/// One server without standbys.
inline const PostgresCluster::Options alone{.standbys = 0};

} // namespace failover::test
