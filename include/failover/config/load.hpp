// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/config/config.hpp>
#include <failover/config/issue.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace failover {

/// The configuration cannot be used. Holds every problem; what() lists one a line.
class ConfigError : public Error {
public:
    explicit ConfigError(std::vector<ConfigIssue> issues);
    [[nodiscard]] const std::vector<ConfigIssue>& issues() const noexcept { return issues_; }

private:
    std::vector<ConfigIssue> issues_;
};

/// Reads and checks a file, with the fragments of `config.providers.file.path` laid over it in
/// order of their names: maps are merged key by key, anything else is replaced. Throws ConfigError
/// with every problem found, each with the file that says it.
/// Threads    safe; reads the environment, so no other thread may change it meanwhile.
[[nodiscard]] Config load_config(const std::filesystem::path& file);
/// The same for text; has no place where fragments could be.
[[nodiscard]] Config parse_config(std::string_view yaml);

/// Endpoints from a YAML or JSON file: a list of URLs and maps as below a service's `endpoints`,
/// alone or below a key of that name. Throws ConfigError with every problem found.
/// Threads    safe; reads the environment, so no other thread may change it meanwhile.
[[nodiscard]] std::vector<Endpoint> load_endpoints(const std::filesystem::path& file);

/// Where the fragments of `config` are, which was loaded from `main`; empty when it names none.
/// Threads    safe. Throws nothing but std::bad_alloc.
[[nodiscard]] std::filesystem::path fragments_directory(const Config& config,
                                                        const std::filesystem::path& main);

/// The fragments of `directory` in order of their names: "*.yaml" and "*.yml", not those whose name
/// begins with a dot, not `main` itself. None when there is no such directory. Throws ConfigError
/// when the directory cannot be listed or one of these names leads to no file: what the fragments
/// say is unknown then, not nothing.
/// Threads    safe.
[[nodiscard]] std::vector<std::filesystem::path> fragment_files(
    const std::filesystem::path& directory, const std::filesystem::path& main);

} // namespace failover
