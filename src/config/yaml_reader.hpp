// SPDX-License-Identifier: MIT
#pragma once

#include "load_state.hpp"

#include <failover/config/config.hpp>

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::config {

/// Reads one map of the file. Each getter names a key, checks its type and leaves the target alone
/// when the key is absent or wrong; what nobody asked for is an unknown key.
/// Threads    one thread.
class YamlReader {
public:
    /// `node` may be undefined (an absent section): every getter then finds nothing.
    YamlReader(YAML::Node node, std::string path, LoadState& state);
    YamlReader(const YamlReader&) = delete;
    YamlReader& operator=(const YamlReader&) = delete;
    /// Reports keys nobody asked for.
    ~YamlReader();

    [[nodiscard]] bool has(const std::string& key) const;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /// The section below `key`; an undefined one when it is absent or no map.
    [[nodiscard]] YAML::Node section(const std::string& key);
    [[nodiscard]] std::string path_of(const std::string& key) const;
    /// The node below `key` whatever its type; undefined when absent.
    [[nodiscard]] YAML::Node raw(const std::string& key);
    /// The keys of this map, in file order.
    [[nodiscard]] std::vector<std::string> keys() const;
    /// The same; marks them as known.
    [[nodiscard]] std::vector<std::string> all_keys();

    void text(const std::string& key, std::string& out);
    void secret(const std::string& key, Secret& out);
    void flag(const std::string& key, bool& out);
    void time(const std::string& key, Duration& out);
    void real(const std::string& key, double& out);
    void texts(const std::string& key, std::vector<std::string>& out);
    void text_map(const std::string& key, std::vector<std::pair<std::string, std::string>>& out);

    template <class Number>
    void number(const std::string& key, Number& out) {
        std::uint64_t value = 0;
        if (integer(key, std::numeric_limits<Number>::max(), value)) {
            out = static_cast<Number>(value);
        }
    }

    template <class Enum>
    using Choice = std::pair<std::string_view, Enum>;

    template <class Enum>
    void choice(const std::string& key, std::span<const Choice<Enum>> choices, Enum& out) {
        const YAML::Node node = raw(key);
        std::string found;
        if (!scalar(node, key, "a word", found)) {
            return;
        }
        std::string allowed;
        for (const auto& [name, value] : choices) {
            if (same_word(found, name)) {
                out = value;
                return;
            }
            allowed += (allowed.empty() ? "" : ", ") + std::string{name};
        }
        state_.complain(node, path_of(key), found_text(node, found) + ", allowed " + allowed);
    }

    /// Text of a scalar with its variables expanded; false (and an issue) when it is none.
    bool scalar(const YAML::Node& node, const std::string& key, const char* allowed,
                std::string& out);

private:
    /// '_' reads as '-'.
    static bool same_word(std::string_view found, std::string_view name);
    bool integer(const std::string& key, std::uint64_t most, std::uint64_t& out);
    void report_unknown() const;

    YAML::Node node_;
    std::string path_;
    LoadState& state_;
    std::set<std::string> asked_;
};

} // namespace failover::config
