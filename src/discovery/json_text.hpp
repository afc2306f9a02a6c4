// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/discovery/json_type.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace failover::discovery {

/// A parsed document, or why there is none.
struct ParsedJson {
    nlohmann::json value{};
    /// Names what is wrong and at which byte; empty: nothing.
    std::string problem{};
};

/// Nesting that no answer of a control plane comes near.
inline constexpr std::size_t deepest_json = 64;

/// How deep `json` nests, counted without recursion; right for every valid document.
[[nodiscard]] inline std::size_t json_depth(std::string_view json) noexcept {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            deepest = std::max(deepest, ++depth);
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return deepest;
}

/// "JSON nested ...": more deeply than is read. Empty: not so.
[[nodiscard]] inline std::string depth_problem(std::string_view json) {
    const std::size_t depth = json_depth(json);
    return depth <= deepest_json
               ? ""
               : "JSON nested " + std::to_string(depth) + " levels deep, at most " +
                     std::to_string(deepest_json) + " are read";
}

/// The parser's text holds what it read last; the number in front is its own.
[[nodiscard]] inline std::string syntax_problem(const nlohmann::json::exception& error) {
    const std::string_view why = error.what();
    const std::size_t begin = std::min(why.find("] "), why.size());
    return "not JSON: " + escaped(why.substr(std::min(begin + 2, why.size())));
}

/// Parses text from a peer. Deep nesting is refused before anything is built: a value is destroyed
/// recursively, and its depth is the peer's to choose.
[[nodiscard]] inline ParsedJson parse_json(std::string_view text) {
    ParsedJson parsed;
    parsed.problem = depth_problem(text);
    if (!parsed.problem.empty()) {
        return parsed;
    }
    try {
        parsed.value = nlohmann::json::parse(text);
    } catch (const nlohmann::json::exception& error) {
        parsed.problem = syntax_problem(error);
    }
    return parsed;
}

} // namespace failover::discovery
