// SPDX-License-Identifier: MIT
#include "document.hpp"
#include "file_text.hpp"
#include "fingerprint.hpp"
#include "fragments.hpp"
#include "parts.hpp"
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <algorithm>
#include <iterator>
#include <system_error>
#include <tuple>

namespace failover {
namespace {

using config::document_of;
using config::largest_file;
using config::line_of;
using config::refuse;
using config::text_of;

std::string summary(const std::vector<ConfigIssue>& issues) {
    std::string text;
    for (const ConfigIssue& issue : issues) {
        text += (text.empty() ? "" : "\n") + to_string(issue);
    }
    return text;
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

bool is_link(const std::filesystem::path& path) {
    std::error_code error;
    // With a slash at its end a link is what it leads to.
    return std::filesystem::is_symlink(path.has_filename() ? path : path.parent_path(), error);
}

/// False: a directory, a pipe, or gone since it was listed. Throws ConfigError when nobody can
/// tell.
bool is_file(const std::filesystem::path& file) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(file, error);
    if (status.type() != std::filesystem::file_type::not_found) {
        if (error) {
            refuse(file.string(), 0, "cannot be read: " + error.message());
        }
        return std::filesystem::is_regular_file(status);
    }
    if (is_link(file)) {
        refuse(file.string(), 0, "this is a link to a file that does not exist");
    }
    return false;
}

/// `document` with the fragments of `directory` laid over it in order of their names.
YAML::Node with_fragments(YAML::Node document, const std::filesystem::path& directory,
                          const std::filesystem::path& main, config::Merging& merging,
                          config::Fingerprint& fingerprint) {
    for (const std::filesystem::path& file : fragment_files(directory, main)) {
        const std::string name = file.string();
        const std::string text = text_of(file);
        fingerprint.add(name, text);
        const YAML::Node fragment = document_of(name, text);
        if (!fragment.IsNull() && !fragment.IsMap()) {
            refuse(name, fragment.Mark().line + 1, "a fragment is a map, as the main file is");
        }
        document.reset(config::merged(document, fragment, "", name, merging));
    }
    return document;
}

/// "parts", "./parts" and "parts/" are one.
bool same_directory(const std::filesystem::path& one, const std::filesystem::path& other) {
    return (one / "").lexically_normal() == (other / "").lexically_normal();
}

/// Notes which file names each of the variables.
void name_files(std::vector<UnsetVariable>& unset, const config::Merging& merging) {
    for (UnsetVariable& variable : unset) {
        variable.file = config::origin_of(merging, variable.key);
    }
}

/// `main`: the file, when it is one and fragments may be laid over it; else empty.
Config parse(const std::string& file, const std::string& text, const std::filesystem::path& main) {
    YAML::Node document = document_of(file, text);
    if (document.IsNull()) {
        refuse(file, 0, "the file is empty");
    }
    config::LoadState state;
    config::Merging merging{.main = file};
    config::Fingerprint fingerprint;
    fingerprint.add(file, text);
    Config config;
    try {
        state.file = file;
        config = read(document, state);
        if (!main.empty() && !config.fragments.path.empty()) {
            document.reset(with_fragments(document, fragments_directory(config, main), main,
                                          merging, fingerprint));
            const std::string named = config.fragments.path;
            const std::filesystem::path directory = fragments_directory(config, main);
            state = config::LoadState{};
            state.file = file;
            config = read(document, state);
            const bool same = config.fragments.path.empty() ||
                              same_directory(directory, fragments_directory(config, main));
            config.fragments.path = named;
            if (!same) {
                const char* const key = "config.providers.file.path";
                state.issues.push_back({.line = line_of(document, key),
                                        .key = key,
                                        .message = "only the main file says where fragments are"});
            }
        }
    } catch (const YAML::Exception& error) {
        refuse(file, error.mark.line + 1, "not valid YAML: " + error.msg);
    }
    for (ConfigIssue& issue : state.issues) {
        issue.file = config::origin_of(merging, issue.key);
    }
    std::move(merging.issues.begin(), merging.issues.end(), std::back_inserter(state.issues));
    if (!state.issues.empty()) {
        std::stable_sort(state.issues.begin(), state.issues.end(),
                         [](const ConfigIssue& a, const ConfigIssue& b) {
                             return std::tie(a.file, a.line) < std::tie(b.file, b.line);
                         });
        throw ConfigError{std::move(state.issues)};
    }
    for (ServiceConfig& service : config.services) {
        name_files(service.unset, merging);
    }
    name_files(config.database.unset, merging);
    name_files(config.cache.unset, merging);
    config.fingerprint = main.empty() ? 0 : fingerprint.value();
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
    std::filesystem::directory_iterator at{directory, error};
    if (error == std::errc::no_such_file_or_directory && !is_link(directory)) {
        return files;
    }
    for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
        const std::filesystem::path& file = at->path();
        const std::string extension = file.extension().string();
        std::error_code ignored;
        const bool hidden = file.filename().string().starts_with('.');
        if ((extension == ".yaml" || extension == ".yml") && !hidden && is_file(file) &&
            !std::filesystem::equivalent(file, main, ignored)) {
            files.push_back(file);
        }
    }
    if (error) {
        // "None" would take away what its fragments say.
        refuse(directory.string(), 0, "the fragments in it cannot be listed: " + error.message());
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

Config parse_config(std::string_view yaml) {
    if (yaml.size() > largest_file) {
        refuse("<text>", 0, "the text is larger than 4 MiB");
    }
    return parse("<text>", std::string{yaml}, {});
}

} // namespace failover
