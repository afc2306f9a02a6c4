// SPDX-License-Identifier: MIT
#include "observe/prometheus_metrics.hpp"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace failover::cache_meter_test {

using namespace std::chrono_literals;
using Verb = CacheMeter::Verb;
using End = CacheMeter::End;
using Load = CacheMeter::Load;

const std::string plain = R"({cache="redis"})";

/// A sample's value; fails the test and returns -1 when there is none.
double sample(const std::string& text, const std::string& series) {
    std::istringstream lines{text};
    std::string line;
    while (std::getline(lines, line)) {
        if (line.starts_with(series + ' ')) {
            return std::stod(line.substr(series.size() + 1));
        }
    }
    ADD_FAILURE() << "no sample " << series << " in\n" << text;
    return -1;
}

std::string call_series(const char* verb, const char* result) {
    return std::string{R"(failover_cache_calls_total{cache="redis",result=")"} + result +
           "\",verb=\"" + verb + "\"}";
}

TEST(CacheMeter, counts_calls_by_verb_and_end_under_the_names_of_old_too) {
    const auto metrics = make_metrics(nullptr);
    const auto cache = metrics->cache();
    int calls = 0;
    for (const Verb verb : {Verb::get, Verb::set, Verb::del, Verb::command, Verb::load}) {
        for (const End end : {End::ok, End::failed}) {
            ++calls;
            for (int i = 0; i < calls; ++i) {
                cache->call(verb, end, 70us);
            }
        }
    }
    const std::string text = metrics->expose();
    EXPECT_EQ(sample(text, "cache_gets_success_total" + plain), 1);
    EXPECT_EQ(sample(text, "cache_gets_failed_total" + plain), 2);
    EXPECT_EQ(sample(text, "cache_sets_success_total" + plain), 3);
    EXPECT_EQ(sample(text, "cache_sets_failed_total" + plain), 4);
    EXPECT_EQ(sample(text, "cache_deletes_success_total" + plain), 5);
    EXPECT_EQ(sample(text, "cache_deletes_failed_total" + plain), 6);
    int expected = 0;
    for (const char* verb : {"get", "set", "del", "command", "load"}) {
        for (const char* result : {"ok", "failed"}) {
            EXPECT_EQ(sample(text, call_series(verb, result)), ++expected) << verb << result;
        }
    }
    const std::string of_get = R"({cache="redis",verb="get")";
    EXPECT_EQ(sample(text, "failover_cache_call_duration_seconds_count" + of_get + '}'), 3);
    EXPECT_EQ(
        sample(text, "failover_cache_call_duration_seconds_bucket" + of_get + R"(,le="5e-05"})"),
        0);
    EXPECT_EQ(
        sample(text, "failover_cache_call_duration_seconds_bucket" + of_get + R"(,le="0.0001"})"),
        3);
}

TEST(CacheMeter, counts_every_other_thing_in_its_own_series) {
    const auto metrics = make_metrics(nullptr);
    const auto cache = metrics->cache();
    const auto times = [](int count, const auto& what) {
        for (int i = 0; i < count; ++i) {
            what();
        }
    };
    times(1, [&] { cache->hit(); });
    times(2, [&] { cache->miss(); });
    times(3, [&] { cache->retry(); });
    times(4, [&] { cache->failover(); });
    times(5, [&] { cache->journaled(); });
    cache->replayed(6);
    times(7, [&] { cache->flushed(); });
    cache->audited(8);
    cache->diverged(9);
    times(10, [&] { cache->doubted(); });
    times(11, [&] { cache->warmed(); });
    int loads = 11;
    for (const Load how : {Load::hit, Load::stale, Load::loaded, Load::waited, Load::refused}) {
        times(++loads, [&] { cache->load(how); });
    }
    const std::string text = metrics->expose();
    int expected = 0;
    for (const char* name : {"hits", "misses", "retries", "failovers", "journaled", "replayed",
                             "flushes", "audited", "diverged", "doubted", "warmed"}) {
        EXPECT_EQ(sample(text, std::string{"failover_cache_"} + name + "_total" + plain),
                  ++expected)
            << name;
    }
    for (const char* result : {"hit", "stale", "loaded", "waited", "refused"}) {
        EXPECT_EQ(sample(text, R"(failover_cache_loads_total{cache="redis",result=")" +
                                   std::string{result} + "\"}"),
                  ++expected)
            << result;
    }
}

TEST(CacheMeter, shows_each_node_as_it_was_last) {
    const auto metrics = make_metrics(nullptr);
    const auto cache = metrics->cache();
    cache->node("primary", {.state = "up", .up = true});
    cache->node("primary", {.state = "down",
                            .up = false,
                            .journal_depth = 3,
                            .journal_age = 1.5,
                            .connections = 2,
                            .pending = 4});
    cache->node("secondary", {.state = "up", .up = true});
    const std::string text = metrics->expose();
    const std::string of_node = R"({cache="redis",node="primary"})";
    EXPECT_EQ(sample(text, "failover_cache_node_up" + of_node), 0);
    EXPECT_EQ(sample(text, "failover_cache_journal_depth" + of_node), 3);
    EXPECT_EQ(sample(text, "failover_cache_journal_age_seconds" + of_node), 1.5);
    EXPECT_EQ(sample(text, "failover_cache_connections" + of_node), 2);
    EXPECT_EQ(sample(text, "failover_cache_pending" + of_node), 4);
    for (const char* state : {"unknown", "up", "suspect", "down", "rejoining", "warming"}) {
        const std::string series =
            R"(failover_cache_node_state{cache="redis",node="primary",state=")" +
            std::string{state} + "\"}";
        EXPECT_EQ(sample(text, series), std::string{state} == "down" ? 1 : 0) << state;
    }
    EXPECT_EQ(sample(text, R"(failover_cache_node_up{cache="redis",node="secondary"})"), 1);
}

TEST(CacheMeter, log_ins_are_health_checks_of_the_service_cache) {
    const auto metrics = make_metrics(nullptr);
    const auto cache = metrics->cache();
    cache->check("primary", true, 2ms);
    cache->check("primary", false, 2s);
    const std::string text = metrics->expose();
    for (const char* result : {"pass", "fail"}) {
        EXPECT_EQ(sample(text, R"(failover_health_check_duration_seconds_count{endpoint="primary",)"
                               R"(result=")" +
                                   std::string{result} + R"(",service="cache"})"),
                  1)
            << result;
    }
}

TEST(CacheMeter, hands_on_with_a_node_and_with_its_end_what_it_counted) {
    const auto registry = std::make_shared<prometheus::Registry>();
    const auto first = make_metrics(registry);
    const auto kept = first->cache();
    const auto hits = [&registry] {
        for (const prometheus::MetricFamily& family : registry->Collect()) {
            if (family.name == "failover_cache_hits_total") {
                return family.metric.at(0).counter.value;
            }
        }
        return -1.0;
    };
    kept->hit();
    kept->node("primary", {});
    EXPECT_EQ(hits(), 1);
    make_metrics(registry)->cache()->hit();
    EXPECT_EQ(hits(), 2);
}

TEST(CacheMeter, leaves_the_users_registry_as_it_was) {
    const auto registry = std::make_shared<prometheus::Registry>();
    {
        const auto cache = make_metrics(registry)->cache();
        cache->node("primary", {.state = "up"});
        EXPECT_FALSE(registry->Collect().empty());
    }
    EXPECT_TRUE(registry->Collect().empty());
}

TEST(CacheMeter, loses_no_count_of_many_threads) {
    const auto metrics = make_metrics(nullptr);
    const auto cache = metrics->cache();
    constexpr int each = 5000;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int call = 0; call < each; ++call) {
                cache->hit();
                cache->call(Verb::get, End::ok, 1us);
                if (call % 500 == 0) {
                    cache->node("primary", {});
                    static_cast<void>(metrics->expose());
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::string text = metrics->expose();
    EXPECT_EQ(sample(text, "failover_cache_hits_total" + plain), 4 * each);
    EXPECT_EQ(sample(text, "cache_gets_success_total" + plain), 4 * each);
    EXPECT_EQ(sample(text, call_series("get", "ok")), 4 * each);
}

} // namespace failover::cache_meter_test
