// SPDX-License-Identifier: MIT
#include <failover/engine/cache/timed_write.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace timed_write_test {

using failover::cache::append_timed_write;
using failover::cache::resp;
using failover::cache::timed_write_script;
using namespace std::chrono_literals;

std::string timed(const std::string& command) {
    std::string out;
    append_timed_write(out, command, 1234567us);
    return out;
}

TEST(TimedWrite, is_the_command_by_way_of_the_script) {
    EXPECT_EQ(
        timed(resp({"SET", "key", "value", "PX", "100"})),
        resp({"EVAL", timed_write_script, "1", "key", "1234567", "SET", "value", "PX", "100"}));
    EXPECT_EQ(timed(resp({"DEL", "key"})),
              resp({"EVAL", timed_write_script, "1", "key", "1234567", "DEL"}));
}

TEST(TimedWrite, keys_and_values_are_any_bytes) {
    const std::string bytes{"\r\n$3\r\n\0*1", 9};
    const std::string long_one(100'000, '\n');
    for (const std::string& key : {bytes, long_one, std::string{}}) {
        for (const std::string& value : {bytes, long_one, std::string{}}) {
            EXPECT_EQ(timed(resp({"SET", key, value})),
                      resp({"EVAL", timed_write_script, "1", key, "1234567", "SET", value}));
        }
    }
}

} // namespace timed_write_test
