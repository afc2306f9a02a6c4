// SPDX-License-Identifier: MIT
#include "load_state.hpp"

#include <failover/base/attempt_log.hpp>

#include <algorithm>
#include <numeric>
#include <string_view>

namespace failover::config {
namespace {

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

} // namespace

void LoadState::complain(const YAML::Node& at, const std::string& key, std::string message) {
    const int line = at.IsDefined() ? at.Mark().line + 1 : 0;
    issues.push_back(
        ConfigIssue{.file = file, .line = line, .key = key, .message = std::move(message)});
}

bool LoadState::complained(const std::string& key) const {
    return std::any_of(issues.begin(), issues.end(),
                       [&](const ConfigIssue& issue) { return issue.key == key; });
}

std::string describe(const YAML::Node& node) {
    if (!node.IsDefined() || node.IsNull()) {
        return "nothing";
    }
    if (node.IsSequence()) {
        return "a list";
    }
    if (node.IsMap()) {
        return "a map";
    }
    return "plain text";
}

std::string found_text(const YAML::Node& node, const std::string& expanded) {
    if (node.IsScalar() && node.Scalar().find("${") != std::string::npos) {
        return "found what \"" + escaped(node.Scalar()) + "\" holds";
    }
    return "found \"" + escaped(expanded) + '"';
}

std::string nearest(const std::string& word, const std::set<std::string>& known) {
    std::string best;
    std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const std::string& candidate : known) {
        const std::size_t far = distance(word, candidate);
        if (far < least) {
            least = far;
            best = candidate;
        }
    }
    return best;
}

} // namespace failover::config
