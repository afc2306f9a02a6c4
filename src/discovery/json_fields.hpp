// SPDX-License-Identifier: MIT
#pragma once

#include "format_error.hpp"
#include "json_text.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

// Reads fields as programs in Go write them: absent and null mean the same, a null list or map is
// an empty one, and another type is an error that names the field: as `label`, where its key alone
// would not do.
namespace failover::discovery {

using Json = nlohmann::json;

/// `found`: null when it is absent.
[[noreturn]] inline void mismatch(std::string_view label, const Json* found, const char* expected) {
    throw FormatError{
        mismatch_text(label, found == nullptr ? "null" : found->type_name(), expected)};
}

inline Json parse_object(std::string_view text) {
    ParsedJson parsed = parse_json(text);
    if (!parsed.problem.empty()) {
        throw FormatError{parsed.problem};
    }
    if (!parsed.value.is_object()) {
        throw FormatError{std::string{"expected an object, found "} + parsed.value.type_name()};
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

inline std::string text_field(const Json& json, const char* key, std::string_view label = {}) {
    const Json* value = field(json, key);
    if (value == nullptr) {
        return {};
    }
    if (!value->is_string()) {
        mismatch(label.empty() ? key : label, value, "a string");
    }
    return value->get<std::string>();
}

inline std::optional<bool> flag_field(const Json& json, const char* key) {
    const Json* value = field(json, key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_boolean()) {
        mismatch(key, value, "true or false");
    }
    return value->get<bool>();
}

inline const Json* map_field(const Json& json, const char* key, std::string_view label = {}) {
    const Json* value = field(json, key);
    if (value != nullptr && !value->is_object()) {
        mismatch(label.empty() ? key : label, value, "an object");
    }
    return value;
}

inline const Json* list_field(const Json& json, const char* key, std::string_view label = {}) {
    const Json* value = field(json, key);
    if (value != nullptr && !value->is_array()) {
        mismatch(label.empty() ? key : label, value, "a list");
    }
    return value;
}

} // namespace failover::discovery
