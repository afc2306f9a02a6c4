// SPDX-License-Identifier: MIT
#include "support/config_text.hpp"
#include "support/events.hpp"
#include "support/scripted_server.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_ca.hpp"
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

// Files that change while a manager runs: endpoint files, the configuration and its fragments.

namespace config_files_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

class Files : public ::testing::Test {
protected:
    /// Replaced, as an editor does it: nobody reads half of it.
    void write(const std::string& name, const std::string& text) const {
        std::ofstream{dir_ / (name + ".new")} << text;
        std::filesystem::rename(dir_ / (name + ".new"), dir_ / name);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (dir_ / name).string(); }

    static std::vector<std::string> ids(FailoverManager& manager) {
        std::vector<std::string> ids;
        for (const Endpoint& endpoint : manager.endpoints("users")) {
            ids.push_back(endpoint.id);
        }
        return ids;
    }

    TempDir dir_;
};

class EndpointFile : public Files {
protected:
    [[nodiscard]] Config config(const std::string& more = "") const {
        return parse_config("failover:\n  services:\n    users:\n      file: \"" +
                            path("endpoints.yaml") + "\"\n" + more +
                            "      health_check: {type: none}\n");
    }
};

using Ids = std::vector<std::string>;

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
    EXPECT_TRUE(wait_until([&] {
        return manager.endpoints("users").size() == 2 &&
               events.count(EventKind::endpoint_added, three.id()) == 1;
    }));
    EXPECT_FALSE(events.wait_for(EventKind::endpoint_added, one.id(), 300ms));
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

class WatchedConfig : public Files {
protected:
    WatchedConfig() {
        std::filesystem::create_directory(dir_ / "parts");
        write("config.yaml", main_file(one_.id()));
    }

    static std::string main_file(const std::string& endpoint) {
        return "config: {providers: {file: {path: parts}}}\n"
               "logging: {providers: {console: {level: error}}}\n"
               "failover:\n  services:\n    users:\n      endpoints: [\"http://" +
               endpoint + "\"]\n      health_check: {type: none}\n";
    }
    static std::string fragment(const std::string& endpoint) {
        return "failover: {services: {users: {endpoints: [\"http://" + endpoint + "\"]}}}\n";
    }

    ScriptedServer one_;
    ScriptedServer two_;
};

TEST_F(WatchedConfig, a_fragment_that_appears_changes_or_goes_is_applied) {
    FailoverManager manager{path("config.yaml")};
    EXPECT_EQ(ids(manager), Ids{one_.id()});
    write("parts/a.yaml", fragment(two_.id()));
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }));
    std::filesystem::remove(dir_ / "parts/a.yaml");
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{one_.id()}; }));
}

TEST_F(WatchedConfig, what_changed_between_loading_and_the_start_is_applied) {
    const Config loaded = load_config(path("config.yaml"));
    write("parts/a.yaml", fragment(two_.id()));
    FailoverManager manager{loaded};
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }));
}

TEST_F(WatchedConfig, what_is_in_force_is_not_applied_again) {
    write("parts/a.yaml", fragment(two_.id()));
    FailoverManager manager{path("config.yaml")};
    const EventLog events{manager};
    EXPECT_FALSE(events.wait_for(EventKind::config_reloaded, {}, 300ms));
    write("other.yaml", main_file(one_.id()));
    manager.reload(load_config(path("other.yaml")));
    ASSERT_TRUE(events.wait_for(EventKind::config_reloaded));
    write("parts/notes.txt", "makes it look");
    EXPECT_FALSE(wait_until([&] { return events.count(EventKind::config_reloaded) > 1; }, 300ms));
}

TEST_F(WatchedConfig, so_is_the_main_file) {
    FailoverManager manager{path("config.yaml")};
    write("config.yaml", main_file(two_.id()));
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }));
}

TEST_F(WatchedConfig, fragments_behind_a_link_are_followed_as_kubernetes_replaces_them) {
    // A ConfigMap: files are links into ..data, which is a link that is replaced.
    const auto publish = [&](const std::string& version, const std::string& text) {
        std::filesystem::create_directory(dir_ / "parts" / version);
        write("parts/" + version + "/a.yaml", text);
        std::filesystem::create_directory_symlink(version, dir_ / "parts/..tmp");
        std::filesystem::rename(dir_ / "parts/..tmp", dir_ / "parts/..data");
    };
    publish("..1", fragment(one_.id()));
    std::filesystem::create_symlink("..data/a.yaml", dir_ / "parts/a.yaml");
    FailoverManager manager{path("config.yaml")};
    EXPECT_EQ(ids(manager), Ids{one_.id()});
    publish("..2", fragment(two_.id()));
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }, 5s));
}

TEST_F(WatchedConfig, a_directory_that_was_replaced_is_watched_like_the_one_before) {
    FailoverManager manager{path("config.yaml")};
    const EventLog events{manager};
    std::filesystem::remove_all(dir_ / "parts");
    std::filesystem::create_directory(dir_ / "parts");
    write("parts/a.yaml", fragment(two_.id()));
    ASSERT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }, 5s));
    write("parts/a.yaml", fragment(one_.id()));
    // Sooner than by looking now and then.
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{one_.id()}; }, 5s));
}

TEST_F(WatchedConfig, another_directory_of_fragments_is_watched_from_the_reload_on) {
    std::filesystem::create_directory(dir_ / "others");
    FailoverManager manager{path("config.yaml")};
    const EventLog events{manager};
    std::string text = main_file(one_.id());
    text.replace(text.find("parts"), 5, "others");
    write("config.yaml", text);
    ASSERT_TRUE(events.wait_for(EventKind::config_reloaded));
    write("others/a.yaml", fragment(two_.id()));
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }, 5s));
}

TEST_F(WatchedConfig, another_main_file_is_watched_from_the_reload_on_and_the_first_one_no_more) {
    const ScriptedServer three;
    write("other.yaml", main_file(two_.id())); // the same directory of fragments
    FailoverManager manager{path("config.yaml")};
    manager.reload(load_config(path("other.yaml")));
    EXPECT_EQ(ids(manager), Ids{two_.id()});
    write("config.yaml", main_file(one_.id()) + "# changed\n");
    EXPECT_FALSE(wait_until([&] { return ids(manager) != Ids{two_.id()}; }, 300ms));
    write("other.yaml", main_file(three.id()));
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{three.id()}; }, 5s));
}

TEST_F(WatchedConfig, a_bad_fragment_changes_nothing_and_is_named) {
    FailoverManager manager{path("config.yaml")};
    const EventLog events{manager};
    EXPECT_EQ(manager.client("users").get("/x").status(), 200);
    write("parts/bad.yaml", "failover: {services: {users: {endpoints: [nonsense]}}}\n");
    ASSERT_TRUE(events.wait_for(EventKind::config_rejected));
    for (const Event& event : events.all()) {
        if (event.kind == EventKind::config_rejected) {
            EXPECT_NE(event.reason.find("parts/bad.yaml:1"), std::string::npos) << event.reason;
        }
    }
    EXPECT_EQ(manager.client("users").get("/x").endpoint().id, one_.id());
    EXPECT_EQ(one_.connections(), 1U);
    write("parts/bad.yaml", fragment(two_.id()));
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }));
}

TEST_F(WatchedConfig, what_was_refused_for_a_file_it_names_is_applied_once_that_is_there) {
    FailoverManager manager{path("config.yaml")};
    const EventLog events{manager};
    write("parts/a.yaml", "failover: {services: {users: {endpoints: [\"http://" + two_.id() +
                              "\"], tls: {ca_file: \"" + path("ca.pem") + "\"}}}}\n");
    ASSERT_TRUE(events.wait_for(EventKind::config_rejected));
    write("parts/notes.txt", "makes it look");
    EXPECT_FALSE(wait_until([&] { return events.count(EventKind::config_rejected) > 1; }, 300ms))
        << "the reason is the same";
    EXPECT_EQ(ids(manager), Ids{one_.id()});
    const TlsCa ca{dir_.path(), "ca"};
    EXPECT_TRUE(wait_until([&] { return ids(manager) == Ids{two_.id()}; }, 5s));
}

TEST_F(WatchedConfig, a_fault_that_went_and_came_back_is_reported_twice) {
    FailoverManager manager{path("config.yaml")};
    const EventLog events{manager};
    const auto rejected = [&] { return events.count(EventKind::config_rejected); };
    write("parts/bad.yaml", "nonsense: 1\n");
    ASSERT_TRUE(wait_until([&] { return rejected() == 1; }));
    write("parts/bad.yaml", "nonsense: [\n");
    ASSERT_TRUE(wait_until([&] { return rejected() == 2; })) << "the reason is another one";
    std::filesystem::remove(path("parts/bad.yaml"));
    EXPECT_FALSE(wait_until([&] { return rejected() > 2; }, 300ms));
    EXPECT_EQ(events.count(EventKind::config_reloaded), 0U) << "it is in force all the time";
    write("parts/bad.yaml", "nonsense: [\n");
    EXPECT_TRUE(wait_until([&] { return rejected() == 3; }));
}

TEST_F(WatchedConfig, one_that_cannot_be_used_at_the_start_refuses_the_start) {
    write("parts/bad.yaml", "nonsense: 1\n");
    EXPECT_THROW(FailoverManager{path("config.yaml")}, ConfigError);
}

} // namespace config_files_test
