// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/load.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace failover::test {

/// The cache part of a test's configuration.
struct CacheText {
    /// The first one is the primary; of two, the other one is "secondary", of more they are
    /// "secondaries[0]" and so on.
    std::vector<std::string> urls{};
    std::string mode = "dual";
    std::string write_ack = "any";
    /// Keys of `failover`, flow style: "operation_timeout: 50ms, rejoin: {after: 0s}".
    std::string failover{};
    /// "host:port" of sentinels of "mymaster".
    std::vector<std::string> sentinels{};
    /// More lines of `redis`, six spaces in front of each.
    std::string more{};

    [[nodiscard]] std::string text() const {
        std::string out =
            "cache:\n  providers:\n    redis:\n      primary: {url: \"" + urls.at(0) + "\"}\n";
        if (urls.size() == 2) {
            out += "      secondary: {url: \"" + urls[1] + "\"}\n";
        } else if (urls.size() > 2) {
            out += "      secondaries:\n";
            for (std::size_t i = 1; i < urls.size(); ++i) {
                out += "        - {url: \"" + urls[i] + "\"}\n";
            }
        }
        out += "      mode: " + mode + "\n      write_ack: " + write_ack + '\n';
        if (!sentinels.empty()) {
            out += "      sentinel: {master_name: mymaster, nodes: [";
            const char* separator = "";
            for (const std::string& sentinel : sentinels) {
                out += separator + ('"' + sentinel + '"');
                separator = ", ";
            }
            out += "]}\n";
        }
        out += more + "      failover: {" + failover + "}\n";
        return out + "logging: {providers: {console: {level: \"off\"}}}\n";
    }
    [[nodiscard]] Config config() const { return parse_config(text()); }
};

/// A configuration with these nodes, the first one as the primary. `failover`: keys of `failover`,
/// flow style.
inline Config cache_config(std::vector<std::string> urls, std::string failover = {},
                           std::string mode = "dual") {
    return CacheText{
        .urls = std::move(urls), .mode = std::move(mode), .failover = std::move(failover)}
        .config();
}

} // namespace failover::test
