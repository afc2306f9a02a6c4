// SPDX-License-Identifier: MIT
#pragma once

#include "json_text.hpp"
#include <failover/base/attempt_log.hpp>
#include <failover/discovery/consul/entry.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace failover::discovery {

/// Reads one element of /v1/health/service after the other, each in one pass and without a tree of
/// its JSON: lists are long, and little of an element matters.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class ConsulEntryReader {
public:
    /// False: it is not JSON, or nests deeper than any element does.
    [[nodiscard]] bool read(std::string_view json) {
        entry_ = ConsulEntry{};
        depth_ = 0;
        has_service_ = false;
        if (!nlohmann::json::sax_parse(json.data(), json.data() + json.size(), this)) {
            return false;
        }
        conclude();
        return true;
    }

    /// What read() read; may be moved from.
    [[nodiscard]] ConsulEntry& entry() noexcept { return entry_; }

    // What nlohmann's parser calls.

    bool null() { return scalar({.type = JsonType::null}); }
    bool boolean(bool) { return scalar({.type = JsonType::boolean}); }
    bool number_unsigned(std::uint64_t value) {
        return scalar({.type = JsonType::number, .whole = true, .magnitude = value});
    }
    /// Negative, or "-0".
    bool number_integer(std::int64_t value) {
        return scalar({.type = JsonType::number,
                       .whole = true,
                       .negative = true,
                       .magnitude = 0 - static_cast<std::uint64_t>(value)});
    }
    bool number_float(double, const std::string&) { return scalar({.type = JsonType::number}); }
    bool string(std::string& text) { return scalar({.type = JsonType::string, .text = &text}); }
    bool binary(nlohmann::json::binary_t&) { return false; } // not in JSON
    bool start_object(std::size_t) { return open(JsonType::object); }
    bool start_array(std::size_t) { return open(JsonType::array); }
    bool key(std::string& name) {
        named_ = field_of(open_[depth_ - 1], name);
        if (named_ == ConsulField::meta_value || named_ == ConsulField::node_meta_value) {
            std::swap(name_, name);
        }
        return true;
    }
    bool end_object() {
        if (open_[--depth_] == ConsulField::check) {
            judge_check();
        }
        return true;
    }
    bool end_array() {
        --depth_;
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) {
        return false; // where it is in the whole text is for its reader to say
    }

private:
    struct Value {
        JsonType type;
        std::string* text = nullptr;
        bool whole = false;
        bool negative = false;
        std::uint64_t magnitude = 0;
    };

    /// What the value that begins now is.
    [[nodiscard]] ConsulField here() const noexcept {
        if (depth_ == 0) {
            return ConsulField::entry;
        }
        switch (open_[depth_ - 1]) {
            case ConsulField::tags:
                return ConsulField::tag;
            case ConsulField::checks:
                return ConsulField::check;
            default:
                return named_;
        }
    }

    /// Is a value of that type what `field` has to be?
    bool fits(ConsulField field, JsonType found) {
        if (field == ConsulField::other) {
            return false;
        }
        const ConsulFieldRule& rule = rule_of(field);
        if (found != rule.type && (rule.required || found != JsonType::null)) {
            const bool named =
                field == ConsulField::meta_value || field == ConsulField::node_meta_value;
            const std::string label = rule.label + (named ? '.' + escaped(name_) : "");
            note(field, mismatch_text(label, to_string(found), rule.expected));
        }
        return found == rule.type;
    }
    void note(ConsulField field, std::string why) {
        entry_.problems.emplace_back(field, std::move(why));
    }

    bool open(JsonType type) {
        const ConsulField field = here();
        if (depth_ == open_.size()) {
            return false;
        }
        open_[depth_++] = fits(field, type) ? field : ConsulField::other;
        named_ = ConsulField::other; // what a list of something else holds
        if (field == ConsulField::check) {
            status_.clear();
            check_id_.clear();
        }
        has_service_ = has_service_ || open_[depth_ - 1] == ConsulField::service;
        return true;
    }

    bool scalar(const Value& value) {
        const ConsulField field = here();
        if (fits(field, value.type)) {
            if (value.text != nullptr) {
                take_text(field, *value.text);
            } else {
                take_number(field, value);
            }
        }
        return true;
    }

    void take_text(ConsulField field, std::string& text) {
        switch (field) {
            case ConsulField::id:
                entry_.id = text;
                break;
            case ConsulField::address:
                entry_.address = text;
                break;
            case ConsulField::tag:
                entry_.tags.push_back(text);
                break;
            case ConsulField::meta_value:
                entry_.meta.insert_or_assign(name_, text);
                break;
            case ConsulField::node_meta_value:
                entry_.node_meta.insert_or_assign(name_, text);
                break;
            case ConsulField::node_name:
                entry_.node = text;
                break;
            case ConsulField::node_address:
                entry_.node_address = text;
                break;
            case ConsulField::datacenter:
                entry_.datacenter = text;
                break;
            case ConsulField::check_status:
                status_ = text;
                break;
            case ConsulField::check_id:
                check_id_ = text;
                break;
            default:
                break;
        }
    }

    void take_number(ConsulField field, const Value& value) {
        const ConsulFieldRule& rule = rule_of(field);
        if (!value.whole) {
            note(field, mismatch_text(rule.label, "number", rule.expected));
            return;
        }
        const std::string sign = value.negative && value.magnitude > 0 ? "-" : "";
        const std::string number = sign + std::to_string(value.magnitude);
        if (field == ConsulField::port) {
            if (value.negative || value.magnitude < 1 || value.magnitude > 65535) {
                note(field, rule.label + (": " + number) + " is not in 1 to 65535");
            } else {
                entry_.port = static_cast<std::uint16_t>(value.magnitude);
            }
        } else if (value.negative) {
            note(field, rule.label + (": " + number) + " is negative");
        } else {
            // What exceeds the range is its end: Consul's own has none.
            const auto weight =
                static_cast<std::uint32_t>(std::min<std::uint64_t>(value.magnitude, 65535));
            (field == ConsulField::passing ? entry_.passing_weight : entry_.warning_weight) =
                weight;
        }
    }

    void judge_check() {
        entry_.warning = entry_.warning || status_ == "warning";
        entry_.critical = entry_.critical || (status_ != "warning" && status_ != "passing");
        entry_.maintenance = entry_.maintenance || check_id_ == "_node_maintenance" ||
                             check_id_.starts_with("_service_maintenance:");
    }

    /// Whether what must be there is; what is wrong in itself was noted before, and counts first.
    void conclude() {
        if (!has_service_) {
            const ConsulFieldRule& rule = rule_of(ConsulField::service);
            note(ConsulField::service, mismatch_text(rule.label, "null", rule.expected));
        }
        if (entry_.address.empty()) {
            entry_.address = std::move(entry_.node_address);
        } else {
            std::erase_if(entry_.problems, [](const ConsulEntry::Problem& one) {
                return one.first == ConsulField::node_address; // it is not used
            });
        }
        if (entry_.address.empty()) {
            note(ConsulField::no_address, "neither Service.Address nor Node.Address is set");
        }
        if (entry_.port == 0) {
            const ConsulFieldRule& rule = rule_of(ConsulField::port);
            note(ConsulField::port, mismatch_text(rule.label, "null", rule.expected));
        }
    }

    ConsulEntry entry_;
    /// What is open, from the element itself inwards; the list around it is one level too.
    std::array<ConsulField, deepest_json - 1> open_{};
    std::size_t depth_ = 0;
    bool has_service_ = false;
    ConsulField named_ = ConsulField::other; // by the key read last
    std::string name_;                       // that key, where it is a free one
    std::string status_;                     // of the check that is open
    std::string check_id_;
};

} // namespace failover::discovery
