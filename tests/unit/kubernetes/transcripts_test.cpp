// SPDX-License-Identifier: MIT
#include "discovery/kube_failures.hpp"
#include "discovery/slice_json.hpp"
#include "support/kube_reply.hpp"
#include "support/kube_transcript.hpp"
#include <failover/discovery/kubernetes/informer.hpp>
#include <failover/discovery/kubernetes/watch_lines.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <variant>

// Every exchange about EndpointSlices that was recorded from a real apiserver, and every attempt at
// one, against what has to follow from it (tests/data/kube/outcomes.txt).
namespace failover::discovery {
namespace {

using test::RecordedExchange;
using test::reply_of;

/// The service that the request was about.
KubeService service_of(const RecordedExchange& exchange) {
    constexpr std::string_view before = "/namespaces/";
    const auto at = exchange.target.find(before);
    const auto begin = at + before.size();
    return {.kubernetes_namespace =
                at == std::string::npos
                    ? "shop"
                    : exchange.target.substr(begin, exchange.target.find('/', begin) - begin),
            .name = "db"};
}

constexpr TimePoint recorded_start{std::chrono::hours{1}};

/// What is asked next, as "list", "list from memory", "watch from 7"; empty: a pause.
std::string request_of(const InformerAction& action) {
    if (const auto* list = std::get_if<ListSlices>(&action)) {
        const bool memory = list->resource_version == "0";
        return !list->next.empty() ? "list the next page" : memory ? "list from memory" : "list";
    }
    const auto* watch = std::get_if<WatchSlices>(&action);
    return watch != nullptr ? "watch from " + watch->resource_version : std::string{};
}

std::string next_step(SliceInformer& informer, TimePoint now, const KubeFailure& failure = {}) {
    const bool reported = informer.take_problem().has_value();
    InformerAction action = informer.next(now);
    std::string text = "then ";
    if (const auto* pause = std::get_if<WaitUntil>(&action)) {
        const Duration asked = failure.body.retry_after.value_or(Duration::zero());
        const Duration wait = pause->until - now;
        EXPECT_GE(wait, asked) << "no sooner than the server said";
        EXPECT_LE(wait, asked + InformerTiming{}.backoff_first);
        text += asked > Duration::zero()
                    ? "pause " + std::to_string(asked / std::chrono::seconds{1}) + " s or more"
                    : "pause";
        text += reported ? " (reported), then " : ", then ";
        action = informer.next(pause->until);
    }
    return text + request_of(action);
}

std::string set_of(const SliceInformer& informer) {
    const MergedSlices merged = informer.table().endpoints({});
    std::string text = std::to_string(merged.slices) + " slices:";
    if (merged.endpoints.size() > 20) {
        return text + ' ' + std::to_string(merged.endpoints.size()) + " endpoints";
    }
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
    KubeFailure failure;
    if (reply.complete() && reply.status() == 200) {
        try {
            SlicePage page = page_of(reply);
            what = "rv " + page.resource_version + ", ";
            informer.on_page(std::move(page), recorded_start);
            what += informer.synced() ? set_of(informer) : "more pages";
        } catch (const FormatError& error) {
            failure.reason = what = error.what();
            informer.on_list_failed(failure, recorded_start);
        }
    } else {
        failure = failure_of(reply, service_of(exchange));
        what = failure.reason;
        informer.on_list_failed(failure, recorded_start);
    }
    return what + "; " + next_step(informer, recorded_start, failure);
}

std::string after_watch(const RecordedExchange& exchange) {
    SliceInformer informer{InformerTiming{}, Rng{1}};
    static_cast<void>(informer.next(recorded_start));
    informer.on_page({.resource_version = "start"}, recorded_start);
    static_cast<void>(informer.next(recorded_start));
    WatchLines lines;
    std::string dropped; // why it is no watch
    std::map<WatchEvent::Type, int> seen;
    TimePoint now = recorded_start;
    const ControlReply reply = reply_of(exchange);
    for (const auto& piece : exchange.until_cut()) {
        now = recorded_start + std::chrono::duration_cast<Duration>(piece.at);
        if (reply.status() == 200) {
            lines.feed(piece.data, [&](std::string_view line) {
                try {
                    WatchEvent event = parse_watch_event(line);
                    ++seen[event.type];
                    informer.on_event(std::move(event), now);
                } catch (const FormatError& error) {
                    dropped = dropped.empty() ? error.what() : dropped;
                }
            });
        }
    }
    now = recorded_start + std::chrono::duration_cast<Duration>(exchange.ended);
    WatchEnd end = watch_end_of(reply, service_of(exchange), lines.pending() > 0);
    if (!dropped.empty()) {
        end = {.how = WatchEnd::How::malformed, .failure = {.reason = dropped}};
    }
    informer.on_watch_ended(end, now);
    std::string what = "A" + std::to_string(seen[WatchEvent::Type::added]) + " M" +
                       std::to_string(seen[WatchEvent::Type::modified]) + " D" +
                       std::to_string(seen[WatchEvent::Type::deleted]) + " B" +
                       std::to_string(seen[WatchEvent::Type::bookmark]) + " E" +
                       std::to_string(seen[WatchEvent::Type::error]);
    if (end.how != WatchEnd::How::clean && end.how != WatchEnd::How::cut) {
        what = end.failure.reason;
    }
    return what + ", " + set_of(informer) + "; " + next_step(informer, now, end.failure);
}

/// Of a POST, PUT or DELETE.
std::string after_change(const RecordedExchange& exchange) {
    const ControlReply reply = reply_of(exchange);
    return reply.complete() && reply.status() < 300
               ? "done"
               : failure_of(reply, service_of(exchange)).reason;
}

std::string outcome_of(const std::string& name, const RecordedExchange& exchange) {
    if (!exchange.method.empty() && exchange.method != "GET") {
        return after_change(exchange);
    }
    const bool watch =
        exchange.target.empty() ? name.find("watch") != std::string::npos : exchange.watch();
    return watch ? after_watch(exchange) : after_list(exchange);
}

/// Summaries of many exchanges: other tests read those.
bool is_summary(const std::string& name) {
    return name.ends_with("-timeline") || name.starts_with("ref-client");
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
        const std::string name = entry.path().stem().string();
        if (entry.path().extension() != ".jsonl" || is_summary(name)) {
            continue;
        }
        int number = 0;
        for (const RecordedExchange& exchange : test::read_transcript(name)) {
            const std::string key = name + (++number > 1 ? '#' + std::to_string(number) : "");
            const bool other = name == "unknown-group-404" || name == "etcd-dead-get";
            if (exchange.target.empty() || other ||
                exchange.target.find("/endpointslices") != std::string::npos) {
                found[key] = outcome_of(name, exchange);
            }
        }
    }
    EXPECT_GT(found.size(), 170U);
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
