// SPDX-License-Identifier: MIT
#include "database.hpp"
#include <failover/base/json.hpp>

#include <chrono>
#include <string>

namespace failover::detail {
namespace {

std::string milliseconds(Duration duration) {
    return std::to_string(std::chrono::duration<double, std::milli>(duration).count());
}

std::string node_json(const NodeStatus& node) {
    std::string out = "{\"id\":" + json_quoted(node.id) +
                      ",\"address\":" + json_quoted(node.address) +
                      ",\"role\":" + json_quoted(to_string(node.role)) +
                      ",\"reachable\":" + (node.reachable ? "true" : "false") +
                      ",\"draining\":" + (node.draining ? "true" : "false") +
                      ",\"timeline\":" + std::to_string(node.timeline) +
                      ",\"position\":" + json_quoted(to_string(node.position));
    if (node.staleness) {
        out += ",\"staleness_ms\":" + milliseconds(*node.staleness);
    }
    if (node.lag_bytes) {
        out += ",\"lag_bytes\":" + std::to_string(*node.lag_bytes);
    }
    out += ",\"round_trip_ms\":" + milliseconds(node.round_trip) +
           ",\"connections\":{\"in_use\":" + std::to_string(node.connections_in_use) +
           ",\"idle\":" + std::to_string(node.connections_idle) +
           ",\"pending\":" + std::to_string(node.connections_pending) + '}';
    if (!node.problem.empty()) {
        out += ",\"problem\":" + json_quoted(node.problem);
    }
    return out + '}';
}

} // namespace

std::string Database::status_json() const {
    const Topology now = cluster_->topology(Clock::now());
    // The identifier exceeds what a JSON reader may take for a number.
    std::string out = "{\"primary\":" + json_quoted(now.primary) +
                      ",\"timeline\":" + std::to_string(now.timeline) +
                      ",\"system_id\":" + json_quoted(std::to_string(now.system_id)) +
                      ",\"split_brain\":" + (now.split_brain ? "true" : "false") +
                      ",\"writes_paused\":" + (now.writes_paused ? "true" : "false") +
                      ",\"waiting_writes\":" + std::to_string(now.waiting_writes) + ",\"nodes\":[";
    const char* separator = "";
    for (const NodeStatus& node : now.nodes) {
        out += separator + node_json(node);
        separator = ",";
    }
    return out + "]}";
}

} // namespace failover::detail
