// SPDX-License-Identifier: MIT
#include "observe/prometheus_metrics.hpp"
#include "observe/series.hpp"

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace failover::prometheus_metrics_test {

using namespace std::chrono_literals;

/// A sample's value; fails the test and returns -1 when there is none.
double value(const std::string& text, const std::string& series) {
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

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// One family as it was read back from the text format.
struct Family {
    std::string type{};
    std::set<std::string> labels{};
    std::map<std::string, double> samples{};
};

/// Reads the text format and says what promtool would: each family once and in
/// one piece, help and type before samples, counters called _total, histograms
/// cumulative and complete.
class Exposition {
public:
    explicit Exposition(const std::string& text) {
        std::istringstream lines{text};
        std::string line;
        while (std::getline(lines, line)) {
            read(line);
        }
        for (const auto& [name, family] : families_) {
            check(name, family);
        }
    }
    [[nodiscard]] const std::map<std::string, Family>& families() const { return families_; }

private:
    void read(const std::string& line) {
        static const std::regex comment{R"(# (HELP|TYPE) ([a-z_]+) (.+))"};
        static const std::regex sample{R"(([a-z_]+)(?:\{(.*)\})? ([-+0-9.eE]+|[+-]Inf|NaN))"};
        std::smatch part;
        if (std::regex_match(line, part, comment)) {
            if (part[1] == "HELP") {
                EXPECT_FALSE(families_.contains(part[2])) << "family twice: " << line;
                current_ = part[2];
                families_[current_];
            } else {
                EXPECT_EQ(part[2], current_) << line;
                families_[current_].type = part[3];
            }
            return;
        }
        ASSERT_TRUE(std::regex_match(line, part, sample)) << line;
        Family& family = families_[current_];
        const std::string name = part[1];
        const std::string suffix = name.substr(std::min(name.size(), current_.size()));
        EXPECT_TRUE(name.starts_with(current_)) << line << " in family " << current_;
        EXPECT_TRUE(suffix.empty() != (family.type == "histogram")) << line;
        read_labels(part[2], family);
        EXPECT_TRUE(
            family.samples.emplace(line.substr(0, line.rfind(' ')), std::stod(part[3])).second)
            << "series twice: " << line;
    }

    static void read_labels(const std::string& text, Family& family) {
        static const std::regex label{R"re(([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$))re"};
        std::size_t read = 0;
        for (std::sregex_iterator at{text.begin(), text.end(), label}, end; at != end; ++at) {
            EXPECT_EQ(static_cast<std::size_t>(at->position()), read) << text;
            read += static_cast<std::size_t>(at->length());
            if ((*at)[1] != "le") {
                family.labels.insert((*at)[1]);
            }
        }
        EXPECT_EQ(read, text.size()) << text;
    }

    static void check(const std::string& name, const Family& family) {
        EXPECT_TRUE(family.type == "counter" || family.type == "gauge" ||
                    family.type == "histogram")
            << name << ": " << family.type;
        EXPECT_EQ(name.ends_with("_total"), family.type == "counter") << name;
        for (const auto& [series, number] : family.samples) {
            if (family.type == "histogram" && has(series, "_count")) {
                check_buckets(name, series, number, family);
            }
        }
    }

    static void check_buckets(const std::string& name, const std::string& count, double number,
                              const Family& family) {
        const std::string labels = count.substr(count.find('{') + 1);
        const std::string prefix =
            name + "_bucket{" + labels.substr(0, labels.size() - 1) + ",le=\"";
        EXPECT_TRUE(family.samples.contains(name + "_sum{" + labels)) << count;
        ASSERT_TRUE(family.samples.contains(prefix + "+Inf\"}")) << count;
        EXPECT_EQ(family.samples.at(prefix + "+Inf\"}"), number) << count;
        std::map<double, double> buckets;
        for (const auto& [series, in_bucket] : family.samples) {
            if (series.starts_with(prefix) && !has(series, "+Inf")) {
                buckets[std::stod(series.substr(prefix.size()))] = in_bucket;
            }
        }
        EXPECT_GE(buckets.size(), 5u) << count;
        double before = 0;
        for (const auto& [bound, in_bucket] : buckets) {
            EXPECT_GE(in_bucket, before) << count << " at " << bound;
            before = in_bucket;
        }
        EXPECT_GE(number, before) << count;
    }

    std::map<std::string, Family> families_;
    std::string current_;
};

/// Uses every member of both meters once.
void use_everything(ServiceMeter& service, EndpointMeter& endpoint) {
    endpoint.call_succeeded(3ms);
    endpoint.call_failed(2s);
    for (const OutcomeClass outcome : {OutcomeClass::success, OutcomeClass::retryable,
                                       OutcomeClass::fatal, OutcomeClass::ignored}) {
        endpoint.attempt(outcome, 1ms);
    }
    endpoint.check(true, 5ms);
    endpoint.check(false, 3s);
    endpoint.became_unhealthy();
    endpoint.became_healthy();
    endpoint.ejected();
    endpoint.breaker_opened();
    endpoint.set_usable(true);
    service.call_failed_untried(1ms);
    service.retry();
    service.retry_denied();
    service.hedge();
    service.fallback();
    service.failover();
    service.set_endpoints(3, 2);
    service.set_panic(true);
    service.set_discovery_age(1500ms);
}

TEST(PrometheusMetrics, the_text_is_what_a_lint_accepts_whatever_an_endpoint_is_called) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const auto plain = service->endpoint("b-1", "10.0.0.1:80");
    const auto nasty = service->endpoint("a\"b\\c\nd {e=\"f\"} 1", "10.0.0.2:80");
    use_everything(*service, *plain);
    use_everything(*service, *nasty);
    const Exposition read{metrics->expose()};
    EXPECT_EQ(read.families().at("failover_requests_success_total").samples.size(), 2u);
}

TEST(PrometheusMetrics, every_member_counts_in_its_own_series) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
    use_everything(*service, *endpoint);
    endpoint->attempt(OutcomeClass::retryable, 1ms);
    const std::string text = metrics->expose();
    const std::string of_endpoint = R"({endpoint="b-1",service="billing"})";
    const std::string of_service = R"({service="billing"})";
    for (const char* name :
         {"failover_requests_success_total", "failover_requests_failed_total",
          "failover_endpoint_unhealthy_total", "failover_endpoint_healthy_total",
          "failover_ejections_total", "failover_breaker_opened_total", "failover_endpoint_up"}) {
        EXPECT_EQ(value(text, name + of_endpoint), 1) << name;
    }
    for (const char* name :
         {"failover_retries_total", "failover_retries_denied_total", "failover_hedges_total",
          "failover_fallbacks_total", "failover_failovers_total", "failover_panic"}) {
        EXPECT_EQ(value(text, name + of_service), 1) << name;
    }
    const std::string outcome = R"({endpoint="b-1",outcome=")";
    EXPECT_EQ(value(text, "failover_attempts_total" + outcome + R"(success",service="billing"})"),
              1);
    EXPECT_EQ(value(text, "failover_attempts_total" + outcome + R"(retryable",service="billing"})"),
              2);
    EXPECT_EQ(value(text, R"(failover_requests_failed_total{endpoint="",service="billing"})"), 1);
    EXPECT_EQ(value(text, R"(failover_endpoints{service="billing",state="known"})"), 3);
    EXPECT_EQ(value(text, R"(failover_endpoints{service="billing",state="usable"})"), 2);
    EXPECT_EQ(value(text, "failover_discovery_age_seconds" + of_service), 1.5);
}

TEST(PrometheusMetrics, durations_of_calls_land_in_their_buckets) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
    endpoint->call_succeeded(1ms); // a bound belongs to its bucket
    endpoint->call_succeeded(3ms);
    endpoint->call_failed(40s);
    service->call_failed_untried(20ms);
    const std::string text = metrics->expose();
    const std::string name = "failover_request_duration_seconds";
    const auto bucket = [&](const char* bound) {
        return value(text, name + R"(_bucket{service="billing",le=")" + bound + "\"}");
    };
    EXPECT_EQ(bucket("0.001"), 1);
    EXPECT_EQ(bucket("0.005"), 2);
    EXPECT_EQ(bucket("0.025"), 3);
    EXPECT_EQ(bucket("30"), 3);
    EXPECT_EQ(bucket("+Inf"), 4);
    EXPECT_NEAR(value(text, name + R"(_sum{service="billing"})"), 40.024, 1e-9);
}

TEST(PrometheusMetrics, the_page_lists_exactly_the_names_and_labels_there_are) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
    use_everything(*service, *endpoint);
    const auto database = metrics->database();
    database->node("primary", NodeGauges{.role = "primary", .reachable = true});
    const auto cache = metrics->cache();
    cache->node("primary", CacheNodeGauges{.state = "up", .up = true});
    std::map<std::string, std::string> real;
    const Exposition read{metrics->expose()};
    for (const auto& [name, family] : read.families()) {
        real[name] = family.type;
        for (const std::string& label : family.labels) {
            real[name] += ' ' + label;
        }
    }
    std::ifstream page{std::string{FAILOVER_SOURCE_DIR} + "/docs/metrics.md"};
    ASSERT_TRUE(page.is_open());
    static const std::regex row{R"(\| `([a-z_]+)` \| ([a-z]+) \| ([a-z_`, ]+) \|.*)"};
    static const std::regex word{"[a-z_]+"};
    std::map<std::string, std::string> documented;
    std::string line;
    while (std::getline(page, line)) {
        std::smatch part;
        if (!std::regex_match(line, part, row)) {
            continue;
        }
        const std::string labels = part[3];
        std::set<std::string> sorted;
        for (std::sregex_iterator at{labels.begin(), labels.end(), word}, end; at != end; ++at) {
            sorted.insert(at->str());
        }
        std::string& entry = documented[part[1]] = part[2];
        for (const std::string& label : sorted) {
            entry += ' ' + label;
        }
    }
    EXPECT_EQ(documented, real);
}

TEST(PrometheusMetrics, calls_of_the_database_are_counted_by_how_they_ended) {
    const auto metrics = make_metrics(nullptr);
    const auto database = metrics->database();
    database->query(DatabaseMeter::End::ok, 1ms);
    database->query(DatabaseMeter::End::failed, 1ms);
    database->execution(DatabaseMeter::End::ok, 1ms);
    database->in_doubt(DatabaseMeter::Doubt::committed);
    database->node("primary", NodeGauges{.role = "primary", .reachable = true, .idle = 2});
    const std::string text = metrics->expose();
    const std::string label = R"({database="postgresql"})";
    EXPECT_EQ(value(text, "database_queries_success_total" + label), 1);
    EXPECT_EQ(value(text, "database_queries_failed_total" + label), 1);
    EXPECT_EQ(value(text, "database_executions_success_total" + label), 1);
    EXPECT_EQ(value(text, "database_executions_failed_total" + label), 0);
    EXPECT_EQ(value(text,
                    "failover_database_in_doubt_total"
                    R"({database="postgresql",result="committed"})"),
              1);
    EXPECT_EQ(value(text,
                    "failover_database_connections"
                    R"({database="postgresql",node="primary",state="idle"})"),
              2);
    EXPECT_EQ(value(text,
                    "failover_database_call_duration_seconds_count"
                    R"({database="postgresql",verb="query"})"),
              2);
}

TEST(PrometheusMetrics, checks_are_told_apart_by_their_result) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
    endpoint->check(true, 5ms);
    endpoint->check(true, 5ms);
    endpoint->check(false, 3s);
    const std::string text = metrics->expose();
    const std::string count = R"(failover_health_check_duration_seconds_count{endpoint="b-1",)";
    EXPECT_EQ(value(text, count + R"(result="pass",service="billing"})"), 2);
    EXPECT_EQ(value(text, count + R"(result="fail",service="billing"})"), 1);
}

TEST(PrometheusMetrics, names_that_are_not_utf_8_do_not_spoil_the_scrape) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("bill\xff");
    const auto endpoint = service->endpoint("b\xc3(", "10.0.0.1:80");
    EXPECT_EQ(value(metrics->expose(),
                    "failover_endpoint_up{endpoint=\"b\xef\xbf\xbd(\","
                    "service=\"bill\xef\xbf\xbd\"}"),
              0);
}

TEST(PrometheusMetrics, very_many_series_are_removed_in_portions_and_may_come_back_before) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    std::vector<std::shared_ptr<EndpointMeter>> endpoints;
    for (int i = 0; i < 2000; ++i) {
        endpoints.push_back(service->endpoint("b-" + std::to_string(i), "10.0.0.1:80"));
    }
    endpoints.clear();
    auto back = service->endpoint("b-7", "10.0.0.1:80");
    back->call_succeeded(1ms);
    const std::string success =
        R"(failover_requests_success_total{endpoint="b-7",service="billing"})";
    for (int portion = 0; portion < 1000 && has(metrics->expose(), "b-8\""); ++portion) {
    }
    EXPECT_EQ(value(metrics->expose(), success), 1);
    back.reset();
    for (int portion = 0; portion < 1000 && has(metrics->expose(), "\"b-"); ++portion) {
    }
    EXPECT_FALSE(has(metrics->expose(), "\"b-"));
}

TEST(PrometheusMetrics, the_more_series_wait_for_their_removal_the_sooner_it_goes_on) {
    using observe::Families;
    const Duration patient = Families::sweep_rest(0, 50'000);
    Duration last = patient;
    for (std::size_t waiting = 1'000; waiting <= 6'000; waiting += 1'000) {
        const Duration rest = Families::sweep_rest(waiting, 50'000);
        EXPECT_LT(rest, last);
        last = rest;
    }
    const Duration busy = Families::sweep_rest(50'000, 50'000);
    EXPECT_GT(busy, Duration::zero()) << "others need the thread, too";
    EXPECT_LE(busy, patient / 8);
    EXPECT_EQ(Families::sweep_rest(10'000, 50'000), busy);
    EXPECT_EQ(Families::sweep_rest(0, 0), patient);
}

TEST(PrometheusMetrics, a_sweep_says_when_to_come_again) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    std::vector<std::shared_ptr<EndpointMeter>> endpoints;
    for (int i = 0; i < 2000; ++i) {
        endpoints.push_back(service->endpoint("b-" + std::to_string(i), "10.0.0.1:80"));
    }
    EXPECT_EQ(service->sweep(), Duration::max());
    endpoints.resize(1990);
    const Duration few = service->sweep();
    endpoints.clear();
    EXPECT_LT(service->sweep(), few);
}

TEST(PrometheusMetrics, managers_may_start_while_others_end_on_one_registry) {
    const auto registry = std::make_shared<prometheus::Registry>();
    std::vector<std::thread> managers;
    for (int i = 0; i < 3; ++i) {
        managers.emplace_back([&registry] {
            for (int round = 0; round < 300; ++round) {
                const auto metrics = make_metrics(registry);
                const auto service = metrics->service("billing");
                service->endpoint("b-1", "10.0.0.1:80")->call_succeeded(1ms);
            }
        });
    }
    for (std::thread& manager : managers) {
        manager.join();
    }
    EXPECT_TRUE(registry->Collect().empty());
}

TEST(PrometheusMetrics, an_endpoint_has_one_meter_while_someone_holds_it) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const auto one = service->endpoint("b-1", "10.0.0.1:80");
    EXPECT_EQ(service->endpoint("b-1", "10.0.0.1:80"), one);
    EXPECT_NE(service->endpoint("b-2", "10.0.0.2:80"), one);
}

TEST(PrometheusMetrics, series_go_with_the_last_reference_and_begin_anew) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
    auto held = endpoint;
    use_everything(*service, *endpoint);
    endpoint.reset();
    EXPECT_TRUE(has(metrics->expose(), R"(endpoint="b-1")"));
    held.reset();
    EXPECT_FALSE(has(metrics->expose(), R"(endpoint="b-1")")) << metrics->expose();
    endpoint = service->endpoint("b-1", "10.0.0.1:80");
    endpoint->call_succeeded(1ms);
    EXPECT_EQ(value(metrics->expose(),
                    R"(failover_requests_success_total{endpoint="b-1",service="billing"})"),
              1);
}

TEST(PrometheusMetrics, a_thousand_endpoints_that_came_and_went_leave_no_series) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const std::size_t before = metrics->expose().size();
    for (int i = 0; i < 1000; ++i) {
        const auto endpoint = service->endpoint("b-" + std::to_string(i), "10.0.0.1:80");
        endpoint->attempt(OutcomeClass::success, 1ms);
    }
    EXPECT_EQ(metrics->expose().size(), before);
}

TEST(PrometheusMetrics, two_managers_share_a_registry_and_their_counts_add_up) {
    const auto registry = std::make_shared<prometheus::Registry>();
    const auto first = make_metrics(registry);
    const auto second = make_metrics(registry);
    const auto service = first->service("billing");
    auto same_service = second->service("billing");
    const auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
    auto same_endpoint = same_service->endpoint("b-1", "10.0.0.1:80");
    EXPECT_NE(same_endpoint, endpoint);
    endpoint->call_succeeded(1ms);
    same_endpoint->call_succeeded(1ms);
    const std::string series =
        R"(failover_requests_success_total{endpoint="b-1",service="billing"})";
    const Exposition read{first->expose()};
    EXPECT_EQ(value(first->expose(), series), 2);
    EXPECT_EQ(value(second->expose(), series), 2);
    same_endpoint.reset();
    same_service.reset();
    EXPECT_EQ(value(first->expose(), series), 2) << "a series goes with its last user only";
    endpoint->call_succeeded(1ms);
    EXPECT_EQ(value(first->expose(), series), 3);
}

TEST(PrometheusMetrics, the_users_registry_is_left_as_it_was) {
    const auto registry = std::make_shared<prometheus::Registry>();
    prometheus::BuildCounter().Name("theirs_total").Help("x").Register(*registry).Add({});
    for (int round = 0; round < 2; ++round) {
        auto metrics = make_metrics(registry);
        auto service = metrics->service("billing");
        auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
        use_everything(*service, *endpoint);
        EXPECT_TRUE(has(metrics->expose(), "theirs_total 0"));
        EXPECT_EQ(registry->Collect().size(), 19u);
        metrics.reset();
        EXPECT_EQ(registry->Collect().size(), 19u) << "a call in flight may still count";
        endpoint->call_succeeded(1ms);
        service.reset();
        endpoint.reset();
        ASSERT_EQ(registry->Collect().size(), 1u);
        EXPECT_EQ(registry->Collect()[0].name, "theirs_total");
    }
}

TEST(PrometheusMetrics, counts_of_many_threads_are_all_there) {
    const auto metrics = make_metrics(nullptr);
    const auto service = metrics->service("billing");
    const auto endpoint = service->endpoint("b-1", "10.0.0.1:80");
    constexpr int threads = 4;
    constexpr int calls = 5000;
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) {
        running.emplace_back([&] {
            for (int call = 0; call < calls; ++call) {
                endpoint->attempt(OutcomeClass::success, 1ms);
                endpoint->call_succeeded(1ms);
                service->retry();
                if (call % 1000 == 0) {
                    service->flush();
                    static_cast<void>(
                        service->endpoint("c-" + std::to_string(call), "10.0.0.2:80"));
                }
            }
        });
    }
    for (std::thread& thread : running) {
        thread.join();
    }
    const std::string text = metrics->expose();
    const double all = threads * calls;
    EXPECT_EQ(value(text, R"(failover_retries_total{service="billing"})"), all);
    EXPECT_EQ(value(text, R"(failover_request_duration_seconds_count{service="billing"})"), all);
    EXPECT_EQ(value(text, R"(failover_requests_success_total{endpoint="b-1",service="billing"})"),
              all);
    EXPECT_EQ(
        value(text,
              R"(failover_attempts_total{endpoint="b-1",outcome="success",service="billing"})"),
        all);
}

} // namespace failover::prometheus_metrics_test
