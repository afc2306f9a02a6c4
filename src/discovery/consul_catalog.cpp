// SPDX-License-Identifier: MIT
#include "consul_catalog.hpp"

#include "json_check.hpp"
#include <failover/base/attempt_log.hpp>
#include <failover/discovery/consul/instance_ids.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>

namespace failover::discovery {
namespace {

using Meta = ConsulEntry::Meta;

std::string zone_of(const Meta& service, const Meta& node) {
    for (const auto* meta : {&service, &node}) {
        for (const char* key : {"zone", "availability_zone"}) {
            const auto found = meta->find(key);
            if (found != meta->end() && !found->second.empty()) {
                return found->second;
            }
        }
    }
    return {};
}

std::uint32_t priority_of(const Meta& meta) {
    const auto found = meta.find("priority");
    if (found == meta.end()) {
        return 0;
    }
    const std::string& value = found->second;
    std::uint32_t priority = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), priority);
    return parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size() ? priority : 0;
}

std::string scheme_of(const Meta& meta, const std::vector<std::string>& tags) {
    const auto found = meta.find("scheme");
    if (found != meta.end() && (found->second == "http" || found->second == "https")) {
        return found->second;
    }
    return std::find(tags.begin(), tags.end(), "https") != tags.end() ? "https" : "http";
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        out += (out.empty() ? "" : ",") + word;
    }
    return out;
}

/// `entry` has no problem; moved from.
Endpoint to_endpoint(ConsulEntry& entry) {
    Endpoint endpoint;
    endpoint.id = std::move(entry.id);
    endpoint.address = std::move(entry.address);
    endpoint.port = entry.port;
    endpoint.status = entry.maintenance ? EndpointStatus::draining
                      : entry.critical  ? EndpointStatus::unhealthy
                                        : EndpointStatus::healthy;
    endpoint.weight = entry.warning ? entry.warning_weight : entry.passing_weight;
    endpoint.zone = zone_of(entry.meta, entry.node_meta);
    endpoint.priority = priority_of(entry.meta);
    endpoint.scheme = scheme_of(entry.meta, entry.tags);
    endpoint.metadata = std::move(entry.meta);
    const std::pair<const char*, std::string> known[] = {
        {"tags", joined(entry.tags)}, {"node", entry.node}, {"datacenter", entry.datacenter}};
    for (const auto& [key, value] : known) {
        if (!value.empty()) {
            endpoint.metadata.emplace(key, value);
        }
    }
    return endpoint;
}

} // namespace

CatalogReader::CatalogReader(std::string_view json, std::vector<std::string> tags)
    : json_{json}, tags_{std::move(tags)}, list_{json} {}

bool CatalogReader::read_some(std::size_t count) {
    for (; count > 0; --count) {
        if (broken_ || !list_.next()) {
            return false;
        }
        broken_ = !reader_.read(list_.element());
        if (!broken_) {
            take(reader_.entry());
        }
        ++position_;
    }
    return true;
}

void CatalogReader::take(ConsulEntry& entry) {
    const std::string* problem = entry.problem(ConsulField::tag);
    if (problem == nullptr) {
        const bool wanted = std::all_of(tags_.begin(), tags_.end(),
                                        [&](const std::string& tag) { return entry.carries(tag); });
        if (!wanted) {
            return;
        }
        problem = entry.problem();
    }
    if (problem != nullptr) {
        const std::string id = entry.id.empty() ? "" : " (" + escaped(entry.id) + ')';
        reading_.left_out.push_back("instance " + std::to_string(position_) + id + ": " + *problem);
        return;
    }
    reading_.nodes.push_back(entry.node);
    reading_.endpoints.push_back(to_endpoint(entry));
    Endpoint& endpoint = reading_.endpoints.back();
    if (endpoint.id.empty()) {
        endpoint.id = host_port(endpoint);
    }
}

CatalogReading CatalogReader::finish() {
    if (!broken_ && !list_.malformed()) {
        return std::move(reading_);
    }
    const JsonCheck check{json_};
    CatalogReading reading;
    reading.problem = check.problem();
    if (reading.problem.empty() && check.type() != JsonType::array) {
        reading.problem =
            std::string{"expected a list of instances, found "} + to_string(check.type());
    } else if (reading.problem.empty()) {
        reading.problem = "not JSON: something follows the list"; // behind a NUL
    }
    return reading;
}

CatalogReading read_health_service(std::string_view json, const std::vector<std::string>& tags) {
    CatalogReader reader{json, tags};
    reader.read_some(std::numeric_limits<std::size_t>::max());
    CatalogReading reading = reader.finish();
    InstanceIds{}.assign(reading.endpoints, reading.nodes, false);
    return reading;
}

asio::awaitable<CatalogReading> read_health_service_in_turns(std::string_view json,
                                                             std::vector<std::string> tags) {
    constexpr std::size_t a_turn = 200; // instances: about 2 ms
    CatalogReader reader{json, std::move(tags)};
    while (reader.read_some(a_turn)) {
        co_await asio::post(asio::use_awaitable);
    }
    co_return reader.finish();
}

} // namespace failover::discovery
