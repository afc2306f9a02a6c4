// SPDX-License-Identifier: MIT
// What an agent answers to /v1/health/service.
#include "discovery/consul_catalog.hpp"

#include "check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto reading = failover::discovery::read_health_service(text, {"v1"});
    failover::fuzz::require(reading.problem.empty() || reading.endpoints.empty());
    for (const failover::Endpoint& endpoint : reading.endpoints) {
        failover::fuzz::require(endpoint.port != 0 && !endpoint.address.empty());
    }
    return 0;
}
