// SPDX-License-Identifier: MIT
// A kubeconfig. No file it names exists.
#include "discovery/kubeconfig.hpp"

#include "check.hpp"

#include <failover/config/load.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    try {
        static_cast<void>(
            failover::discovery::parse_kubeconfig(text, "/nonexistent/kubeconfig", ""));
    } catch (const failover::Error&) { // a clear error is an answer, any other exception is none
        return 0;
    }
    return 0;
}
