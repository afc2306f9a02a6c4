// SPDX-License-Identifier: MIT
#include "yaml_reader.hpp"

#include "environment.hpp"
#include <failover/base/attempt_log.hpp>
#include <failover/config/duration.hpp>

#include <algorithm>
#include <charconv>

namespace failover::config {
namespace {

constexpr const char* duration_forms = "a duration like \"250ms\", \"10s\" or \"1m30s\"";

} // namespace

YamlReader::YamlReader(YAML::Node node, std::string path, LoadState& state)
    : node_{std::move(node)}, path_{std::move(path)}, state_{state} {
    if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
        state_.complain(node_, path_, "found " + describe(node_) + ", allowed a map");
        node_ = state_.absent;
    }
}

YamlReader::~YamlReader() {
    report_unknown();
}

void YamlReader::report_unknown() const {
    if (!node_.IsDefined() || !node_.IsMap()) {
        return;
    }
    std::set<std::string> seen;
    for (const auto& item : node_) {
        if (!item.first.IsScalar()) {
            state_.complain(item.first, path_, "found " + describe(item.first) + " as a key");
            continue;
        }
        const std::string key = item.first.Scalar();
        if (!seen.insert(key).second) {
            state_.complain(item.first, path_of(key), "this key stands here twice");
        }
        if (asked_.find(key) != asked_.end()) {
            continue;
        }
        const std::string meant = nearest(key, asked_);
        std::string allowed;
        for (const std::string& one : asked_) {
            allowed += (allowed.empty() ? "" : ", ") + one;
        }
        state_.complain(item.first, path_of(escaped(key)),
                        "unknown key; " + (meant.empty() ? "allowed here: " + allowed
                                                         : "did you mean \"" + meant + "\"?"));
    }
}

std::string YamlReader::path_of(const std::string& key) const {
    return path_.empty() ? key : path_ + '.' + key;
}

YAML::Node YamlReader::raw(const std::string& key) {
    asked_.insert(key);
    if (state_.known != nullptr) {
        state_.known->insert(path_of(key));
    }
    if (!node_.IsDefined() || !node_.IsMap()) {
        return state_.absent;
    }
    // Not node_[key]: that would insert the key.
    for (const auto& item : node_) {
        if (item.first.IsScalar() && item.first.Scalar() == key) {
            return item.second;
        }
    }
    return state_.absent;
}

bool YamlReader::has(const std::string& key) const {
    if (!node_.IsDefined() || !node_.IsMap()) {
        return false;
    }
    return std::any_of(node_.begin(), node_.end(), [&](const auto& item) {
        return item.first.IsScalar() && item.first.Scalar() == key;
    });
}

YAML::Node YamlReader::section(const std::string& key) {
    const YAML::Node node = raw(key);
    if (node.IsDefined() && !node.IsNull() && !node.IsMap()) {
        state_.complain(node, path_of(key), "found " + describe(node) + ", allowed a map");
        return state_.absent;
    }
    return node;
}

std::vector<std::string> YamlReader::keys() const {
    std::vector<std::string> keys;
    std::set<std::string> seen;
    if (node_.IsDefined() && node_.IsMap()) {
        for (const auto& item : node_) {
            if (item.first.IsScalar() && seen.insert(item.first.Scalar()).second) {
                keys.push_back(item.first.Scalar());
            }
        }
    }
    return keys;
}

std::vector<std::string> YamlReader::all_keys() {
    const std::vector<std::string> all = keys();
    asked_.insert(all.begin(), all.end());
    return all;
}

bool YamlReader::scalar(const YAML::Node& node, const std::string& key, const char* allowed,
                        std::string& out) {
    if (!node.IsDefined()) {
        return false;
    }
    if (!node.IsScalar()) {
        state_.complain(node, path_of(key),
                        "found " + describe(node) + ", allowed " + std::string{allowed});
        return false;
    }
    const Expansion expansion = expand_environment(node.Scalar());
    if (!expansion.error.empty()) {
        state_.complain(node, path_of(key), expansion.error);
        return false;
    }
    for (const std::string& name : expansion.unset) {
        if (state_.unset != nullptr) {
            state_.unset->push_back(
                UnsetVariable{.name = name, .key = path_of(key), .line = node.Mark().line + 1});
        } else {
            state_.complain(node, path_of(key), "the environment variable " + name + " is not set");
        }
    }
    out = expansion.text;
    // What an unset variable would have been is unknown: the value is not judged further.
    return expansion.unset.empty();
}

void YamlReader::text(const std::string& key, std::string& out) {
    std::string found;
    if (scalar(raw(key), key, "text", found)) {
        out = std::move(found);
    }
}

void YamlReader::secret(const std::string& key, Secret& out) {
    std::string found;
    if (scalar(raw(key), key, "text", found)) {
        out = Secret{std::move(found)};
    }
}

void YamlReader::flag(const std::string& key, bool& out) {
    const YAML::Node node = raw(key);
    std::string found;
    if (!scalar(node, key, "true or false", found)) {
        return;
    }
    if (found == "true" || found == "false") {
        out = found == "true";
    } else {
        state_.complain(node, path_of(key), found_text(node, found) + ", allowed true or false");
    }
}

void YamlReader::time(const std::string& key, Duration& out) {
    const YAML::Node node = raw(key);
    std::string found;
    if (!scalar(node, key, duration_forms, found)) {
        return;
    }
    if (const std::optional<Duration> value = parse_duration(found)) {
        out = *value;
    } else {
        state_.complain(node, path_of(key),
                        found_text(node, found) + ", allowed " + duration_forms);
    }
}

void YamlReader::real(const std::string& key, double& out) {
    const YAML::Node node = raw(key);
    std::string found;
    if (!scalar(node, key, "a number", found)) {
        return;
    }
    double value = 0;
    const auto parsed = std::from_chars(found.data(), found.data() + found.size(), value);
    if (parsed.ec == std::errc{} && parsed.ptr == found.data() + found.size() &&
        value == value) { // not a NaN
        out = value;
    } else {
        state_.complain(node, path_of(key), found_text(node, found) + ", allowed a number");
    }
}

bool YamlReader::integer(const std::string& key, std::uint64_t most, std::uint64_t& out) {
    const YAML::Node node = raw(key);
    std::string found;
    if (!scalar(node, key, "a whole number", found)) {
        return false;
    }
    const auto parsed = std::from_chars(found.data(), found.data() + found.size(), out);
    if (parsed.ec != std::errc{} || parsed.ptr != found.data() + found.size() || out > most) {
        state_.complain(
            node, path_of(key),
            found_text(node, found) + ", allowed a whole number from 0 to " + std::to_string(most));
        return false;
    }
    return true;
}

void YamlReader::texts(const std::string& key, std::vector<std::string>& out) {
    const YAML::Node node = raw(key);
    if (!node.IsDefined()) {
        return;
    }
    std::vector<std::string> found;
    std::string one;
    if (node.IsScalar()) {
        if (scalar(node, key, "text or a list of texts", one)) {
            out = {one};
        }
        return;
    }
    if (!node.IsSequence()) {
        state_.complain(node, path_of(key),
                        "found " + describe(node) + ", allowed text or a list of texts");
        return;
    }
    for (const YAML::Node& item : node) {
        if (scalar(item, key, "text", one)) {
            found.push_back(one);
        }
    }
    out = std::move(found);
}

void YamlReader::text_map(const std::string& key,
                          std::vector<std::pair<std::string, std::string>>& out) {
    const YAML::Node node = section(key);
    if (!node.IsDefined() || !node.IsMap()) {
        return;
    }
    out.clear();
    std::set<std::string> seen;
    for (const auto& item : node) {
        std::string value;
        if (!item.first.IsScalar() || !seen.insert(item.first.Scalar()).second) {
            state_.complain(item.first, path_of(key),
                            item.first.IsScalar()
                                ? "\"" + escaped(item.first.Scalar()) + "\" stands here twice"
                                : "found " + describe(item.first) + " as a key");
            continue;
        }
        if (scalar(item.second, key, "text", value)) {
            out.emplace_back(item.first.Scalar(), std::move(value));
        }
    }
}

bool YamlReader::same_word(std::string_view found, std::string_view name) {
    return std::equal(found.begin(), found.end(), name.begin(), name.end(),
                      [](char a, char b) { return (a == '_' ? '-' : a) == b; });
}

} // namespace failover::config
