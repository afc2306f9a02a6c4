// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/secret.hpp>
#include <failover/engine/cache/answer.hpp>
#include <failover/engine/cache/link.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace failover::redis {

/// What every connection says first, also after each reconnect.
struct Credentials {
    std::string user{};
    Secret password{};
    std::uint32_t db = 0;
};

/// One log-in: the commands to send, and what their replies come to.
class Login {
public:
    explicit Login(const Credentials& credentials);

    /// All commands, to be written at once.
    [[nodiscard]] const std::vector<std::string>& commands() const noexcept { return commands_; }
    /// Replies to them, in order. False: the server refused; problem() says why.
    [[nodiscard]] bool take(const Reply& reply);
    [[nodiscard]] bool complete() const noexcept { return taken_ == commands_.size(); }
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    [[nodiscard]] const cache::Identity& identity() const noexcept { return identity_; }

private:
    enum class Step : std::uint8_t { auth, select, name, id, info };

    void add(Step step, std::string command);

    std::vector<std::string> commands_;
    std::vector<Step> steps_;
    std::size_t taken_ = 0;
    std::string problem_;
    cache::Identity identity_;
};

/// The value of a line "name:value" of an INFO reply; empty: there is none.
[[nodiscard]] std::string info_field(const std::string& info, const std::string& name);

} // namespace failover::redis
