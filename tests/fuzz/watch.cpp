// SPDX-License-Identifier: MIT
// A watch: how it is cut into reads must not change what is read. The first byte says how it is cut.
#include "discovery/slice_json.hpp"

#include "check.hpp"

#include <failover/discovery/kubernetes/slice_table.hpp>
#include <failover/discovery/kubernetes/watch_lines.hpp>

#include <algorithm>
#include <vector>

using namespace failover;
using namespace failover::discovery;

namespace {

constexpr std::size_t longest_line = 4096;

std::vector<std::string> lines_of(std::string_view bytes, std::size_t step) {
    WatchLines lines{longest_line};
    std::vector<std::string> all;
    bool open = true;
    while (!bytes.empty() && open) {
        open = lines.feed(bytes.substr(0, step),
                          [&](std::string_view line) { all.emplace_back(line); });
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
    return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
    const std::vector<std::string> whole = lines_of(bytes, bytes.size() + 1);
    fuzz::require(whole == lines_of(bytes, std::size_t{data[0]} + 1));
    SliceTable table;
    for (const std::string& line : whole) {
        try {
            table.apply(parse_watch_event(line));
        } catch (const std::exception&) { // a clear error is an answer
            continue;
        }
    }
    static_cast<void>(table.endpoints({}));
    return 0;
}
