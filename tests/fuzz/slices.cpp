// SPDX-License-Identifier: MIT
// What an apiserver answers to a list of EndpointSlices, and what is merged from it.
#include "discovery/slice_json.hpp"

#include "check.hpp"

#include <failover/discovery/kubernetes/slice_table.hpp>

#include <set>

using namespace failover;
using namespace failover::discovery;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    try {
        SlicePage page = parse_slice_page(text);
        SliceTable table;
        table.replace_all(std::move(page.slices));
        const MergedSlices merged = table.endpoints({});
        std::set<std::string> seen;
        for (const Endpoint& endpoint : merged.endpoints) {
            fuzz::require(endpoint.port != 0);
            fuzz::require(seen.insert(host_port(endpoint)).second);
        }
    } catch (const std::exception&) { // a clear error is an answer
        return 0;
    }
    return 0;
}
