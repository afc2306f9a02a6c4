// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace failover::discovery {

/// What an answer of GET /v1/health/service says.
struct CatalogReading {
    /// In Consul's order. Ids are unique: an id that several nodes use becomes "id@node".
    std::vector<Endpoint> endpoints{};
    /// One sentence for each instance that cannot be called as it is listed.
    std::vector<std::string> left_out{};
    /// Why the whole answer is unusable, and where; empty: it is usable.
    std::string problem{};
};

/// Reads the JSON of GET /v1/health/service. `tags`: only instances carrying all of them.
///
/// Status: an instance in maintenance is draining, one with a critical check unhealthy, others are
/// healthy. Metadata holds Service.Meta and, under names it does not use itself, tags, node and
/// datacenter. Zone, priority and scheme come from Meta when it has usable ones.
///
/// Never throws on what the text holds, nor does its nesting use the stack.
[[nodiscard]] CatalogReading read_health_service(std::string_view json,
                                                 const std::vector<std::string>& tags = {});

} // namespace failover::discovery
