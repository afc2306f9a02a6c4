// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/config/issue.hpp>

#include <yaml-cpp/yaml.h>

#include <set>
#include <string>
#include <vector>

namespace failover::config {

/// What one load collects: problems and unset variables.
struct LoadState {
    std::string file{};
    std::vector<ConfigIssue> issues{};
    /// Where unset variables of the part being read go; null: they are issues at once.
    std::vector<UnsetVariable>* unset = nullptr;
    /// Where the path of every key that is looked for goes; null: nowhere.
    std::set<std::string>* known = nullptr;
    /// What a key that is not there holds. One for all of them: each new one costs allocations, and
    /// most keys are not there.
    YAML::Node absent{YAML::NodeType::Undefined};

    void complain(const YAML::Node& at, const std::string& key, std::string message);
    [[nodiscard]] bool complained(const std::string& key) const;
};

/// `found "ten"`, escaped. What came out of a variable is not shown: `found what "${X}" holds`.
[[nodiscard]] std::string found_text(const YAML::Node& node, const std::string& expanded);

/// "a list", "a map", "plain text" or "nothing", for messages. Never the text itself: where a map
/// was due, it may be a URL with a password.
[[nodiscard]] std::string describe(const YAML::Node& node);

/// The word of `known` nearest to `word`, when it is near enough to be meant; else empty.
[[nodiscard]] std::string nearest(const std::string& word, const std::set<std::string>& known);

} // namespace failover::config
