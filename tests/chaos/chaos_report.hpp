// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

// What the programs of scripts/chaos count, and how they show it.

namespace failover::test {

struct ChaosRow {
    std::string name;
    double value;
    std::string unit;
    /// "0": must be zero. Empty: just told.
    std::string goal;
};

/// Prints a table; false when a row that must be zero is not.
inline bool print_chaos(const std::vector<ChaosRow>& rows) {
    bool kept = true;
    for (const ChaosRow& row : rows) {
        const bool broken = !row.goal.empty() && row.value != 0;
        kept = kept && !broken;
        std::printf("%-28s %12.6g %-10s %s%s\n", row.name.c_str(), row.value, row.unit.c_str(),
                    row.goal.empty() ? "" : "must be 0", broken ? "  BROKEN" : "");
    }
    return kept;
}

/// The rows with the fields of scripts/bench.
inline void write_chaos_json(const std::string& file, const std::vector<ChaosRow>& rows) {
    std::ofstream out{file};
    out << "[\n";
    const char* separator = "";
    for (const ChaosRow& row : rows) {
        out << separator << "  {\"name\": \"" << row.name << "\", \"ours\": " << row.value
            << ", \"peer\": null, \"ratio\": null, \"unit\": \"" << row.unit << "\", \"goal\": \""
            << row.goal << "\"}";
        separator = ",\n";
    }
    out << "\n]\n";
    if (!out.flush()) {
        throw std::runtime_error{"cannot write " + file};
    }
}

} // namespace failover::test
