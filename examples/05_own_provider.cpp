// SPDX-License-Identifier: MIT
// Endpoints from a source of one's own: here an environment variable "host:port host:port".
#include <failover/failover.hpp>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace asio = boost::asio;

namespace {

//[provider
/// Asked again every few seconds by the inherited watch(); what is thrown here is reported, and the
/// last good set stays in use.
class EnvironmentProvider final : public failover::DiscoveryProvider {
public:
    asio::awaitable<std::vector<failover::Endpoint>> get_endpoints(std::string service) override {
        const char* text = std::getenv("USER_SERVICE");
        if (service != "user-service" || text == nullptr) {
            throw std::runtime_error{"USER_SERVICE is not set"};
        }
        std::vector<failover::Endpoint> found;
        std::istringstream words{text};
        for (std::string word; words >> word;) {
            const std::size_t colon = word.rfind(':');
            const int port = std::stoi(word.substr(colon + 1));
            found.push_back(
                {.address = word.substr(0, colon), .port = static_cast<std::uint16_t>(port)});
        }
        co_return found;
    }
};
//]

} // namespace

int main() {
    //[register
    failover::FailoverManager manager{failover::parse_config(R"(
failover:
  services:
    user-service: {provider: environment, failover: {strategy: round-robin}}
)")};
    manager.register_provider("environment", std::make_shared<EnvironmentProvider>());
    //]

    failover::FailoverClient users = manager.client("user-service");
    for (int i = 0; i < 3; ++i) {
        const failover::Response r = users.get("/users/42");
        std::cout << r.endpoint().id << ' ' << r.body() << '\n';
    }
}
