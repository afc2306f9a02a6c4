// SPDX-License-Identifier: MIT
#include "fragments.hpp"

namespace failover::config {
namespace {

std::string below(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + '.' + key;
}

/// An empty section ("key:" and nothing) says nothing about what another file has there.
bool is_section(const YAML::Node& node) {
    return node.IsMap() || node.IsNull();
}

YAML::Node find(const YAML::Node& map, const std::string& key) {
    for (const auto& item : map) {
        if (item.first.IsScalar() && item.first.Scalar() == key) {
            return item.second;
        }
    }
    return YAML::Node{YAML::NodeType::Undefined};
}

} // namespace

YAML::Node merged(const YAML::Node& base, const YAML::Node& over, const std::string& path,
                  const std::string& file, Origins& origins) {
    if (over.IsNull() && base.IsDefined()) {
        return base;
    }
    if (!over.IsMap() || !base.IsDefined() || !is_section(base)) {
        origins[path] = file;
        return over;
    }
    YAML::Node both{YAML::NodeType::Map};
    if (base.IsMap()) {
        for (const auto& item : base) {
            const YAML::Node other =
                item.first.IsScalar() ? find(over, item.first.Scalar()) : YAML::Node{};
            if (!item.first.IsScalar() || !other.IsDefined()) {
                both.force_insert(item.first, item.second);
            }
        }
    }
    // The fragment's own key nodes: they know the line they are on.
    for (const auto& item : over) {
        if (!item.first.IsScalar()) {
            both.force_insert(item.first, item.second);
            continue;
        }
        const std::string& key = item.first.Scalar();
        const YAML::Node under =
            base.IsMap() ? find(base, key) : YAML::Node{YAML::NodeType::Undefined};
        const YAML::Node value = merged(under, item.second, below(path, key), file, origins);
        both.force_insert(item.first, value);
    }
    return both;
}

const std::string& origin_of(const Origins& origins, const std::string& key,
                             const std::string& main) {
    for (std::string path = key; !path.empty();) {
        if (const auto found = origins.find(path); found != origins.end()) {
            return found->second;
        }
        const std::size_t cut = path.find_last_of(".[");
        path.resize(cut == std::string::npos ? 0 : cut);
    }
    return main;
}

} // namespace failover::config
