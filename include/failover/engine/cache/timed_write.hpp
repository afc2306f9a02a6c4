// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/cache/answer.hpp>
#include <failover/engine/cache/resp.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace failover::cache {

/// Executes a command unless its time is over. What a client has given up may be under way still:
/// in a network that held it up, or before a server that was frozen. Others take it for over by
/// then.
///     KEYS[1] its key; ARGV[1] until when, microseconds of the server's clock; ARGV[2] its name;
///     then the rest of it
/// Its reply, or the error FOLATE. Redis 6 puts a place in the script before its errors, which
/// goes.
inline constexpr std::string_view timed_write_script = R"(
local now = redis.call('TIME')
if now[1] * 1000000 + now[2] > tonumber(ARGV[1]) then
    return redis.error_reply('FOLATE the write came after its time')
end
local reply = redis.pcall(ARGV[2], KEYS[1], unpack(ARGV, 3))
if type(reply) == 'table' and reply.err then
    return redis.error_reply((string.gsub(reply.err, '^@user_script: ?%d+: %-?', '')))
end
return reply)";

[[nodiscard]] inline bool came_too_late(const Answer& answer) {
    return answer.is_error() && answer.reply.text().starts_with("FOLATE ");
}

/// `command`: one of this library's, with a name, a key and at least nothing more.
inline void append_timed_write(std::string& out, std::string_view command,
                               std::chrono::microseconds until) {
    static const std::string head = [] {
        std::string words = resp({"EVAL", timed_write_script, "1"});
        return words.substr(words.find('\n') + 1); // without their number
    }();
    const auto line_end = [&](std::size_t from) { return command.find("\r\n", from) + 2; };
    // A bulk string is two lines, of which the second may hold anything.
    const auto bulk_end = [&](std::size_t from) {
        std::size_t size = 0;
        const std::size_t text = line_end(from);
        std::from_chars(command.data() + from + 1, command.data() + text, size);
        return text + size + 2;
    };
    std::size_t words = 0;
    const std::size_t name = line_end(0);
    std::from_chars(command.data() + 1, command.data() + name, words);
    const std::size_t key = bulk_end(name);
    const std::size_t rest = bulk_end(key);

    out.reserve(out.size() + head.size() + command.size() + 64);
    detail::append_count(out, '*', words + 4);
    out.append(head).append(command.substr(key, rest - key));
    const std::string time = std::to_string(until.count());
    detail::append_count(out, '$', time.size());
    out.append(time).append("\r\n");
    out.append(command.substr(name, key - name)).append(command.substr(rest));
}

} // namespace failover::cache
