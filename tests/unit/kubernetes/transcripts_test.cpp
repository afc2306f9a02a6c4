// SPDX-License-Identifier: MIT
#include "discovery/kube_failures.hpp"
#include "discovery/slice_json.hpp"
#include "support/kube_transcript.hpp"
#include <failover/discovery/kubernetes/informer.hpp>
#include <failover/discovery/kubernetes/watch_lines.hpp>

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <variant>

// Every exchange about EndpointSlices that was recorded from a real apiserver, against what follows
// from it (tests/data/kube/outcomes.txt).
namespace failover::discovery {
namespace {

using test::RecordedExchange;

const KubeService db{.kubernetes_namespace = "shop", .name = "db"};
constexpr TimePoint recorded_start{std::chrono::hours{1}};

ControlReply reply_of(const RecordedExchange& exchange) {
    Response::Parts parts;
    parts.status = exchange.status();
    for (const std::string& field : exchange.fields) {
        const auto colon = field.find(": ");
        const auto at = static_cast<std::uint32_t>(parts.head.size());
        parts.head += field;
        parts.fields.push_back(
            {.name = at,
             .name_size = static_cast<std::uint32_t>(colon),
             .value = static_cast<std::uint32_t>(at + colon + 2),
             .value_size = static_cast<std::uint32_t>(field.size() - colon - 2)});
    }
    parts.body = exchange.body();
    ControlReply reply;
    reply.response = Response{std::move(parts)};
    if (!exchange.complete) {
        reply.error = asio::error::eof;
        reply.problem = "cut";
    }
    return reply;
}

std::string next_step(SliceInformer& informer, TimePoint now) {
    const bool reported = informer.take_problem().has_value();
    const InformerAction action = informer.next(now);
    const char* const names[] = {"list", "watch", "pause"};
    return std::string{"then "} + names[action.index()] + (reported ? " (reported)" : "");
}

std::string set_of(const SliceInformer& informer) {
    const MergedSlices merged = informer.table().endpoints({});
    std::string text = std::to_string(merged.slices) + " slices:";
    for (const Endpoint& one : merged.endpoints) {
        text += ' ' + host_port(one);
    }
    return text + (merged.terminating_only ? " (terminating)" : "");
}

std::string after_list(const RecordedExchange& exchange) {
    SliceInformer informer{InformerTiming{}, Rng{1}};
    EXPECT_TRUE(std::holds_alternative<ListSlices>(informer.next(recorded_start)));
    const ControlReply reply = reply_of(exchange);
    std::string what;
    if (reply.complete() && reply.status() == 200) {
        try {
            SlicePage page = parse_slice_page(reply.response.body());
            what = "rv " + page.resource_version + ", ";
            informer.on_page(std::move(page), recorded_start);
            what += informer.synced() ? set_of(informer) : "more pages";
        } catch (const FormatError& error) {
            what = error.what();
            informer.on_list_failed({.reason = what}, recorded_start);
        }
    } else {
        const KubeFailure failure = failure_of(reply, db);
        what = failure.reason;
        informer.on_list_failed(failure, recorded_start);
    }
    return what + "; " + next_step(informer, recorded_start);
}

std::string after_watch(const RecordedExchange& exchange) {
    SliceInformer informer{InformerTiming{}, Rng{1}};
    static_cast<void>(informer.next(recorded_start));
    informer.on_page({.resource_version = "start"}, recorded_start);
    static_cast<void>(informer.next(recorded_start));
    WatchLines lines;
    std::map<WatchEvent::Type, int> seen;
    TimePoint now = recorded_start;
    const ControlReply reply = reply_of(exchange);
    for (const auto& piece : exchange.pieces) {
        now = recorded_start + std::chrono::duration_cast<Duration>(piece.at);
        if (exchange.status() == 200) {
            lines.feed(piece.data, [&](std::string_view line) {
                WatchEvent event = parse_watch_event(line);
                ++seen[event.type];
                informer.on_event(std::move(event), now);
            });
        }
    }
    now = recorded_start + std::chrono::duration_cast<Duration>(exchange.ended);
    const WatchEnd end = watch_end_of(reply, db, lines.pending() > 0);
    informer.on_watch_ended(end, now);
    std::string what =
        "A" + std::to_string(seen[WatchEvent::Type::added]) + " M" + std::to_string(seen[WatchEvent::Type::modified]) +
        " D" + std::to_string(seen[WatchEvent::Type::deleted]) + " B" + std::to_string(seen[WatchEvent::Type::bookmark]) +
        " E" + std::to_string(seen[WatchEvent::Type::error]);
    if (end.how == WatchEnd::How::refused) {
        what = end.failure.reason;
    }
    std::string step = next_step(informer, now);
    // Where it would go on from, pause or not.
    const InformerAction action = informer.next(now + std::chrono::minutes{1});
    const auto* watch = std::get_if<WatchSlices>(&action);
    return what + ", " + set_of(informer) + "; " + step +
           (watch != nullptr ? " from " + watch->resource_version : "");
}

std::map<std::string, std::string> expected_outcomes() {
    std::map<std::string, std::string> all;
    std::istringstream in{test::read_file(test::kube_data() / "outcomes.txt")};
    for (std::string line; std::getline(in, line);) {
        const auto tab = line.find('\t');
        if (!line.starts_with('#') && tab != std::string::npos) {
            all[line.substr(0, tab)] = line.substr(tab + 1);
        }
    }
    return all;
}

TEST(KubeTranscripts, each_one_has_the_outcome_that_is_written_down) {
    const auto expected = expected_outcomes();
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator{test::kube_data()}) {
        if (entry.path().extension() != ".jsonl") {
            continue;
        }
        const std::string name = entry.path().stem().string();
        int number = 0;
        for (const RecordedExchange& exchange : test::read_transcript(name)) {
            const std::string key = name + (++number > 1 ? '#' + std::to_string(number) : "");
            if (exchange.target.find("/endpointslices") != std::string::npos &&
                !exchange.status_line.empty()) {
                found[key] = exchange.watch() ? after_watch(exchange) : after_list(exchange);
            }
        }
    }
    EXPECT_GT(found.size(), 130U);
    for (const auto& [name, outcome] : found) {
        const auto at = expected.find(name);
        EXPECT_EQ(at == expected.end() ? "" : at->second, outcome) << name;
    }
    for (const auto& [name, outcome] : expected) {
        EXPECT_TRUE(found.contains(name)) << name << " is not there";
    }
}

} // namespace
} // namespace failover::discovery
