// SPDX-License-Identifier: MIT
#include <failover/discovery/kubernetes/informer.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace failover::discovery {
namespace {

using namespace std::chrono_literals;
using How = WatchEnd::How;
using EventType = WatchEvent::Type;

Slice small_slice(std::string name, std::string version, std::string address = "10.0.0.1") {
    return {.name = std::move(name),
            .resource_version = std::move(version),
            .address_type = "IPv4",
            .endpoints = {{.address = std::move(address)}},
            .ports = {{.name = "http", .port = 80}}};
}

/// Steps an informer; time is a number that only this advances.
struct Stepper {
    explicit Stepper(std::uint64_t seed = 1) : informer{InformerTiming{}, Rng{seed}} {}

    template <class Action>
    Action next() {
        const InformerAction action = informer.next(now);
        EXPECT_TRUE(std::holds_alternative<Action>(action)) << "action " << action.index();
        return std::holds_alternative<Action>(action) ? std::get<Action>(action) : Action{};
    }
    /// Waits as told; returns how long.
    Duration wait() {
        const Duration pause = next<WaitUntil>().until - now;
        now += pause;
        return pause;
    }
    void page(std::string version, std::vector<Slice> slices, std::string more = {}) {
        informer.on_page({.resource_version = std::move(version),
                          .next = std::move(more),
                          .slices = std::move(slices)},
                         now);
    }
    /// Lists successfully and begins a watch.
    WatchSlices sync() {
        next<ListSlices>();
        page("100", {small_slice("a", "7")});
        EXPECT_TRUE(informer.take_publication(now));
        return next<WatchSlices>();
    }
    void event(EventType type, Slice slice) {
        informer.on_event({.type = type, .slice = std::move(slice)}, now);
    }
    void error_event(int code, bool too_large = false) {
        informer.on_event(
            {.type = EventType::error,
             .status = {.code = code, .message = "m", .version_too_large = too_large}},
            now);
    }
    void ended(How how, KubeFailure failure = {}) {
        if (failure.reason.empty()) {
            failure.reason = "why";
        }
        informer.on_watch_ended({.how = how, .failure = std::move(failure)}, now);
    }
    void list_failed(int status, KubeStatus body = {}) {
        informer.on_list_failed({.status = status, .body = std::move(body), .reason = "why"}, now);
    }
    bool published() { return informer.take_publication(now); }
    bool reported() { return informer.take_problem().has_value(); }

    SliceInformer informer;
    TimePoint now{1h};
};

TEST(Informer, lists_the_newest_state_then_watches_from_the_version_of_the_list) {
    Stepper step;
    EXPECT_FALSE(step.next<ListSlices>().resource_version.has_value());
    EXPECT_FALSE(step.informer.synced());
    step.page("100", {small_slice("a", "7")});
    EXPECT_TRUE(step.informer.synced());
    EXPECT_TRUE(step.published());
    EXPECT_FALSE(step.published());
    const auto watch = step.next<WatchSlices>();
    EXPECT_EQ(watch.resource_version, "100");
    EXPECT_GE(watch.timeout, 300s);
    EXPECT_LE(watch.timeout, 600s);
}

TEST(Informer, publishes_an_empty_list) {
    Stepper step;
    step.next<ListSlices>();
    step.page("1", {});
    EXPECT_TRUE(step.published());
    EXPECT_TRUE(step.informer.table().empty());
}

TEST(Informer, never_shows_a_part_of_a_list) {
    Stepper step;
    step.sync();
    step.ended(How::unreachable);
    step.reported();
    step.wait();
    step.next<ListSlices>();
    step.page("200", {small_slice("b", "8")}, "page 2");
    EXPECT_FALSE(step.published());
    EXPECT_TRUE(step.informer.table().slices().contains("a"));
    const auto second = step.next<ListSlices>();
    EXPECT_EQ(second.next, "page 2");
    EXPECT_FALSE(second.resource_version.has_value());
    step.page("200", {small_slice("c", "9")});
    EXPECT_TRUE(step.published());
    EXPECT_EQ(step.informer.table().slices().size(), 2U);
    EXPECT_EQ(step.next<WatchSlices>().resource_version, "200");
}

TEST(Informer, starts_a_list_over_when_its_pages_expire_and_pauses_when_that_repeats) {
    Stepper step;
    step.next<ListSlices>();
    step.page("100", {small_slice("a", "7")}, "page 2");
    step.next<ListSlices>();
    step.list_failed(410);
    EXPECT_FALSE(step.reported());
    EXPECT_EQ(step.next<ListSlices>().next, "");
    step.page("100", {}, "page 2");
    step.next<ListSlices>();
    step.list_failed(410);
    EXPECT_TRUE(step.reported());
    EXPECT_GE(step.wait(), 200ms);
}

TEST(Informer, keeps_the_set_on_every_failure_of_a_list) {
    for (const int status : {0, 400, 401, 403, 404, 406, 410, 422, 429, 500, 503, 504}) {
        Stepper step;
        step.sync();
        step.error_event(410);
        step.ended(How::clean);
        step.next<ListSlices>();
        step.list_failed(status);
        EXPECT_EQ(step.informer.table().slices().size(), 1U) << status;
        EXPECT_FALSE(step.published()) << status;
    }
}

TEST(Informer, doubles_its_pauses_up_to_the_cap_and_starts_over_after_a_list) {
    Stepper step;
    Duration limit = 800ms;
    for (int i = 0; i < 10; ++i) {
        step.next<ListSlices>();
        step.list_failed(403);
        EXPECT_TRUE(step.reported());
        const Duration pause = step.wait();
        EXPECT_GE(pause, 200ms);
        EXPECT_LE(pause, limit);
        limit = std::min<Duration>(limit * 2, 30s);
    }
    step.sync();
    step.error_event(410);
    step.ended(How::clean);
    step.next<ListSlices>();
    step.list_failed(403);
    EXPECT_LE(step.wait(), 800ms);
}

TEST(Informer, its_pauses_differ_from_those_of_its_neighbours) {
    std::set<Duration> pauses;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Stepper step{seed};
        step.next<ListSlices>();
        step.list_failed(503);
        pauses.insert(step.wait());
    }
    EXPECT_GT(pauses.size(), 15U);
}

TEST(Informer, waits_as_long_as_it_is_asked_to) {
    Stepper step;
    step.next<ListSlices>();
    step.list_failed(429, {.retry_after = 5s});
    const Duration pause = step.wait();
    EXPECT_GE(pause, 5s);
    EXPECT_LE(pause, 5800ms);
}

TEST(Informer, asks_the_memory_of_the_server_when_the_newest_state_cannot_be_had) {
    Stepper step;
    EXPECT_FALSE(step.next<ListSlices>().resource_version.has_value());
    step.list_failed(504);
    step.wait();
    EXPECT_EQ(step.next<ListSlices>().resource_version, "0");
    step.list_failed(0);
    step.wait();
    EXPECT_FALSE(step.next<ListSlices>().resource_version.has_value());
    step.sync();
    step.ended(How::unreachable);
    step.wait();
    step.next<ListSlices>();
    step.list_failed(504);
    step.wait();
    EXPECT_EQ(step.next<ListSlices>().resource_version, "100"); // not older than what was seen
    step.list_failed(504, {.version_too_large = true});
    EXPECT_FALSE(step.next<ListSlices>().resource_version.has_value());
}

TEST(Informer, applies_events_at_once_and_publishes_after_a_short_silence) {
    Stepper step;
    step.sync();
    step.event(EventType::modified, small_slice("a", "101", "10.0.0.2"));
    EXPECT_EQ(step.informer.table().slices().at("a").endpoints[0].address, "10.0.0.2");
    EXPECT_FALSE(step.published());
    step.now += 20ms;
    step.event(EventType::added, small_slice("b", "102"));
    EXPECT_EQ(step.informer.publish_at(), step.now + 100ms);
    step.now += 100ms;
    EXPECT_TRUE(step.published());
    EXPECT_FALSE(step.informer.publish_at().has_value());
}

TEST(Informer, publishes_within_the_cap_while_events_never_pause) {
    Stepper step;
    step.sync();
    const TimePoint begun = step.now;
    while (!step.published() && step.now < begun + 5s) {
        step.event(EventType::modified, small_slice("a", "101"));
        step.now += 10ms;
    }
    EXPECT_GE(step.now - begun, 490ms);
    EXPECT_LE(step.now - begun, 520ms);
}

TEST(Informer, a_bookmark_moves_the_version_and_clears_nothing) {
    Stepper step;
    step.sync();
    step.now += 60s;
    step.event(EventType::bookmark, {.resource_version = "336"});
    EXPECT_FALSE(step.informer.publish_at().has_value());
    EXPECT_EQ(step.informer.table().slices().size(), 1U);
    step.ended(How::clean);
    EXPECT_EQ(step.next<WatchSlices>().resource_version, "336");
}

TEST(Informer, a_deletion_moves_the_version_too) {
    Stepper step;
    step.sync();
    step.event(EventType::deleted, small_slice("a", "297"));
    EXPECT_TRUE(step.informer.table().empty());
    step.ended(How::clean);
    EXPECT_EQ(step.next<WatchSlices>().resource_version, "297");
}

TEST(Informer, lists_at_once_after_410_in_the_stream_and_says_nothing) {
    Stepper step;
    step.sync();
    step.error_event(410);
    step.ended(How::clean);
    EXPECT_FALSE(step.reported());
    EXPECT_FALSE(step.next<ListSlices>().resource_version.has_value());
    EXPECT_EQ(step.informer.table().slices().size(), 1U);
}

TEST(Informer, lists_at_once_after_410_as_a_status_and_pauses_when_that_repeats) {
    Stepper step;
    step.sync();
    step.ended(How::refused, {.status = 410});
    step.next<ListSlices>();
    step.page("100", {small_slice("a", "7")});
    step.next<WatchSlices>();
    step.ended(How::refused, {.status = 410});
    EXPECT_GE(step.wait(), 200ms);
    step.next<ListSlices>();
}

TEST(Informer, a_version_of_the_future_leads_to_a_list_without_one) {
    Stepper step;
    step.sync();
    step.error_event(504, true);
    step.ended(How::clean);
    EXPECT_FALSE(step.next<ListSlices>().resource_version.has_value());
}

TEST(Informer, watches_again_after_another_error_in_the_stream_and_lists_when_it_repeats) {
    Stepper step;
    step.sync();
    step.error_event(500);
    step.ended(How::clean);
    EXPECT_FALSE(step.reported());
    EXPECT_GE(step.wait(), 200ms);
    EXPECT_EQ(step.next<WatchSlices>().resource_version, "100");
    step.error_event(500);
    step.ended(How::clean);
    EXPECT_TRUE(step.reported());
    step.wait();
    step.next<ListSlices>();
}

TEST(Informer, watches_again_at_once_after_a_clean_end) {
    Stepper step;
    step.sync();
    step.now += 300s;
    step.ended(How::clean);
    EXPECT_FALSE(step.reported());
    EXPECT_EQ(step.next<WatchSlices>().resource_version, "100");
}

TEST(Informer, a_watch_that_ends_at_once_without_a_line_is_a_failure) {
    Stepper step;
    step.sync();
    step.now += 5ms;
    step.ended(How::clean);
    EXPECT_GE(step.wait(), 200ms);
    step.next<WatchSlices>();
    step.ended(How::clean);
    EXPECT_TRUE(step.reported());
    Duration last{};
    for (int i = 0; i < 12; ++i) { // a list that works does not hide it: no spin
        last = step.wait();
        step.next<ListSlices>();
        step.page("100", {small_slice("a", "7")});
        step.published();
        step.next<WatchSlices>();
        step.ended(How::clean);
    }
    EXPECT_GE(last, 200ms);
}

TEST(Informer, goes_on_from_where_it_was_after_a_cut) {
    Stepper step;
    step.sync();
    step.event(EventType::added, small_slice("b", "150"));
    step.now += 10s;
    step.ended(How::cut);
    EXPECT_FALSE(step.reported());
    const Duration pause = step.wait();
    EXPECT_GE(pause, 200ms);
    EXPECT_LE(pause, 800ms);
    EXPECT_EQ(step.next<WatchSlices>().resource_version, "150");
}

TEST(Informer, a_server_that_is_gone_is_reported_and_a_list_tells_that_it_is_back) {
    Stepper step;
    step.sync();
    step.now += 10s;
    step.ended(How::cut);
    step.wait();
    step.next<WatchSlices>();
    step.ended(How::unreachable);
    EXPECT_TRUE(step.reported());
    step.wait();
    step.next<ListSlices>();
    step.list_failed(0);
    EXPECT_TRUE(step.reported());
    step.wait();
    step.next<ListSlices>();
    step.page("100", {small_slice("a", "7")}); // what it said before: published all the same
    EXPECT_TRUE(step.published());
    step.next<WatchSlices>();
}

TEST(Informer, news_before_a_failure_are_published_before_it_is_reported) {
    Stepper step;
    step.sync();
    step.event(EventType::added, small_slice("b", "150"));
    step.ended(How::unreachable);
    EXPECT_TRUE(step.published());
    EXPECT_TRUE(step.reported());
}

TEST(Informer, silence_leads_to_a_list_at_once) {
    Stepper step;
    step.sync();
    step.now += 130s;
    step.ended(How::silent);
    EXPECT_FALSE(step.reported());
    EXPECT_FALSE(step.next<ListSlices>().resource_version.has_value());
}

TEST(Informer, polls_when_it_may_list_and_not_watch) {
    Stepper step;
    step.sync();
    Duration last{};
    for (int i = 0; i < 12; ++i) {
        step.ended(How::refused, {.status = 403});
        EXPECT_TRUE(step.reported());
        last = step.wait();
        step.next<ListSlices>();
        step.page("100", {small_slice("a", "7")});
        EXPECT_FALSE(step.published()) << "a list alone is no recovery";
        step.next<WatchSlices>();
    }
    EXPECT_LE(last, 30s);
    step.now += 2s;
    step.event(EventType::bookmark, {.resource_version = "101"});
    EXPECT_TRUE(step.published());
}

TEST(Informer, a_throttled_watch_waits_as_told_and_goes_on_without_a_list) {
    Stepper step;
    step.sync();
    step.ended(How::refused, {.status = 429, .body = {.retry_after = 1s}});
    EXPECT_FALSE(step.reported());
    EXPECT_GE(step.wait(), 1s);
    EXPECT_EQ(step.next<WatchSlices>().resource_version, "100");
}

TEST(Informer, tries_new_credentials_at_once_but_only_once) {
    Stepper step;
    step.next<ListSlices>();
    const KubeFailure refused{.status = 401, .reason = "why", .new_credentials = true};
    step.informer.on_list_failed(refused, step.now);
    EXPECT_FALSE(step.reported());
    step.next<ListSlices>();
    step.informer.on_list_failed(refused, step.now);
    EXPECT_TRUE(step.reported());
    step.wait();
}

TEST(Informer, lists_from_time_to_time_whatever_the_watch_says) {
    Stepper step;
    Duration watched{};
    auto watch = step.sync();
    const TimePoint begun = step.now;
    for (int i = 0; i < 20; ++i) {
        step.now += watch.timeout;
        watched += watch.timeout;
        step.ended(How::clean);
        const InformerAction action = step.informer.next(step.now);
        if (std::holds_alternative<ListSlices>(action)) {
            break;
        }
        watch = std::get<WatchSlices>(action);
    }
    EXPECT_GE(step.now - begun, 10min);
    EXPECT_LE(step.now - begun, 30min + 1s);
    step.page("900", {});
    EXPECT_TRUE(step.published()); // the event was missed
}

TEST(Informer, what_is_no_watch_leads_to_a_list_after_a_pause) {
    Stepper step;
    step.sync();
    step.ended(How::malformed);
    EXPECT_TRUE(step.reported());
    step.wait();
    step.next<ListSlices>();
    EXPECT_EQ(step.informer.table().slices().size(), 1U);
}

TEST(Informer, a_list_without_a_version_or_without_an_end_is_a_failure) {
    Stepper step;
    step.next<ListSlices>();
    step.page("", {small_slice("a", "7")});
    EXPECT_TRUE(step.reported());
    EXPECT_FALSE(step.informer.synced());
    step.wait();
    for (int i = 0; i < 1001; ++i) {
        step.page("1", {}, "more");
    }
    EXPECT_TRUE(step.reported());
}

} // namespace
} // namespace failover::discovery
