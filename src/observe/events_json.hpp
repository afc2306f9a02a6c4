// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/json.hpp>
#include <failover/engine/event_hub.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace failover {

/// What /api/v1/events answers: the events kept, or those after number N with "since=N" in `query`.
[[nodiscard]] inline std::string events_json(const EventHub& hub, std::string_view query) {
    std::uint64_t after = 0;
    constexpr std::string_view key = "since=";
    if (const std::size_t at = query.find(key); at != std::string_view::npos) {
        const std::string_view digits = query.substr(at + key.size());
        std::from_chars(digits.data(), digits.data() + digits.size(), after);
    }
    std::string out = "{\"events\":[";
    const char* separator = "";
    for (const EventHub::Numbered& one : hub.since(after)) {
        const Event& event = one.event;
        out += separator;
        out += "{\"number\":" + std::to_string(one.number) + ",\"time\":" + json_time(event.time) +
               ",\"kind\":" + json_quoted(to_string(event.kind)) +
               ",\"service\":" + json_quoted(event.service) +
               ",\"endpoint\":" + json_quoted(event.endpoint) +
               ",\"address\":" + json_quoted(event.address) +
               ",\"reason\":" + json_quoted(event.reason) + ",\"duration_seconds\":" +
               std::to_string(std::chrono::duration<double>(event.duration).count()) + '}';
        separator = ",";
    }
    return out + "]}";
}

} // namespace failover
