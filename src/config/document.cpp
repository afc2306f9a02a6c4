// SPDX-License-Identifier: MIT
#include "document.hpp"

#include "file_text.hpp"
#include "second_document.hpp"

#include <yaml-cpp/depthguard.h>

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace failover::config {
namespace {

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

} // namespace

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

YAML::Node document_of(const std::string& file, const std::string& text) {
    try {
        YAML::Node document = YAML::Load(text);
        if (const auto second = second_document(text)) {
            refuse(file, second->line + 1, "a second document begins; one is allowed");
        }
        return document;
    } catch (const YAML::DeepRecursion& error) {
        refuse(file, error.mark.line + 1, "lists and maps nest too deep");
    } catch (const YAML::Exception& error) {
        refuse(file, error.mark.line + 1, "not valid YAML: " + error.msg);
    }
}

} // namespace failover::config
