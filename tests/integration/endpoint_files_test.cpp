// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/followed_files.hpp"
#include "support/scripted_server.hpp"
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

// Endpoint files that change while a manager runs.

namespace endpoint_files_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

class EndpointFile : public FollowedFiles {
protected:
    [[nodiscard]] Config config(const std::string& more = "") const {
        return parse_config("failover:\n  services:\n    users:\n      file: \"" +
                            path("endpoints.yaml") + "\"\n" + more +
                            "      health_check: {type: none}\n");
    }
};

TEST_F(EndpointFile, is_followed) {
    ScriptedServer one;
    ScriptedServer two;
    write("endpoints.yaml", "- http://" + one.id() + "\n");
    FailoverManager manager{config()};
    FailoverClient client = manager.client("users");
    EXPECT_EQ(client.get("/x").endpoint().id, one.id());
    write("endpoints.yaml",
          "endpoints:\n  - {url: \"http://" + two.id() + "\", weight: 7, priority: 2, zone: z}\n");
    ASSERT_TRUE(wait_until([&] { return ids(manager) == Ids{two.id()}; }));
    const Endpoint seen = manager.endpoints("users").at(0);
    EXPECT_EQ(seen.weight, 7U);
    EXPECT_EQ(seen.priority, 2U);
    EXPECT_EQ(seen.zone, "z");
    EXPECT_EQ(client.get("/x").endpoint().id, two.id());
}

TEST_F(EndpointFile, may_be_json_and_adds_to_what_is_listed) {
    ScriptedServer one;
    ScriptedServer two;
    write("endpoints.yaml",
          "[{\"address\": \"127.0.0.1\", \"port\": " + std::to_string(two.port()) + "}]");
    FailoverManager manager{config("      endpoints: [\"http://" + one.id() + "\"]\n")};
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{one.id(), two.id()}; }));
}

TEST_F(EndpointFile, that_is_missing_fails_calls_with_its_name_and_may_come_later) {
    ScriptedServer one;
    FailoverManager manager{config()};
    FailoverClient client = manager.client("users");
    const Result<Response> result = client.try_get("/x", {.deadline = 100ms});
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::discovery_unavailable) << result.error();
    EXPECT_NE(result.error().detail.find("endpoints.yaml"), std::string::npos) << result.error();
    write("endpoints.yaml", "- http://" + one.id() + "\n");
    EXPECT_EQ(client.get("/x").status(), 200);
}

TEST_F(EndpointFile, that_turns_bad_keeps_the_last_good_set) {
    ScriptedServer one;
    write("endpoints.yaml", "- http://" + one.id() + "\n");
    FailoverManager manager{config()};
    const EventLog events{manager};
    EXPECT_EQ(manager.client("users").get("/x").status(), 200);
    write("endpoints.yaml", "- ftp://h:1\n- {weight: x}\n");
    ASSERT_TRUE(events.wait_for(EventKind::discovery_lost));
    EXPECT_EQ(ids(manager), Ids{one.id()});
    EXPECT_EQ(manager.client("users").get("/x").status(), 200);
    write("endpoints.yaml", "- http://" + one.id() + "\n");
    EXPECT_TRUE(events.wait_for(EventKind::discovery_recovered));
}

TEST_F(EndpointFile, keeps_its_connections_through_a_reload) {
    ScriptedServer one;
    ScriptedServer two;
    write("endpoints.yaml", "- {url: \"http://" + two.id() + "\", priority: 0}\n");
    const std::string listed =
        "      endpoints: [{url: \"http://" + one.id() + "\", priority: 1}]\n";
    FailoverManager manager{config(listed)};
    FailoverClient client = manager.client("users");
    ASSERT_TRUE(wait_until([&] { return ids(manager).size() == 2; }));
    const EventLog events{manager};
    EXPECT_EQ(client.get("/x").endpoint().id, two.id());
    manager.reload(config(listed + "      failover: {max_retries: 2}\n"));
    write("endpoints.yaml", "- {url: \"http://" + two.id() + "\", priority: 0, weight: 2}\n");
    ASSERT_TRUE(wait_until([&] { return manager.endpoints("users").at(1).weight == 2; }));
    EXPECT_EQ(client.get("/x").endpoint().id, two.id());
    EXPECT_EQ(two.connections(), 1U);
    EXPECT_EQ(events.count(EventKind::endpoint_removed), 0U);
}

TEST_F(EndpointFile, that_a_reload_no_longer_names_takes_its_endpoints_along_for_good) {
    ScriptedServer one;
    ScriptedServer two;
    ScriptedServer three;
    write("endpoints.yaml", "- http://" + two.id() + "\n");
    FailoverManager manager{config("      endpoints: [\"http://" + one.id() + "\"]\n")};
    ASSERT_TRUE(wait_until([&] { return ids(manager) == Ids{one.id(), two.id()}; }));
    manager.reload(parse_config("failover:\n  services:\n    users:\n      endpoints: [\"http://" +
                                three.id() + "\"]\n      health_check: {type: none}\n"));
    EXPECT_EQ(ids(manager), Ids{three.id()});
    EXPECT_FALSE(wait_until([&] { return ids(manager) != Ids{three.id()}; }, 300ms))
        << "what followed the file came back with it";
}

TEST_F(EndpointFile, goes_on_beside_what_a_reload_lists) {
    ScriptedServer one;
    ScriptedServer two;
    ScriptedServer three;
    write("endpoints.yaml", "- http://" + two.id() + "\n");
    FailoverManager manager{config("      endpoints: [\"http://" + one.id() + "\"]\n")};
    ASSERT_TRUE(wait_until([&] { return ids(manager) == Ids{one.id(), two.id()}; }));
    const EventLog events{manager};
    manager.reload(config("      endpoints: [\"http://" + three.id() + "\"]\n"));
    // `two` is in both, and stays where it was.
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{three.id(), two.id()}; }));
    EXPECT_FALSE(wait_until([&] { return ids(manager) != Ids{three.id(), two.id()}; }, 300ms));
    EXPECT_EQ(events.count(EventKind::endpoint_removed, two.id()), 0U);
}

TEST_F(EndpointFile, that_says_the_same_brings_nothing_back_that_was_deregistered) {
    ScriptedServer one;
    ScriptedServer two;
    const std::string text = "- http://" + one.id() + "\n- http://" + two.id() + "\n";
    write("endpoints.yaml", text);
    FailoverManager manager{config()};
    const EventLog events{manager};
    ASSERT_TRUE(wait_until([&] { return ids(manager) == Ids{one.id(), two.id()}; }));
    manager.deregister_endpoint("users", one.id());
    ASSERT_TRUE(wait_until([&] { return ids(manager) == Ids{two.id()}; }));
    write("another.yaml", "something else\n");
    EXPECT_FALSE(wait_until([&] { return ids(manager) != Ids{two.id()}; }, 300ms));
    std::filesystem::remove(path("endpoints.yaml"));
    ASSERT_TRUE(events.wait_for(EventKind::discovery_lost));
    write("endpoints.yaml", text);
    EXPECT_TRUE(events.wait_for(EventKind::discovery_recovered)) << "the same text, but it is back";
    EXPECT_EQ(ids(manager), Ids{two.id()});
    write("endpoints.yaml", text + "# changed\n");
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{one.id(), two.id()}; }));
}

} // namespace endpoint_files_test
