// SPDX-License-Identifier: MIT
#include "listen_address.hpp"

#include <failover/base/error.hpp>

#include <charconv>

namespace failover {

using tcp = asio::ip::tcp;

void refuse_listen(const std::string& endpoint, const std::string& why) {
    throw Error{Failure{.code = make_error_code(Errc::bad_config),
                        .detail = "monitoring.providers.prometheus.endpoint \"" +
                                  escaped(endpoint) + "\": " + why}};
}

tcp::endpoint parse_listen(const asio::any_io_executor& executor, const std::string& text) {
    const std::size_t colon = text.rfind(':');
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = colon == std::string::npos
                            ? std::from_chars_result{nullptr, std::errc::invalid_argument}
                            : std::from_chars(text.data() + colon + 1, end, port);
    if (parsed.ec != std::errc{} || parsed.ptr != end) {
        refuse_listen(text, "allowed \"host:port\" or \":port\", port 0 to 65535");
    }
    std::string host = text.substr(0, colon);
    if (host.empty()) {
        return {tcp::v4(), port};
    }
    if (host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    boost::system::error_code error;
    const asio::ip::address address = asio::ip::make_address(host, error);
    if (!error) {
        return {address, port};
    }
    tcp::resolver resolver{executor};
    const auto found = resolver.resolve(host, std::to_string(port), error);
    if (error) {
        refuse_listen(text, error.message());
    }
    return found.begin()->endpoint();
}

} // namespace failover
