// SPDX-License-Identifier: MIT
#include "fragments.hpp"
#include "parts.hpp"
#include "second_document.hpp"
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <yaml-cpp/depthguard.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <tuple>

namespace failover {
namespace {

constexpr std::size_t largest_file = std::size_t{4} << 20U;

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

/// Steps from `node` to what the front of `key` names: "name", "name.rest" or "name[2].rest".
/// Returns how much of `key` was used, 0 when nothing fits.
std::size_t step(YAML::Node& node, std::string_view key, int& line) {
    std::size_t best = 0;
    YAML::Node next;
    for (const auto& item : node) {
        const std::string& name = item.first.Scalar();
        const bool fits =
            !name.empty() && key.starts_with(name) &&
            (key.size() == name.size() || key[name.size()] == '.' || key[name.size()] == '[');
        // A name may itself contain dots: the longest that fits counts.
        if (fits && name.size() > best) {
            best = name.size();
            line = item.first.Mark().line + 1;
            next.reset(item.second);
        }
    }
    if (best == 0) {
        return 0;
    }
    node.reset(next);
    std::size_t index = 0;
    const char* const end = key.data() + key.size();
    if (best < key.size() && key[best] == '[' && node.IsSequence()) {
        const auto parsed = std::from_chars(key.data() + best + 1, end, index);
        if (parsed.ec == std::errc{} && parsed.ptr != end && index < node.size()) {
            node.reset(node[index]);
            line = node.Mark().line + 1;
            best = static_cast<std::size_t>(parsed.ptr - key.data()) + 1;
        }
    }
    return best;
}

/// The line of the deepest part of `key` that the file has.
int line_of(YAML::Node node, std::string_view key) {
    int line = 0;
    while (!key.empty() && node.IsDefined() && node.IsMap()) {
        const std::size_t used = step(node, key, line);
        if (used == 0) {
            break;
        }
        key.remove_prefix(std::min(key.size(), used + 1));
    }
    return line;
}

void read_parts(const YAML::Node& document, config::LoadState& state, Config& config) {
    config::YamlReader root{document, "", state};
    config::read_observation(root, state, config);
    config::read_services(root, state, config);
    config::read_database(root, state, config.database);
    config::read_cache(root, state, config.cache);
}

Config read(const YAML::Node& document, config::LoadState& state) {
    Config config;
    read_parts(document, state, config);
    for (ConfigIssue& issue : validate(config)) {
        issue.file = state.file;
        issue.line = line_of(document, issue.key);
        // What could not be read kept its default: one complaint about a key is enough.
        if (!state.complained(issue.key)) {
            state.issues.push_back(std::move(issue));
        }
    }
    return config;
}

/// The one document of a file. Throws ConfigError when it is no YAML.
YAML::Node document_of(const std::string& file, const std::string& text) {
    try {
        YAML::Node document = YAML::Load(text);
        if (const auto second = config::second_document(text)) {
            refuse(file, second->line + 1, "a second document begins; one is allowed");
        }
        return document;
    } catch (const YAML::DeepRecursion& error) {
        refuse(file, error.mark.line + 1, "lists and maps nest too deep");
    } catch (const YAML::Exception& error) {
        refuse(file, error.mark.line + 1, "not valid YAML: " + error.msg);
    }
}

/// The whole of a file. Throws ConfigError when it cannot be read or is too large.
std::string text_of(const std::filesystem::path& file) {
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
    if (!in) {
        refuse(name, 0, std::string{"cannot be read: "} + std::strerror(errno));
    }
    // A pipe has no size beforehand: never read more than the limit.
    std::string text(largest_file + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) {
        refuse(name, 0, std::string{"cannot be read: "} + std::strerror(errno));
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > largest_file) {
        refuse(name, 0, "the file is larger than 4 MiB");
    }
    return text;
}

/// `document` with the fragments of `directory` laid over it in order of their names.
YAML::Node with_fragments(YAML::Node document, const std::filesystem::path& directory,
                          const std::filesystem::path& main, config::Origins& origins) {
    for (const std::filesystem::path& file : fragment_files(directory, main)) {
        const std::string name = file.string();
        const YAML::Node fragment = document_of(name, text_of(file));
        if (!fragment.IsNull() && !fragment.IsMap()) {
            refuse(name, fragment.Mark().line + 1, "a fragment is a map, as the main file is");
        }
        document.reset(config::merged(document, fragment, "", name, origins));
    }
    return document;
}

/// `main`: the file, when it is one and fragments may be laid over it; else empty.
Config parse(const std::string& file, const std::string& text, const std::filesystem::path& main) {
    YAML::Node document = document_of(file, text);
    if (document.IsNull()) {
        refuse(file, 0, "the file is empty");
    }
    config::LoadState state;
    config::Origins origins;
    Config config;
    try {
        state.file = file;
        config = read(document, state);
        if (!main.empty() && !config.fragments.path.empty()) {
            document.reset(
                with_fragments(document, fragments_directory(config, main), main, origins));
            state = config::LoadState{};
            state.file = file;
            config = read(document, state);
        }
    } catch (const YAML::Exception& error) {
        refuse(file, error.mark.line + 1, "not valid YAML: " + error.msg);
    }
    if (!state.issues.empty()) {
        for (ConfigIssue& issue : state.issues) {
            issue.file = config::origin_of(origins, issue.key, file);
        }
        std::stable_sort(state.issues.begin(), state.issues.end(),
                         [](const ConfigIssue& a, const ConfigIssue& b) {
                             return std::tie(a.file, a.line) < std::tie(b.file, b.line);
                         });
        throw ConfigError{std::move(state.issues)};
    }
    return config;
}

} // namespace

std::set<std::string> config::known_keys() {
    // One of everything whose name or number is free.
    const YAML::Node document = YAML::Load(
        "{failover: {services: {<name>: {endpoints: [{}]}}}, "
        "database: {providers: {postgresql: {secondaries: [{}]}}}, "
        "cache: {providers: {redis: {secondaries: [{}]}}}}");
    std::set<std::string> keys;
    LoadState state;
    state.known = &keys;
    Config config;
    read_parts(document, state, config);
    return keys;
}

ConfigError::ConfigError(std::vector<ConfigIssue> issues)
    : Error{Failure{.code = make_error_code(Errc::bad_config), .detail = '\n' + summary(issues)}},
      issues_{std::move(issues)} {}

std::filesystem::path fragments_directory(const Config& config, const std::filesystem::path& main) {
    return config.fragments.path.empty() ? std::filesystem::path{}
                                         : main.parent_path() / config.fragments.path;
}

std::vector<std::filesystem::path> fragment_files(const std::filesystem::path& directory,
                                                  const std::filesystem::path& main) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (std::filesystem::directory_iterator at{directory, error}, end; !error && at != end;
         at.increment(error)) {
        const std::filesystem::path& file = at->path();
        const std::string extension = file.extension().string();
        std::error_code ignored;
        const bool hidden = file.filename().string().starts_with('.');
        if ((extension == ".yaml" || extension == ".yml") && !hidden &&
            at->is_regular_file(ignored) && !std::filesystem::equivalent(file, main, ignored)) {
            files.push_back(file);
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

Config load_config(const std::filesystem::path& file) {
    const std::string name = file.string();
    Config config = parse(name, text_of(file), file);
    config.source = name;
    return config;
}

std::vector<Endpoint> load_endpoints(const std::filesystem::path& file) {
    const std::string name = file.string();
    YAML::Node document = document_of(name, text_of(file));
    if (document.IsSequence()) {
        YAML::Node map{YAML::NodeType::Map};
        map["endpoints"] = document;
        document.reset(map);
    }
    if (!document.IsMap() || !document["endpoints"]) {
        refuse(name, 0, "allowed a list of URLs or maps, alone or below the key endpoints");
    }
    config::LoadState state;
    state.file = name;
    std::vector<Endpoint> endpoints;
    try {
        config::YamlReader reader{document, "", state};
        config::read_endpoints(reader, state, endpoints);
    } catch (const YAML::Exception& error) {
        refuse(name, error.mark.line + 1, "not valid YAML: " + error.msg);
    }
    for (std::size_t i = 0; state.issues.empty() && i < endpoints.size(); ++i) {
        for (ConfigIssue& issue :
             endpoint_issues(endpoints[i], "endpoints[" + std::to_string(i) + ']')) {
            issue.file = name;
            issue.line = line_of(document, issue.key);
            state.issues.push_back(std::move(issue));
        }
    }
    if (!state.issues.empty()) {
        throw ConfigError{std::move(state.issues)};
    }
    return endpoints;
}

Config parse_config(std::string_view yaml) {
    if (yaml.size() > largest_file) {
        refuse("<text>", 0, "the text is larger than 4 MiB");
    }
    return parse("<text>", std::string{yaml}, {});
}

} // namespace failover
