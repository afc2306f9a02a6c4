// SPDX-License-Identifier: MIT
#include "cache.hpp"
#include <failover/base/json.hpp>

#include <chrono>
#include <string>

namespace failover::detail {
namespace {

std::string milliseconds(Duration duration) {
    return std::to_string(std::chrono::duration<double, std::milli>(duration).count());
}

std::string node_json(const CacheNodeStatus& node) {
    std::string out =
        "{\"id\":" + json_quoted(node.id) + ",\"address\":" + json_quoted(node.address) +
        ",\"state\":" + json_quoted(to_string(node.state)) + ",\"role\":" + json_quoted(node.role) +
        ",\"draining\":" + (node.draining ? "true" : "false") +
        ",\"journal_depth\":" + std::to_string(node.journal_depth) +
        ",\"journal_age_ms\":" + milliseconds(node.journal_age) +
        ",\"journal_overflowed\":" + (node.journal_overflowed ? "true" : "false") +
        ",\"round_trip_ms\":" + milliseconds(node.round_trip) +
        ",\"connections\":" + std::to_string(node.connections) +
        ",\"pending\":" + std::to_string(node.pending);
    if (!node.problem.empty()) {
        out += ",\"problem\":" + json_quoted(node.problem);
    }
    return out + '}';
}

const char* name_of(CacheMode mode) noexcept {
    switch (mode) {
        case CacheMode::dual:
            return "dual";
        case CacheMode::replicated:
            return "replicated";
        case CacheMode::gutter:
            return "gutter";
    }
    return "unknown";
}

} // namespace

std::string Cache::status_json() const {
    const CacheTopology now = topology();
    std::string out = "{\"mode\":" + json_quoted(name_of(config_.mode)) +
                      ",\"reads\":" + json_quoted(now.reads) +
                      ",\"primary\":" + json_quoted(now.primary) + ",\"nodes\":[";
    const char* separator = "";
    for (const CacheNodeStatus& node : now.nodes) {
        out += separator + node_json(node);
        separator = ",";
    }
    return out + "]}";
}

} // namespace failover::detail
