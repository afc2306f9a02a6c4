// SPDX-License-Identifier: MIT
#include "support/config_text.hpp"
#include "support/havoc.hpp"

#include <gtest/gtest.h>

#include <string>

// Real servers as upstreams: nginx killed and frozen under load, HAProxy in front.

namespace nginx_test {

using namespace failover;
using namespace failover::test;

/// Load until it is over and every upstream has been killed and frozen.
NumberedLoad::Report survive(NumberedLoad::Method method, const char* strategy) {
    const bool post = method == NumberedLoad::Method::post;
    Havoc havoc{3, post ? Nginx::Record::executions : Nginx::Record::nothing, 1};
    std::string failover = havoc_failover;
    failover.replace(failover.find("round-robin"), 11, strategy);
    FailoverManager manager{parse_config(config_over(havoc.ports(), failover, havoc_checks))};
    NumberedLoad load{manager.client(), {.method = method, .calls = 1000000}};
    const bool recovered = havoc.round(manager, load);
    EXPECT_TRUE(recovered) << manager.status_json();
    EXPECT_TRUE(wait_until([&] { return load.done() >= 20000; }, 60s)) << load.done();
    load.stop();
    load.finish();
    EXPECT_EQ(havoc.kills(), 3U);
    EXPECT_EQ(havoc.freezes(), 3U);
    return load.report(havoc.executions());
}

TEST(Nginx, no_get_fails_while_each_upstream_is_killed_then_frozen) {
    for (const char* strategy : {"round-robin", "active-passive"}) {
        const NumberedLoad::Report report = survive(NumberedLoad::Method::get, strategy);
        EXPECT_GE(report.calls, 20000U);
        EXPECT_GT(report.extra_attempts, 0U); // calls were hit, and survived
        EXPECT_EQ(report.failed, 0U) << strategy << ": " << report.messages.front();
    }
}

TEST(Nginx, no_post_is_executed_twice_and_each_failure_is_truthful) {
    const NumberedLoad::Report report = survive(NumberedLoad::Method::post, "round-robin");
    EXPECT_GE(report.calls, 20000U);
    EXPECT_EQ(report.duplicates, 0U);
    EXPECT_EQ(report.untrue, 0U);
    EXPECT_EQ(report.failed, report.maybe_executed); // others were always left to try
    EXPECT_GT(report.failed, 0U);                    // those that waited for a frozen upstream
    EXPECT_LT(report.failed, 1000U);
}

TEST(Nginx, answers_every_verb_over_one_connection_each_thread) {
    const Nginx nginx;
    FailoverManager manager{parse_config(config_over({nginx.port()}))};
    FailoverClient client = manager.client();
    for (const char* method : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
        const Response response = client.send({.method = method, .path = "/x", .body = "body"});
        EXPECT_EQ(response.status(), 200) << method;
        EXPECT_EQ(response.body().empty(), std::string_view{method} == "HEAD");
    }
    EXPECT_EQ(client.get("/health").status(), 200);
}

TEST(Nginx, behind_haproxy_is_called_and_a_dead_server_behind_it_is_an_answer_retried) {
    Nginx first;
    const Nginx second;
    const Haproxy front{{first.port(), second.port()}};
    FailoverManager manager{
        parse_config(config_over({front.port()}, "max_retries: 5, timeout: 5s"))};
    FailoverClient client = manager.client();
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(client.get("/x").status(), 200);
    }
    first.kill();
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(client.get("/x").body(), std::to_string(second.port()));
    }
    const Result<Response> refused = client.try_post("/x", "b", {.accept_any_status = true});
    EXPECT_TRUE(refused) << refused.error(); // 200 or HAProxy's own 503: complete answers both
}

TEST(Nginx, and_a_failed_haproxy_are_alternatives) {
    const Nginx direct;
    Haproxy front{{direct.port()}};
    FailoverManager manager{
        parse_config(config_over({front.port(), direct.port()}, "strategy: first"))};
    FailoverClient client = manager.client();
    EXPECT_EQ(client.post("/x", "b").endpoint().port, front.port());
    front.kill();
    EXPECT_EQ(client.post("/x", "b").endpoint().port, direct.port());
}

} // namespace nginx_test
