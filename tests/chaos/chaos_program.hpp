// SPDX-License-Identifier: MIT
#pragma once

#include "chaos_report.hpp"

#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

// What the programs of scripts/chaos have in common.

namespace failover::test {

/// Where the values of a command line go, by their keys.
using ChaosKeys = std::map<std::string, std::function<void(const std::string&)>, std::less<>>;

/// The whole of a value as a number.
inline std::function<void(const std::string&)> chaos_number(std::size_t& place) {
    return [&place](const std::string& text) {
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), place);
        if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
            throw std::invalid_argument{"not a number: " + text};
        }
    };
}

inline std::function<void(const std::string&)> chaos_text(std::string& place) {
    return [&place](const std::string& text) { place = text; };
}

/// Reads pairs of key and value; throws std::invalid_argument.
inline void parse_chaos(int count, char** words, const ChaosKeys& keys) {
    for (int i = 1; i < count; i += 2) {
        const std::string_view key = words[i];
        const auto known = keys.find(key);
        if (known == keys.end()) {
            throw std::invalid_argument{"unknown option " + std::string{key}};
        }
        if (i + 1 == count) {
            throw std::invalid_argument{std::string{key} + " needs a value"};
        }
        known->second(words[i + 1]);
    }
}

/// Prints the rows, and writes them to `json` unless that is empty. What the program exits with.
inline int report_chaos(const std::vector<ChaosRow>& rows, const std::string& json) {
    const bool kept = print_chaos(rows);
    if (!json.empty()) {
        write_chaos_json(json, rows);
    }
    return kept ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// The program: `keys` are read, then it runs. Exits 2 when what it is told makes no sense.
template <class Run>
int run_chaos(int count, char** words, const char* usage, const ChaosKeys& keys, Run run) {
    try {
        parse_chaos(count, words, keys);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n%s", error.what(), usage);
        return 2;
    }
    try {
        return run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", words[0], error.what());
        return EXIT_FAILURE;
    }
}

} // namespace failover::test
