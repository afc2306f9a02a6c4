// SPDX-License-Identifier: MIT
#include "discovery/kube_failures.hpp"
#include "discovery/slice_json.hpp"
#include "support/kube_reply.hpp"
#include "support/kube_transcript.hpp"
#include <failover/discovery/kubernetes/informer.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// Recordings that only say something together, or over time: pages of one list, a service of 250
// pods that rolls, restarts of the server, and the requests of the reference client.
namespace failover::discovery::recordings_test {

using namespace std::chrono_literals;
using test::read_transcript;
using test::recorded;
using test::RecordedExchange;
using test::reply_of;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::Le;

const KubeService db{.kubernetes_namespace = "shop", .name = "db"};

SlicePage page_of_recording(const std::string& name) {
    return page_of(reply_of(recorded(name)));
}

std::vector<std::string> ids_of(const SliceInformer& informer) {
    std::vector<std::string> ids;
    for (const Endpoint& one : informer.table().endpoints({}).endpoints) {
        ids.push_back(one.id);
    }
    return ids;
}

SliceInformer listed(SlicePage page, TimePoint now, std::uint64_t seed = 1) {
    SliceInformer informer{InformerTiming{}, Rng{seed}};
    static_cast<void>(informer.next(now));
    informer.on_page(std::move(page), now);
    static_cast<void>(informer.take_publication(now));
    return informer;
}

TEST(KubeRecordings, three_pages_are_the_list_that_came_whole) {
    const TimePoint now{1h};
    SliceInformer informer{InformerTiming{}, Rng{1}};
    for (const char* page : {"list-limit2-page1", "list-limit2-page2", "list-limit2-page3"}) {
        EXPECT_FALSE(informer.synced()) << page;
        ASSERT_TRUE(std::holds_alternative<ListSlices>(informer.next(now)));
        informer.on_page(page_of_recording(page), now); // the second was full: the third is empty
    }
    ASSERT_TRUE(informer.synced());
    const SliceInformer whole = listed(page_of_recording("list-selector"), now);
    EXPECT_EQ(informer.table().slices(), whole.table().slices());
}

/// An EndpointSlice is readable up to where the recorder cut its line: the endpoints before that,
/// and the port that all slices of the service have.
std::string mended(const RecordedExchange::Piece& piece, std::uint16_t port) {
    if (piece.cut_of == 0) {
        return piece.data;
    }
    return piece.data.substr(0, piece.data.rfind(R"(,{"addresses")")) +
           R"(],"ports":[{"name":"redis","protocol":"TCP","port":)" + std::to_string(port) + "}]}}";
}

struct Phase {
    std::chrono::duration<double> from{};
    std::vector<Duration> events{};    // since the recording began
    std::vector<Duration> published{}; // likewise
};

/// The recorded watch of a service of 250 pods, played in its own time.
struct LargeService {
    LargeService() {
        const RecordedExchange watch = recorded("controller-250-pods");
        for (const auto& step : watch.steps) {
            phases.push_back({.from = step});
        }
        for (const RecordedExchange::Piece& piece : watch.pieces) {
            const auto at = std::chrono::duration_cast<Duration>(piece.at);
            publish_until(at);
            while (phase + 1 < phases.size() && piece.at >= phases[phase + 1].from) {
                ++phase;
            }
            if (!piece.data.empty()) {
                take(parse_watch_event(mended(piece, phase < 2 ? 6379 : 7000)), at);
            }
        }
        publish_until(1h);
    }

    void take(WatchEvent event, Duration at) {
        if (event.type != WatchEvent::Type::bookmark) {
            phases[phase].events.push_back(at);
        }
        informer.on_event(std::move(event), start + at);
    }
    void publish_until(Duration at) {
        if (const auto due = informer.publish_at(); due && *due <= start + at) {
            EXPECT_TRUE(informer.take_publication(*due));
            phases[phase].published.push_back(*due - start);
        }
    }

    TimePoint start{1h};
    std::vector<Phase> phases{};
    std::size_t phase = 0;
    SliceInformer informer = listed({.resource_version = "567"}, start);
};

// The counts and spans of section 1.7: 250 pods come, 60 are replaced, the port changes, all go.
TEST(KubeRecordings, a_rolling_service_of_250_pods_is_published_some_times_a_second) {
    const LargeService service;
    ASSERT_EQ(service.phases.size(), 4U);
    const std::size_t events[] = {151, 108, 3, 79};
    for (std::size_t i = 0; i < 4; ++i) {
        const Phase& phase = service.phases[i];
        SCOPED_TRACE(i);
        ASSERT_EQ(phase.events.size(), events[i]);
        const Duration span = phase.events.back() - phase.events.front();
        const auto most = static_cast<std::size_t>(span / InformerTiming{}.quiet_cap) + 2;
        EXPECT_THAT(phase.published.size(), AllOf(Ge(1U), Le(most)));
        // No event waits for longer than the cap.
        for (const Duration at : phase.events) {
            const auto next = std::lower_bound(phase.published.begin(), phase.published.end(), at);
            ASSERT_NE(next, phase.published.end());
            EXPECT_LE(*next - at, InformerTiming{}.quiet_cap);
        }
    }
    const Phase& port = service.phases[2];
    EXPECT_LT(port.events.back() - port.events.front(), 20ms);
    ASSERT_EQ(port.published.size(), 1U) << "pods are in no slice between the three events";
    EXPECT_GT(port.published.front(), port.events.back());
}

TEST(KubeRecordings, when_all_of_250_pods_are_gone_the_slice_that_stays_is_empty) {
    const LargeService service;
    const MergedSlices merged = service.informer.table().endpoints({});
    EXPECT_EQ(merged.slices, 1U);
    EXPECT_EQ(merged.entries, 0U);
    const SlicePage listed_then = page_of_recording("controller-250-pods-after-all-gone");
    ASSERT_EQ(listed_then.slices.size(), 1U);
    EXPECT_EQ(service.informer.table().slices().begin()->second, listed_then.slices.front());
}

TEST(KubeRecordings, a_compressed_list_is_refused_and_the_same_list_plain_has_2000_endpoints) {
    const RecordedExchange plain = recorded("list-big-plain");
    const SliceInformer informer = listed(page_of(reply_of(plain)), TimePoint{1h});
    const MergedSlices merged = informer.table().endpoints({});
    EXPECT_EQ(merged.slices, 20U);
    EXPECT_EQ(merged.endpoints.size(), 2000U);
    try {
        static_cast<void>(page_of(reply_of(recorded("list-big-gzip"))));
        FAIL() << "it is compressed";
    } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr("encoded gzip"));
    }
}

TEST(KubeRecordings, other_types_than_json_are_refused_by_name) {
    for (const auto& [name, type] :
         {std::pair{"list-accept-yaml", "type application/yaml"},
          std::pair{"list-accept-protobuf", "type application/vnd.kubernetes.protobuf"}}) {
        try {
            static_cast<void>(page_of_recording(name));
            FAIL() << name;
        } catch (const FormatError& error) {
            EXPECT_THAT(error.what(), ::testing::HasSubstr(type));
        }
    }
}

/// What a prober saw over time while the server went away and came back.
struct Timeline {
    explicit Timeline(const std::string& name) {
        std::ifstream in{test::kube_data() / (name + "-timeline.jsonl")};
        for (std::string line; std::getline(in, line);) {
            const auto seen = nlohmann::json::parse(line);
            const std::string outcome = seen.at("outcome");
            const auto at = std::chrono::duration<double>{seen.at("t").get<double>()};
            if (!outcome.starts_with("***")) { // those are what was done to the server
                outcomes[std::chrono::duration_cast<Duration>(at)] = outcome;
            }
        }
    }
    [[nodiscard]] std::string at(Duration when) const {
        return std::prev(outcomes.upper_bound(when))->second;
    }
    /// When it answered again for good.
    [[nodiscard]] Duration back() const { return outcomes.rbegin()->first; }

    std::map<Duration, std::string> outcomes;
};

KubeFailure failure_from(const std::string& outcome) {
    KubeFailure failure{.reason = outcome};
    if (outcome.starts_with("HTTP ")) {
        failure.status = std::stoi(outcome.substr(5));
        const int after = std::atoi(outcome.c_str() + 9); // "HTTP 429 5 The apiserver ..."
        if (after > 0) {
            failure.body.retry_after = std::chrono::seconds{after};
        }
    }
    return failure;
}

struct Restart {
    Duration recovered{}; // since the server answered again
    unsigned requests = 0;
};

/// Plays a restart to an informer whose watch ends when the recorded one did.
Restart play(const std::string& name, std::uint64_t seed) {
    const Timeline lists{name + "-list"};
    const Timeline watches{name + "-watch"};
    const RecordedExchange open = recorded(name + "-open-watch");
    const TimePoint start{1h};
    SliceInformer informer = listed(page_of_recording("list-selector"), start, seed);
    const std::vector<std::string> before = ids_of(informer);
    EXPECT_FALSE(before.empty());
    static_cast<void>(informer.next(start));
    Duration now = std::chrono::duration_cast<Duration>(open.ended);
    informer.on_watch_ended(watch_end_of(reply_of(open), db, false), start + now);
    Restart result;
    for (;;) {
        EXPECT_EQ(ids_of(informer), before) << "no failure says that there are no endpoints";
        const InformerAction action = informer.next(start + now);
        if (const auto* pause = std::get_if<WaitUntil>(&action)) {
            now = pause->until - start;
            continue;
        }
        const bool list = std::holds_alternative<ListSlices>(action);
        const std::string outcome = (list ? lists : watches).at(now);
        if (++result.requests > 100) {
            ADD_FAILURE() << "it spins";
            return result;
        }
        if (outcome == "HTTP 200" && !list && now < watches.back()) {
            now = watches.outcomes.upper_bound(now)->first;
            const KubeFailure cut{.reason = "cut"};
            informer.on_watch_ended({.how = WatchEnd::How::cut, .failure = cut}, start + now);
            continue;
        }
        if (outcome == "HTTP 200" && !list) {
            result.recovered = now - std::max(lists.back(), watches.back());
            return result;
        }
        if (outcome == "HTTP 200") {
            informer.on_page(page_of_recording("list-selector"), start + now);
        } else if (list) {
            informer.on_list_failed(failure_from(outcome), start + now);
        } else {
            const KubeFailure failure = failure_from(outcome);
            const bool answered = failure.status != 0;
            informer.on_watch_ended(
                {.how = answered ? WatchEnd::How::refused : WatchEnd::How::unreachable,
                 .failure = failure},
                start + now);
        }
    }
}

// Section 6, and the reproach of section 1.4: the reference client was behind for 16 s after an
// outage of 12 s.
TEST(KubeRecordings, a_restart_of_the_server_costs_no_endpoint_and_few_requests) {
    for (const char* name : {"restart-sigkill", "restart-sigterm", "restart-sigterm-retryafter"}) {
        SCOPED_TRACE(name);
        std::vector<Duration> delays;
        for (std::uint64_t seed = 1; seed <= 40; ++seed) {
            const Restart restart = play(name, seed);
            delays.push_back(restart.recovered);
            EXPECT_LE(restart.requests, 25U);
        }
        std::sort(delays.begin(), delays.end());
        EXPECT_LE(delays.back(), InformerTiming{}.backoff_max);
        EXPECT_LE(delays[delays.size() / 2], 16s);
    }
}

TEST(KubeRecordings, a_server_that_is_starting_is_listed_soon_after_it_answers) {
    for (const char* name : {"startup-sa-list", "startup-admin-list", "startup-admin-list-rv0"}) {
        SCOPED_TRACE(name);
        const Timeline lists{name};
        SliceInformer informer{InformerTiming{}, Rng{1}};
        const TimePoint start{1h};
        Duration now{};
        unsigned requests = 0;
        while (!informer.synced() && requests < 100) {
            const InformerAction action = informer.next(start + now);
            if (const auto* pause = std::get_if<WaitUntil>(&action)) {
                now = pause->until - start;
                continue;
            }
            ++requests;
            const std::string outcome = lists.at(now);
            if (outcome == "HTTP 200") {
                informer.on_page(page_of_recording("list-selector"), start + now);
            } else {
                informer.on_list_failed(failure_from(outcome), start + now);
            }
        }
        ASSERT_TRUE(informer.synced());
        EXPECT_LE(requests, 8U);
        EXPECT_LE(now - lists.back(), 8s);
    }
}

/// The parameters of a request, sorted by name.
std::map<std::string, std::string> parameters_of(const std::string& target) {
    std::map<std::string, std::string> all;
    for (std::size_t at = target.find('?'); at != std::string::npos;) {
        const std::size_t end = target.find('&', at + 1);
        const std::string one = target.substr(at + 1, end - at - 1);
        all[one.substr(0, one.find('='))] = one.substr(one.find('=') + 1);
        at = end;
    }
    return all;
}

std::vector<std::string> reference_requests(const std::string& name) {
    std::ifstream in{test::kube_data() / (name + ".jsonl")};
    std::vector<std::string> targets;
    for (std::string line; std::getline(in, line);) {
        const auto event = nlohmann::json::parse(line);
        if (event.value("ev", "") == "request") {
            targets.push_back(event.at("url"));
        }
    }
    return targets;
}

// Section 7. Its streaming list (sendInitialEvents) is not used, and its `timeout` is its own.
TEST(KubeRecordings, the_requests_are_those_of_the_reference_client) {
    unsigned lists = 0;
    unsigned watches = 0;
    for (const char* name :
         {"ref-client-list-then-watch", "ref-client-no-watchlist", "ref-client-sigkill-12s"}) {
        for (const std::string& target : reference_requests(name)) {
            SCOPED_TRACE(target);
            auto theirs = parameters_of(target);
            if (theirs.contains("sendInitialEvents")) {
                continue;
            }
            theirs.erase("timeout");
            if (!theirs.contains("watch") && theirs["resourceVersion"] != "0") {
                theirs.emplace("resourceVersionMatch", "NotOlderThan"); // what it means is said
            }
            std::string ours;
            if (theirs.contains("watch")) {
                ++watches;
                const std::chrono::seconds asked{std::stol(theirs["timeoutSeconds"])};
                EXPECT_THAT(asked,
                            AllOf(Ge(InformerTiming{}.watch_min), Le(InformerTiming{}.watch_max)));
                ours =
                    watch_request(
                        db, {.resource_version = theirs["resourceVersion"], .timeout = asked}, {})
                        .path;
            } else {
                ++lists;
                ours = list_request(db, {.resource_version = theirs["resourceVersion"]}, {}).path;
            }
            EXPECT_EQ(parameters_of(ours), theirs);
            EXPECT_EQ(ours.substr(0, ours.find('?')), target.substr(0, target.find('?')));
        }
    }
    EXPECT_GE(lists, 2U);
    EXPECT_GE(watches, 5U);
}

} // namespace failover::discovery::recordings_test
