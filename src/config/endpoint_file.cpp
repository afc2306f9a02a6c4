// SPDX-License-Identifier: MIT
#include "endpoint_file.hpp"

#include "document.hpp"
#include "file_text.hpp"
#include "parts.hpp"
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <cstddef>
#include <utility>

namespace failover {
namespace config {

std::vector<Endpoint> endpoints_in(const std::string& file, const std::string& text) {
    YAML::Node document = document_of(file, text);
    if (document.IsSequence()) {
        YAML::Node map{YAML::NodeType::Map};
        map["endpoints"] = document;
        document.reset(map);
    }
    if (!document.IsMap() || !document["endpoints"]) {
        refuse(file, 0, "allowed a list of URLs or maps, alone or below the key endpoints");
    }
    LoadState state;
    state.file = file;
    std::vector<Endpoint> endpoints;
    try {
        YamlReader reader{document, "", state};
        read_endpoints(reader, state, endpoints);
    } catch (const YAML::Exception& error) {
        refuse(file, error.mark.line + 1, "not valid YAML: " + error.msg);
    }
    for (std::size_t i = 0; state.issues.empty() && i < endpoints.size(); ++i) {
        for (ConfigIssue& issue :
             endpoint_issues(endpoints[i], "endpoints[" + std::to_string(i) + ']')) {
            issue.file = file;
            issue.line = line_of(document, issue.key);
            state.issues.push_back(std::move(issue));
        }
    }
    if (!state.issues.empty()) {
        throw ConfigError{std::move(state.issues)};
    }
    return endpoints;
}

} // namespace config

std::vector<Endpoint> load_endpoints(const std::filesystem::path& file) {
    return config::endpoints_in(file.string(), config::text_of(file));
}

} // namespace failover
