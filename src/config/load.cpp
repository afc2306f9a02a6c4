// SPDX-License-Identifier: MIT
#include <failover/config/load.hpp>

#include "parts.hpp"

#include <failover/config/validate.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace failover {
namespace {

constexpr std::uintmax_t largest_file = std::uintmax_t{4} << 20U;
constexpr int deepest_nesting = 64;

std::string summary(const std::vector<ConfigIssue>& issues) {
    std::string text;
    for (const ConfigIssue& issue : issues) {
        text += (text.empty() ? "" : "\n") + to_string(issue);
    }
    return text;
}

[[noreturn]] void refuse(const std::string& file, int line, std::string message) {
    throw ConfigError{{ConfigIssue{.file = file, .line = line, .message = std::move(message)}}};
}

/// Brackets and braces nest without end for free; yaml-cpp would recurse into them. Counting them
/// as text overestimates at worst.
void refuse_deep_nesting(const std::string& file, std::string_view text) {
    int depth = 0;
    int line = 1;
    for (const char c : text) {
        line += c == '\n' ? 1 : 0;
        depth += c == '[' || c == '{' ? 1 : 0;
        depth -= (c == ']' || c == '}') && depth > 0 ? 1 : 0;
        if (depth > deepest_nesting) {
            refuse(file, line, "lists and maps nest deeper than " +
                                   std::to_string(deepest_nesting) + " levels");
        }
    }
}

/// The line of the deepest part of `key` that the file has.
int line_of(YAML::Node node, std::string_view key) {
    int line = 0;
    while (!key.empty() && node.IsDefined() && node.IsMap()) {
        bool found = false;
        // A name may itself contain dots: take the longest key that fits.
        std::string_view best;
        for (const auto& item : node) {
            const std::string name = item.first.Scalar();
            const bool fits = key.starts_with(name) &&
                              (key.size() == name.size() || key[name.size()] == '.');
            if (fits && name.size() >= best.size()) {
                best = key.substr(0, name.size());
                found = true;
            }
        }
        if (!found) {
            break;
        }
        for (const auto& item : node) {
            if (item.first.Scalar() == best) {
                line = item.first.Mark().line + 1;
                node.reset(item.second);
                break;
            }
        }
        key.remove_prefix(std::min(key.size(), best.size() + 1));
    }
    return line;
}

Config read(const YAML::Node& document, config::LoadState& state) {
    Config config;
    config.source = state.file;
    {
        config::YamlReader root{document, "", state};
        config::read_observation(root, state, config);
        config::read_services(root, state, config);
        config::read_database(root, state, config.database);
        config::read_cache(root, state, config.cache);
    }
    for (ConfigIssue& issue : validate(config)) {
        issue.file = state.file;
        issue.line = line_of(document, issue.key);
        // What could not be read kept its default: one complaint about a key is enough.
        const bool known = std::any_of(state.issues.begin(), state.issues.end(),
                                       [&](const ConfigIssue& one) { return one.key == issue.key; });
        if (!known) {
            state.issues.push_back(std::move(issue));
        }
    }
    return config;
}

Config parse(const std::string& file, const std::string& text) {
    refuse_deep_nesting(file, text);
    config::LoadState state;
    state.file = file;
    Config config;
    try {
        const YAML::Node document = YAML::Load(text);
        if (!document.IsDefined() || document.IsNull()) {
            refuse(file, 0, "the file is empty");
        }
        config = read(document, state);
    } catch (const YAML::Exception& error) {
        refuse(file, error.mark.line + 1, "not valid YAML: " + error.msg);
    }
    if (!state.issues.empty()) {
        std::stable_sort(
            state.issues.begin(), state.issues.end(),
            [](const ConfigIssue& a, const ConfigIssue& b) { return a.line < b.line; });
        throw ConfigError{std::move(state.issues)};
    }
    return config;
}

} // namespace

ConfigError::ConfigError(std::vector<ConfigIssue> issues)
    : Error{Failure{.code = make_error_code(Errc::bad_config), .detail = '\n' + summary(issues)}},
      issues_{std::move(issues)} {}

Config load_config(const std::filesystem::path& file) {
    const std::string name = file.string();
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    if (!std::filesystem::exists(status)) {
        refuse(name, 0, "there is no such file");
    }
    if (std::filesystem::is_directory(status)) {
        refuse(name, 0, "this is a directory, not a file");
    }
    if (std::filesystem::file_size(file, error) > largest_file && !error) {
        refuse(name, 0, "the file is larger than 4 MiB");
    }
    std::ifstream in{file, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) {
        refuse(name, 0, std::string{"cannot be read: "} + std::strerror(errno));
    }
    return parse(name, text.str());
}

Config parse_config(std::string_view yaml) {
    if (yaml.size() > largest_file) {
        refuse("<text>", 0, "the text is larger than 4 MiB");
    }
    return parse("<text>", std::string{yaml});
}

} // namespace failover
