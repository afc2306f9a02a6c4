// SPDX-License-Identifier: MIT
#include "environment.hpp"

#include <cstdlib>

namespace failover::config {
namespace {

bool is_name(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) {
        return false;
    }
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_') {
            return false;
        }
    }
    return true;
}

/// One "NAME" or "NAME:-default" between the braces.
void expand_one(std::string_view inside, Expansion& expansion) {
    const std::size_t split = inside.find(":-");
    const std::string name{inside.substr(0, split)};
    if (!is_name(name)) {
        // Without the text: it may be part of a secret.
        expansion.error = "a \"${...}\" names no variable; allowed ${NAME} and ${NAME:-default}";
        return;
    }
    // It would end at the first brace, whether or not the variable is set.
    if (inside.find("${") != std::string_view::npos) {
        expansion.error = "a default of a \"${...}\" must not hold another \"${\"";
        return;
    }
    if (const char* value = std::getenv(name.c_str())) {
        expansion.text += value;
    } else if (split != std::string_view::npos) {
        expansion.text += inside.substr(split + 2);
    } else {
        expansion.unset.push_back(name);
    }
}

} // namespace

Expansion expand_environment(std::string_view text) {
    Expansion expansion;
    while (!text.empty() && expansion.error.empty()) {
        const std::size_t dollar = text.find('$');
        expansion.text += text.substr(0, dollar);
        if (dollar == std::string_view::npos) {
            break;
        }
        text.remove_prefix(dollar + 1);
        if (text.starts_with('$')) {
            expansion.text += '$';
            text.remove_prefix(1);
        } else if (text.starts_with('{')) {
            const std::size_t close = text.find('}');
            if (close == std::string_view::npos) {
                expansion.error = "a \"${\" has no \"}\"";
                break;
            }
            expand_one(text.substr(1, close - 1), expansion);
            text.remove_prefix(close + 1);
        } else {
            expansion.text += '$';
        }
    }
    return expansion;
}

} // namespace failover::config
