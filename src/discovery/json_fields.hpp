// SPDX-License-Identifier: MIT
#pragma once

#include "json_text.hpp"
#include "slice_json.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

// Reads fields as the Kubernetes API writes them: absent and null mean the same, another type is an
// error that names the field.
namespace failover::discovery {

using Json = nlohmann::json;

inline Json parse_object(std::string_view text) {
    ParsedJson parsed = parse_json(text);
    if (!parsed.problem.empty()) {
        throw FormatError{parsed.problem};
    }
    if (!parsed.value.is_object()) {
        throw FormatError{"a JSON object is expected"};
    }
    return std::move(parsed.value);
}

/// Null when it is absent or null.
inline const Json* field(const Json& json, const char* key) {
    if (!json.is_object()) {
        throw FormatError{std::string{key} + ": its parent is no object"};
    }
    const auto at = json.find(key);
    return at == json.end() || at->is_null() ? nullptr : &*at;
}

inline std::string text_field(const Json& json, const char* key) {
    const Json* value = field(json, key);
    if (value == nullptr) {
        return {};
    }
    if (!value->is_string()) {
        throw FormatError{std::string{key} + ": a text is expected"};
    }
    return value->get<std::string>();
}

inline std::optional<bool> flag_field(const Json& json, const char* key) {
    const Json* value = field(json, key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_boolean()) {
        throw FormatError{std::string{key} + ": true or false is expected"};
    }
    return value->get<bool>();
}

inline const Json* map_field(const Json& json, const char* key) {
    const Json* value = field(json, key);
    if (value != nullptr && !value->is_object()) {
        throw FormatError{std::string{key} + ": an object is expected"};
    }
    return value;
}

inline const Json* list_field(const Json& json, const char* key) {
    const Json* value = field(json, key);
    if (value != nullptr && !value->is_array()) {
        throw FormatError{std::string{key} + ": a list is expected"};
    }
    return value;
}

} // namespace failover::discovery
