// SPDX-License-Identifier: MIT
#include "fragments.hpp"

#include <cstddef>
#include <set>

namespace failover::config {
namespace {

std::string below(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + '.' + key;
}

/// An empty section ("key:" and nothing) says nothing about what another file has there.
bool is_section(const YAML::Node& node) {
    return node.IsMap() || node.IsNull();
}

/// A key of a map and what it holds; undefined: there is no such key.
struct Entry {
    YAML::Node key{YAML::NodeType::Undefined};
    YAML::Node value{YAML::NodeType::Undefined};
};

Entry find(const YAML::Node& map, const std::string& key) {
    for (const auto& item : map) {
        if (item.first.IsScalar() && item.first.Scalar() == key) {
            return Entry{item.first, item.second};
        }
    }
    return {};
}

/// All of `path` comes from `file` now.
void replace(Origins& origins, const std::string& path, const std::string& file) {
    const std::string inside = path + '.';
    for (auto at = origins.lower_bound(inside);
         at != origins.end() && at->first.starts_with(inside);) {
        at = origins.erase(at);
    }
    origins[path] = file;
}

/// The entries of a map, each key once: the others are complained about. A key that is no text is
/// left to the reader.
class Once {
public:
    Once(const std::string& path, Merging& merging) : path_{path}, merging_{merging} {}

    bool operator()(const YAML::Node& key, const std::string& file) {
        if (seen_.insert(key.Scalar()).second) {
            return true;
        }
        merging_.issues.push_back(ConfigIssue{.file = file,
                                              .line = key.Mark().line + 1,
                                              .key = below(path_, key.Scalar()),
                                              .message = "this key stands here twice"});
        return false;
    }
    [[nodiscard]] bool seen(const std::string& key) const { return seen_.contains(key); }

private:
    const std::string& path_;
    Merging& merging_;
    std::set<std::string> seen_;
};

} // namespace

YAML::Node merged(const YAML::Node& base, const YAML::Node& over, const std::string& path,
                  const std::string& file, Merging& merging) {
    if (over.IsNull() && base.IsDefined()) {
        return base;
    }
    if (!over.IsMap() || !base.IsDefined() || !is_section(base)) {
        replace(merging.origins, path, file);
        return over;
    }
    YAML::Node both{YAML::NodeType::Map};
    Once of_base{path, merging};
    for (const auto& item : base) {
        if (!item.first.IsScalar()) {
            both.force_insert(item.first, item.second);
            continue;
        }
        const std::string at = below(path, item.first.Scalar());
        // Only a map that no fragment has touched has a key twice: it is all of one file.
        if (!of_base(item.first, origin_of(merging, at))) {
            continue;
        }
        const Entry other = find(over, item.first.Scalar());
        if (!other.key.IsDefined()) {
            both.force_insert(item.first, item.second);
            continue;
        }
        const YAML::Node value = merged(item.second, other.value, at, file, merging);
        // A key node knows the line it is on: that of the file which origin_of() names.
        both.force_insert(value.is(other.value) ? other.key : item.first, value);
    }
    Once of_over{path, merging};
    for (const auto& item : over) {
        if (!item.first.IsScalar()) {
            both.force_insert(item.first, item.second);
            continue;
        }
        const std::string& key = item.first.Scalar();
        if (of_over(item.first, file) && !of_base.seen(key)) {
            replace(merging.origins, below(path, key), file);
            both.force_insert(item.first, item.second);
        }
    }
    return both;
}

const std::string& origin_of(const Merging& merging, const std::string& key) {
    for (std::string path = key; !path.empty();) {
        if (const auto found = merging.origins.find(path); found != merging.origins.end()) {
            return found->second;
        }
        const std::size_t cut = path.find_last_of(".[");
        path.resize(cut == std::string::npos ? 0 : cut);
    }
    return merging.main;
}

} // namespace failover::config
