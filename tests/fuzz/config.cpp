// SPDX-License-Identifier: MIT
// config.yaml.
#include "check.hpp"

#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    try {
        const failover::Config config = failover::parse_config(text);
        failover::fuzz::require(failover::validate(config).empty());
    } catch (const failover::ConfigError& error) {
        failover::fuzz::require(!error.issues().empty());
    }
    return 0;
}
