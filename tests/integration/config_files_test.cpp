// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/followed_files.hpp"
#include "support/scripted_server.hpp"
#include "support/tls_ca.hpp"
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

// The configuration and its fragments, when they change while a manager runs.

namespace config_files_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

class WatchedConfig : public FollowedFiles {
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
