// SPDX-License-Identifier: MIT
#include "support/temp_dir.hpp"
#include <failover/discovery/consul/agent_token.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace agent_token_test {

using namespace failover;
using namespace failover::discovery;
using namespace failover::test;
using testing::HasSubstr;
using testing::Not;

ConsulOptions with_file(const std::filesystem::path& file) {
    ConsulOptions options;
    options.token_file = file.string();
    return options;
}

TEST(AgentToken, is_the_configured_one_without_surrounding_space) {
    ConsulOptions options;
    AgentToken none{options};
    EXPECT_EQ(none.refresh(), "");
    EXPECT_TRUE(none.get().empty());
    options.token = Secret{" secret-1\r\n"};
    AgentToken token{options};
    EXPECT_EQ(token.refresh(), "");
    EXPECT_EQ(token.get().reveal(), "secret-1");
}

TEST(AgentToken, is_read_again_when_its_file_changes) {
    const TempDir dir;
    write_file(dir / "token", "first\n");
    AgentToken token{with_file(dir / "token")};
    EXPECT_EQ(token.refresh(), "");
    EXPECT_EQ(token.get().reveal(), "first");
    write_file(dir / "token", "  the second  \n");
    EXPECT_EQ(token.refresh(), "");
    EXPECT_EQ(token.get().reveal(), "the second");
}

TEST(AgentToken, stays_when_its_file_is_gone_or_holds_none) {
    const TempDir dir;
    write_file(dir / "token", "good");
    AgentToken token{with_file(dir / "token")};
    EXPECT_EQ(token.refresh(), "");
    write_file(dir / "token", "\n");
    EXPECT_THAT(token.refresh(), HasSubstr("holds no token"));
    write_file(dir / "token", std::string(5000, 'x'));
    EXPECT_THAT(token.refresh(), HasSubstr("is no token"));
    std::filesystem::remove(dir / "token");
    EXPECT_THAT(token.refresh(), HasSubstr((dir / "token").string()));
    EXPECT_EQ(token.get().reveal(), "good");
}

TEST(AgentToken, that_would_break_a_header_is_told_of_without_showing_it) {
    ConsulOptions options;
    options.token = Secret{"secret\r\nX-Evil: 1"};
    AgentToken token{options};
    EXPECT_THAT(token.refresh(), HasSubstr("control characters"));
    EXPECT_THAT(token.refresh(), Not(HasSubstr("secret")));
}

} // namespace agent_token_test
