// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/database_config.hpp>

#include <boost/asio/ip/address.hpp>

#include <string>
#include <utility>
#include <vector>

namespace failover::postgres {

/// A node's connection string, taken apart by libpq.
struct Conninfo {
    /// Host name or address; a path: a Unix socket's directory.
    std::string host{};
    /// Where it is, when the string says so itself; empty: wherever the name leads.
    std::string host_address{};
    /// Default "5432".
    std::string port{};
    std::string database{};
    /// Everything but host, hostaddr and port, with what this library adds where it is absent:
    /// application_name, keepalives, tcp_user_timeout.
    std::vector<std::pair<std::string, std::string>> options{};
    /// "host:port", for people.
    std::string address{};

    /// Does the host name have to be looked up?
    [[nodiscard]] bool needs_lookup() const;
    /// Keywords and values for libpq. `found`: an address of the host name; null: there was nothing
    /// to look up.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> keywords(
        const boost::asio::ip::address* found) const;
};

/// Throws ConfigError, naming the key, for a string libpq does not understand and for one with
/// several hosts: nodes are listed one by one, so that each is known to be what it is. The password
/// is in no message.
[[nodiscard]] Conninfo parse_conninfo(const DatabaseNodeConfig& node, const std::string& key);

} // namespace failover::postgres
