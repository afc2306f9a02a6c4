// SPDX-License-Identifier: MIT
#pragma once

#include "row.hpp"

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace failover::bench {

/// A row without a peer has peer and ratio 0: "-" in the table, null in JSON.
inline void print_row(const Row& row) {
    if (row.peer == 0) {
        std::printf("%-34s %12.2f %12s %8s  %-7s %s\n", row.name.c_str(), row.ours, "-", "-",
                    row.unit.c_str(), row.goal.c_str());
    } else {
        std::printf("%-34s %12.2f %12.2f %8.3f  %-7s %s\n", row.name.c_str(), row.ours, row.peer,
                    row.ratio, row.unit.c_str(), row.goal.c_str());
    }
    std::fflush(stdout);
}

/// Shows a row at once, and keeps it.
inline void add_row(std::vector<Row>& rows, Row row) {
    print_row(row);
    rows.push_back(std::move(row));
}

inline void print_header() {
    std::printf("%-34s %12s %12s %8s  %-7s %s\n", "name", "ours", "peer", "ratio", "unit", "goal");
}

namespace detail {

inline std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

/// Names, units and goals are this program's own: only what JSON must escape and they may hold.
inline std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + '"';
}

} // namespace detail

inline void write_json(const std::string& file, const std::vector<Row>& rows) {
    std::ofstream out{file};
    out << "[\n";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Row& row = rows[i];
        const bool alone = row.peer == 0;
        out << "  {\"name\": " << detail::quoted(row.name)
            << ", \"ours\": " << detail::number(row.ours)
            << ", \"peer\": " << (alone ? "null" : detail::number(row.peer))
            << ", \"ratio\": " << (alone ? "null" : detail::number(row.ratio))
            << ", \"unit\": " << detail::quoted(row.unit)
            << ", \"goal\": " << detail::quoted(row.goal) << '}'
            << (i + 1 < rows.size() ? ",\n" : "\n");
    }
    out << "]\n";
    if (!out.flush()) {
        throw std::runtime_error{"cannot write " + file};
    }
}

} // namespace failover::bench
