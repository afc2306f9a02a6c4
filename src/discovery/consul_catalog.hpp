// SPDX-License-Identifier: MIT
#pragma once

#include "consul_entry_reader.hpp"
#include <failover/discovery/json_list.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace failover::discovery {

namespace asio = boost::asio;

/// What an answer of GET /v1/health/service says.
struct CatalogReading {
    /// In Consul's order and with its ids, which several nodes may use: see InstanceIds.
    std::vector<Endpoint> endpoints{};
    /// Of each endpoint, the node.
    std::vector<std::string> nodes{};
    /// One sentence for each instance that cannot be called as it is listed.
    std::vector<std::string> left_out{};
    /// Why the whole answer is unusable, and where; empty: it is usable.
    std::string problem{};
};

/// Reads the JSON of GET /v1/health/service, as much at a time as its caller has time for.
///
/// Status: an instance in maintenance is draining, one with a critical check unhealthy, others are
/// healthy. Metadata holds Service.Meta and, under names it does not use itself, tags, node and
/// datacenter. Zone, priority and scheme come from Meta when it has usable ones.
///
/// Never throws on what the text holds, nor does its nesting use the stack.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class CatalogReader {
public:
    /// `json` outlives this object. `tags`: only instances carrying all of them.
    CatalogReader(std::string_view json, std::vector<std::string> tags);

    /// Reads up to `count` instances. False: there are no more.
    bool read_some(std::size_t count);
    /// Once, after read_some() has returned false.
    [[nodiscard]] CatalogReading finish();

private:
    void take(ConsulEntry& entry);

    std::string_view json_;
    std::vector<std::string> tags_;
    JsonList list_;
    ConsulEntryReader reader_;
    bool broken_ = false; // an element is not JSON
    std::size_t position_ = 0;
    CatalogReading reading_;
};

/// The whole text at once, with unique ids.
[[nodiscard]] CatalogReading read_health_service(std::string_view json,
                                                 const std::vector<std::string>& tags = {});

/// The whole text with Consul's ids, but a long list leaves the thread to others every few
/// milliseconds. The owner of `json` outlives the coroutine.
asio::awaitable<CatalogReading> read_health_service_in_turns(std::string_view json,
                                                             std::vector<std::string> tags);

} // namespace failover::discovery
