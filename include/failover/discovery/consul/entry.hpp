// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/json_type.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::discovery {

/// What is read of an element of /v1/health/service, in the order in which it is judged: of several
/// things that are wrong the first one is told.
enum class ConsulField : std::uint8_t {
    entry,
    service,
    node,
    tags,
    tag,
    id,
    address,
    node_address,
    no_address,
    port,
    checks,
    check,
    check_status,
    check_id,
    weights,
    passing,
    warning,
    meta,
    meta_value,
    node_meta,
    node_meta_value,
    node_name,
    datacenter,
    other,
};

/// What a field has to be. Absent and null mean the same, as programs in Go write them, except for
/// what is `required`.
struct ConsulFieldRule {
    JsonType type = JsonType::null;
    const char* label = "";
    const char* expected = "";
    bool required = false;
};

namespace detail {

using enum JsonType;

/// In the order of ConsulField.
inline constexpr ConsulFieldRule consul_field_rules[] = {
    {object, "instance", "an object", true},
    {object, "Service", "an object"},
    {object, "Node", "an object"},
    {array, "Service.Tags", "a list"},
    {string, "Service.Tags", "strings", true},
    {string, "Service.ID", "a string"},
    {string, "Service.Address", "a string"},
    {string, "Node.Address", "a string"},
    {}, // no_address
    {number, "Service.Port", "a number"},
    {array, "Checks", "a list"},
    {object, "Checks", "objects", true},
    {string, "Checks.Status", "a string"},
    {string, "Checks.CheckID", "a string"},
    {object, "Service.Weights", "an object"},
    {number, "Service.Weights.Passing", "a whole number"},
    {number, "Service.Weights.Warning", "a whole number"},
    {object, "Service.Meta", "an object"},
    {string, "Service.Meta", "a string", true},
    {object, "Node.Meta", "an object"},
    {string, "Node.Meta", "a string", true},
    {string, "Node.Node", "a string"},
    {string, "Node.Datacenter", "a string"},
};
static_assert(std::size(consul_field_rules) == static_cast<std::size_t>(ConsulField::other));

} // namespace detail

/// Not for ConsulField::other, which may be anything.
[[nodiscard]] constexpr const ConsulFieldRule& rule_of(ConsulField field) noexcept {
    return detail::consul_field_rules[static_cast<std::size_t>(field)];
}

/// The field that `key` names in an object that is itself `parent`.
[[nodiscard]] constexpr ConsulField field_of(ConsulField parent, std::string_view key) noexcept {
    using enum ConsulField;
    switch (parent) {
        case entry:
            return key == "Service"  ? service
                   : key == "Node"   ? node
                   : key == "Checks" ? checks
                                     : other;
        case service:
            return key == "ID"        ? id
                   : key == "Address" ? address
                   : key == "Port"    ? port
                   : key == "Tags"    ? tags
                   : key == "Meta"    ? meta
                   : key == "Weights" ? weights
                                      : other;
        case node:
            return key == "Node"         ? node_name
                   : key == "Address"    ? node_address
                   : key == "Datacenter" ? datacenter
                   : key == "Meta"       ? node_meta
                                         : other;
        case check:
            return key == "Status" ? check_status : key == "CheckID" ? check_id : other;
        case weights:
            return key == "Passing" ? passing : key == "Warning" ? warning : other;
        case meta:
            return meta_value;
        case node_meta:
            return node_meta_value;
        default:
            return other;
    }
}

/// What an element of /v1/health/service says, as far as it matters here.
struct ConsulEntry {
    using Meta = std::map<std::string, std::string>;
    using Problem = std::pair<ConsulField, std::string>;

    std::string id{};
    /// Of the service, else of the node.
    std::string address{};
    std::uint16_t port = 0;
    std::vector<std::string> tags{};
    Meta meta{};
    std::string node{};
    std::string node_address{};
    std::string datacenter{};
    Meta node_meta{};
    /// While all checks pass, and while one warns.
    std::uint32_t passing_weight = 1;
    std::uint32_t warning_weight = 1;
    /// The worst of the checks; Consul's own agents write no other states than these.
    bool critical = false;
    bool warning = false;
    bool maintenance = false;
    std::vector<Problem> problems{};

    [[nodiscard]] bool carries(const std::string& tag) const {
        return std::find(tags.begin(), tags.end(), tag) != tags.end();
    }
    /// The first problem with the fields up to `last`; null: none.
    [[nodiscard]] const std::string* problem(ConsulField last = ConsulField::other) const {
        const ConsulField unused = warning ? ConsulField::passing : ConsulField::warning;
        const Problem* first = nullptr;
        for (const Problem& one : problems) {
            const bool counts = one.first != unused && one.first <= last;
            if (counts && (first == nullptr || one.first < first->first)) {
                first = &one;
            }
        }
        return first == nullptr ? nullptr : &first->second;
    }
};

} // namespace failover::discovery
