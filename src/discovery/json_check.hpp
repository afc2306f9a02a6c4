// SPDX-License-Identifier: MIT
#pragma once

#include "json_text.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace failover::discovery {

/// Tells what is wrong with a text without building anything of it: what nlohmann's parser calls.
class JsonCheck {
public:
    explicit JsonCheck(std::string_view json) : problem_{depth_problem(json)} {
        if (problem_.empty()) {
            nlohmann::json::sax_parse(json.data(), json.data() + json.size(), this);
        }
    }

    /// As ParsedJson::problem.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    /// Of the whole document.
    [[nodiscard]] JsonType type() const noexcept { return type_.value_or(JsonType::null); }

    bool null() { return see(JsonType::null); }
    bool boolean(bool) { return see(JsonType::boolean); }
    bool number_integer(std::int64_t) { return see(JsonType::number); }
    bool number_unsigned(std::uint64_t) { return see(JsonType::number); }
    bool number_float(double, const std::string&) { return see(JsonType::number); }
    bool string(const std::string&) { return see(JsonType::string); }
    bool binary(const std::vector<std::uint8_t>&) { return false; } // not in JSON
    bool start_object(std::size_t) { return see(JsonType::object); }
    bool start_array(std::size_t) { return see(JsonType::array); }
    bool key(const std::string&) { return true; }
    bool end_object() { return true; }
    bool end_array() { return true; }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
        problem_ = syntax_problem(error);
        return false;
    }

private:
    bool see(JsonType type) {
        type_ = type_.value_or(type); // the first one is the outermost
        return true;
    }

    std::string problem_;
    std::optional<JsonType> type_;
};

} // namespace failover::discovery
