// SPDX-License-Identifier: MIT
#include "conninfo.hpp"

#include <failover/config/load.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace failover::postgres {
namespace {

/// What is added where the connection string says nothing. A dead peer is noticed after 5 s of
/// unacknowledged data, or 5 + 2 * 3 s of silence; the call's deadline usually comes first.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> defaults{{
    {"fallback_application_name", "failover"},
    {"keepalives", "1"},
    {"keepalives_idle", "5"},
    {"keepalives_interval", "2"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "5000"},
}};

[[noreturn]] void refuse(const std::string& key, std::string message) {
    throw ConfigError{{ConfigIssue{.key = key, .message = std::move(message)}}};
}

} // namespace

bool Conninfo::needs_lookup() const {
    boost::system::error_code not_an_address;
    static_cast<void>(boost::asio::ip::make_address(host, not_an_address));
    return host_address.empty() && !host.starts_with('/') && !host.starts_with('@') &&
           not_an_address;
}

std::vector<std::pair<std::string, std::string>> Conninfo::keywords(
    const boost::asio::ip::address* found) const {
    std::vector<std::pair<std::string, std::string>> all = options;
    all.emplace_back("host", host); // the name stays for TLS
    all.emplace_back("port", port);
    std::string numeric = found != nullptr ? found->to_string() : host_address;
    if (!numeric.empty()) {
        all.emplace_back("hostaddr", std::move(numeric));
    }
    return all;
}

Conninfo parse_conninfo(const DatabaseNodeConfig& node, const std::string& key) {
    char* error = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed{
        PQconninfoParse(node.url.reveal().c_str(), &error), &PQconninfoFree};
    if (!parsed) {
        // libpq's text may quote the string, and with it the password.
        PQfreemem(error);
        refuse(key,
               "not a libpq URL or connection string, allowed postgresql://user@host:port/"
               "database or \"host=... dbname=...\"");
    }
    Conninfo info;
    for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr || *option->val == '\0') {
            continue;
        }
        const std::string_view name = option->keyword;
        std::string value = option->val;
        if (name == "host") {
            info.host = std::move(value);
        } else if (name == "hostaddr") {
            info.host_address = std::move(value);
        } else if (name == "port") {
            info.port = std::move(value);
        } else if (name != "target_session_attrs" && name != "load_balance_hosts" &&
                   name != "connect_timeout") {
            if (name == "dbname") {
                info.database = value;
            }
            info.options.emplace_back(name, std::move(value));
        }
    }
    if (info.host.empty()) {
        info.host = info.host_address.empty() ? "localhost" : info.host_address;
    }
    if (info.port.empty()) {
        info.port = "5432";
    }
    if (info.host.find(',') != std::string::npos || info.port.find(',') != std::string::npos ||
        info.host_address.find(',') != std::string::npos) {
        refuse(key, "found several hosts, allowed one: list further nodes below secondaries");
    }
    for (const auto& [name, value] : defaults) {
        const bool given =
            std::any_of(info.options.begin(), info.options.end(),
                        [&name = name](const auto& option) { return option.first == name; });
        if (!given) {
            info.options.emplace_back(name, value);
        }
    }
    const bool v6 = info.host.find(':') != std::string::npos;
    info.address = (v6 ? '[' + info.host + ']' : info.host) + ':' + info.port;
    return info;
}

} // namespace failover::postgres
