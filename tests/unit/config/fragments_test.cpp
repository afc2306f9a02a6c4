// SPDX-License-Identifier: MIT
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <support/temp_dir.hpp>
#include <vector>

namespace failover {
namespace fragments_test {

/// A main file that names the directory "parts" beside it.
class Fragments : public ::testing::Test {
protected:
    Fragments() {
        std::filesystem::create_directory(dir_ / "parts");
        write("config.yaml",
              "config: {providers: {file: {path: parts}}}\n"
              "service: {name: main, version: \"1\"}\n"
              "failover:\n"
              "  services:\n"
              "    a:\n"
              "      endpoints: [\"http://h:1\", \"http://h:2\"]\n"
              "      failover: {max_retries: 1, timeout: 7s}\n");
    }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream{dir_ / name} << text;
    }
    [[nodiscard]] Config load() const { return load_config(dir_ / "config.yaml"); }
    [[nodiscard]] std::string refusal() const {
        try {
            static_cast<void>(load());
        } catch (const ConfigError& error) {
            std::string text;
            for (const ConfigIssue& issue : error.issues()) {
                text += to_string(issue) + '\n';
            }
            const std::string root = dir_.path().string() + '/';
            for (std::size_t at = 0; (at = text.find(root)) != std::string::npos;) {
                text.erase(at, root.size());
            }
            return text;
        }
        return "accepted";
    }

    test::TempDir dir_;
};

TEST_F(Fragments, are_laid_over_the_main_file_key_by_key) {
    write("parts/10-a.yaml", "failover: {services: {a: {failover: {max_retries: 2}}}}\n");
    const Config config = load();
    EXPECT_EQ(config.services.at(0).failover.max_retries, 2U);
    EXPECT_EQ(config.services.at(0).failover.timeout, std::chrono::seconds{7});
    EXPECT_EQ(config.services.at(0).static_list.endpoints.size(), 2U);
    EXPECT_EQ(config.service.name, "main");
}

TEST_F(Fragments, a_list_is_replaced_as_a_whole) {
    write("parts/a.yml", "failover: {services: {a: {endpoints: [\"http://h:3\"]}}}\n");
    const Config config = load();
    ASSERT_EQ(config.services.at(0).static_list.endpoints.size(), 1U);
    EXPECT_EQ(config.services.at(0).static_list.endpoints.at(0).port, 3);
}

TEST_F(Fragments, the_later_name_wins) {
    write("parts/20.yaml", "service: {name: twenty}\n");
    write("parts/10.yaml", "service: {name: ten, version: \"2\"}\n");
    const Config config = load();
    EXPECT_EQ(config.service.name, "twenty");
    EXPECT_EQ(config.service.version, "2");
}

TEST_F(Fragments, a_new_service_is_added_behind_those_of_the_main_file) {
    write("parts/b.yaml", "failover:\n  services:\n    b: {endpoints: [\"http://h:9\"]}\n");
    const Config config = load();
    ASSERT_EQ(config.services.size(), 2U);
    EXPECT_EQ(config.services.at(0).name, "a");
    EXPECT_EQ(config.services.at(1).name, "b");
}

TEST_F(Fragments, an_empty_section_or_file_changes_nothing) {
    write("parts/a.yaml", "failover:\nservice:\n");
    write("parts/b.yaml", "");
    const Config config = load();
    EXPECT_EQ(config.services.size(), 1U);
    EXPECT_EQ(config.service.name, "main");
}

TEST_F(Fragments, other_names_and_the_main_file_itself_are_left_out) {
    write("config.yaml", "config: {providers: {file: {path: .}}}\nservice: {name: main}\n");
    write(".hidden.yaml", "service: {name: hidden}\n");
    write("notes.txt", "service: {name: notes}\n");
    EXPECT_EQ(load().service.name, "main");
}

TEST_F(Fragments, no_directory_is_no_fragments) {
    std::filesystem::remove(dir_ / "parts");
    EXPECT_EQ(load().service.name, "main");
}

TEST_F(Fragments, a_directory_that_cannot_be_listed_is_not_taken_for_none) {
    std::filesystem::remove(dir_ / "parts");
    write("parts", "not a directory");
    EXPECT_NE(refusal().find("parts"), std::string::npos) << refusal();
    EXPECT_NE(refusal().find("cannot be listed: Not a directory"), std::string::npos) << refusal();
    for (const char* target : {"nowhere", "parts"}) {
        std::filesystem::remove(dir_ / "parts");
        std::filesystem::create_symlink(target, dir_ / "parts");
        EXPECT_NE(refusal().find("cannot be listed"), std::string::npos) << refusal();
        EXPECT_THROW(static_cast<void>(fragment_files(dir_ / "parts/", dir_ / "config.yaml")),
                     ConfigError);
    }
}

TEST_F(Fragments, a_link_that_leads_to_no_file_is_refused_by_name) {
    for (const char* target : {"nowhere", "a.yaml"}) {
        std::filesystem::create_symlink(target, dir_ / "parts/a.yaml");
        EXPECT_NE(refusal().find("parts/a.yaml"), std::string::npos) << refusal();
        std::filesystem::remove(dir_ / "parts/a.yaml");
    }
    std::filesystem::create_symlink("nowhere", dir_ / "parts/.#a.yaml"); // as editors lock a file
    std::filesystem::create_directory(dir_ / "parts/b.yaml");
    EXPECT_EQ(refusal(), "accepted");
}

TEST_F(Fragments, the_fingerprint_tells_whether_any_file_says_something_else) {
    const std::uint64_t alone = load().fingerprint;
    EXPECT_NE(alone, 0U);
    EXPECT_EQ(load().fingerprint, alone);
    write("parts/a.yaml", "service: {zone: a}\n");
    const std::uint64_t with_one = load().fingerprint;
    EXPECT_NE(with_one, alone);
    write("parts/a.yaml", "service: {zone: b}\n");
    EXPECT_NE(load().fingerprint, with_one);
    std::filesystem::rename(dir_ / "parts/a.yaml", dir_ / "parts/b.yaml");
    write("parts/b.yaml", "service: {zone: a}\n");
    EXPECT_NE(load().fingerprint, with_one) << "another name may be another order";
    EXPECT_EQ(parse_config("service: {name: x}\n").fingerprint, 0U);
}

TEST_F(Fragments, a_problem_names_the_file_and_line_that_say_it) {
    write("parts/a.yaml",
          "failover:\n  services:\n    a:\n      failover:\n        max_retries: many\n");
    write("parts/b.yaml", "\nservice: {nmae: x}\n");
    const std::string text = refusal();
    EXPECT_NE(text.find("parts/a.yaml:5:failover.services.a.failover.max_retries"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("parts/b.yaml:2:service.nmae"), std::string::npos) << text;
}

TEST_F(Fragments, what_only_both_together_say_wrong_names_the_fragment_that_did_it) {
    write("parts/a.yaml", "failover:\n  services:\n    a:\n      failover: {timeout: 0s}\n");
    const std::string text = refusal();
    EXPECT_NE(text.find("parts/a.yaml:4:failover.services.a.failover.timeout"), std::string::npos)
        << text;
}

TEST_F(Fragments, a_key_that_stands_twice_is_refused_also_where_another_file_has_it) {
    write("config.yaml",
          "config: {providers: {file: {path: parts}}}\n"
          "failover:\n"
          "  services:\n"
          "    a: {endpoints: [\"http://h:1\"]}\n"
          "  services:\n"
          "    b: {endpoints: [\"http://h:1\"]}\n"
          "service: {name: x}\n"
          "service: {zone: y}\n");
    write("parts/a.yaml",
          "failover:\n"
          "  services:\n"
          "    a: {endpoints: [\"http://h:2\"]}\n"
          "    a: {endpoints: [\"http://h:3\"]}\n"
          "service:\n");
    write("parts/b.yaml", "failover: {services: {a: {endpoints: [\"http://h:4\"]}}}\n");
    EXPECT_EQ(refusal(),
              "config.yaml:5:failover.services: this key stands here twice\n"
              "config.yaml:8:service: this key stands here twice\n"
              "parts/a.yaml:4:failover.services.a: this key stands here twice\n");
}

TEST_F(Fragments, a_problem_of_a_section_that_several_files_have_is_where_the_first_has_it) {
    write("config.yaml",
          "config: {providers: {file: {path: parts}}}\n"
          "nonsense: {x: 1}\n");
    write("parts/a.yaml", "\n\n\nnonsense: {y: 1}\nrubbish: {x: 1}\n");
    write("parts/b.yaml", "nonsense: {z: 1}\nrubbish: {y: 1}\n");
    const std::string text = refusal();
    EXPECT_NE(text.find("config.yaml:2:nonsense"), std::string::npos) << text;
    EXPECT_NE(text.find("parts/a.yaml:5:rubbish"), std::string::npos) << text;
}

TEST_F(Fragments, of_a_section_that_was_replaced_nobody_is_blamed_any_more) {
    write("config.yaml",
          "config: {providers: {file: {path: parts}}}\n"
          "alerts: {unhealthy_for: 1s}\n");
    write("parts/a.yaml", "alerts: {webhook: nonsense}\n");
    write("parts/b.yaml", "alerts: plain\n");
    write("parts/c.yaml", "\nalerts: {webhook: nonsense}\n");
    EXPECT_NE(refusal().find("parts/c.yaml:2:alerts.webhook"), std::string::npos) << refusal();
}

TEST_F(Fragments, a_service_that_several_files_have_keeps_its_place) {
    write("parts/a.yaml", "failover: {services: {b: {endpoints: [\"http://h:9\"]}}}\n");
    write("parts/b.yaml", "failover: {services: {a: {failover: {max_retries: 2}}}}\n");
    const Config config = load();
    ASSERT_EQ(config.services.size(), 2U);
    EXPECT_EQ(config.services.at(0).name, "a") << "the one that is meant where none is named";
    EXPECT_EQ(config.services.at(0).failover.max_retries, 2U);
}

TEST_F(Fragments, one_that_names_another_directory_of_fragments_is_refused) {
    write("parts/a.yaml", "config: {providers: {file: {path: others}}}\n");
    EXPECT_EQ(refusal(),
              "parts/a.yaml:1:config.providers.file.path: only the main file says where "
              "fragments are\n");
}

TEST_F(Fragments, one_may_name_the_same_directory_or_none) {
    write("parts/a.yaml", "config: {providers: {file: {path: ./parts/}}}\n");
    write("parts/b.yaml", "config: {providers: {file: {path: \"\"}}}\n");
    EXPECT_EQ(load().fragments.path, "parts");
}

TEST_F(Fragments, a_variable_that_is_not_set_is_reported_where_it_is_named) {
    write("parts/a.yaml",
          "failover:\n"
          "  services:\n"
          "    a: {service_name: \"${FAILOVER_TEST_UNSET}\"}\n"
          "cache: {providers: {redis: {primary: "
          "{url: \"redis://${FAILOVER_TEST_UNSET}\"}}}}\n");
    const Config config = load();
    const std::string file = (dir_ / "parts/a.yaml").string();
    const std::vector<ConfigIssue> issues = unset_issues(config);
    ASSERT_EQ(issues.size(), 1U);
    EXPECT_EQ(issues.front().file, file);
    EXPECT_EQ(issues.front().line, 3);
    ASSERT_EQ(config.cache.unset.size(), 1U);
    EXPECT_EQ(unset_issue(config.source, config.cache.unset.front()).file, file);
}

TEST_F(Fragments, one_that_is_no_yaml_or_no_map_is_refused) {
    write("parts/a.yaml", "a: [\n");
    EXPECT_NE(refusal().find("parts/a.yaml:"), std::string::npos) << refusal();
    write("parts/a.yaml", "- x\n");
    EXPECT_NE(refusal().find("parts/a.yaml:1"), std::string::npos) << refusal();
}

} // namespace fragments_test
} // namespace failover
