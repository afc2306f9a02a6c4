// SPDX-License-Identifier: MIT
#include <failover/config/redis_url.hpp>

#include <gtest/gtest.h>

#include <string>

namespace failover {
namespace redis_url_test {

RedisUrl parsed(const std::string& text) {
    const std::optional<RedisUrl> url = parse_redis_url(text);
    EXPECT_TRUE(url.has_value()) << text;
    return url.value_or(RedisUrl{});
}

TEST(RedisUrl, of_a_host_alone_has_defaults) {
    const RedisUrl url = parsed("redis://cache.internal");
    EXPECT_FALSE(url.tls);
    EXPECT_EQ(url.host, "cache.internal");
    EXPECT_EQ(url.port, 6379);
    EXPECT_EQ(url.user, "");
    EXPECT_EQ(url.password, "");
    EXPECT_FALSE(url.db.has_value());
}

TEST(RedisUrl, may_name_everything) {
    const RedisUrl url = parsed("rediss://app:s3cret@10.0.0.1:6380/7");
    EXPECT_TRUE(url.tls);
    EXPECT_EQ(url.host, "10.0.0.1");
    EXPECT_EQ(url.port, 6380);
    EXPECT_EQ(url.user, "app");
    EXPECT_EQ(url.password, "s3cret");
    EXPECT_EQ(url.db, 7U);
}

TEST(RedisUrl, has_ipv6_addresses_in_brackets) {
    const RedisUrl plain = parsed("redis://[::1]");
    EXPECT_EQ(plain.host, "::1");
    EXPECT_EQ(plain.port, 6379);
    const RedisUrl full = parsed("redis://:p@[fe80::1%eth0]:7000/0");
    EXPECT_EQ(full.host, "fe80::1%eth0");
    EXPECT_EQ(full.port, 7000);
    EXPECT_EQ(full.db, 0U);
}

TEST(RedisUrl, decodes_user_and_password) {
    const RedisUrl url = parsed("redis://a%3Ab:%2f%3F%23%25%40%c3%A4@h");
    EXPECT_EQ(url.user, "a:b");
    EXPECT_EQ(url.password, "/?#%@\xc3\xa4");
    EXPECT_EQ(parsed("redis://u:a:b@c@h").password, "a:b@c");
    EXPECT_EQ(parsed("redis://u%00:%00@h").password, std::string(1, '\0'));
}

TEST(RedisUrl, may_have_a_user_or_a_password_alone) {
    EXPECT_EQ(parsed("redis://app@h").user, "app");
    EXPECT_EQ(parsed("redis://app@h").password, "");
    EXPECT_EQ(parsed("redis://:p@h").user, "");
    EXPECT_EQ(parsed("redis://:p@h").password, "p");
    EXPECT_FALSE(parsed("redis://h/").db.has_value());
}

TEST(RedisUrl, that_is_none_is_refused) {
    for (const char* const bad : {"",
                                  "redis",
                                  "redis:",
                                  "redis://",
                                  "redis:///1",
                                  "redis://:6379",
                                  "redis://@",
                                  "http://h",
                                  "REDIS://h",
                                  "redis+tls://h",
                                  "h:6379",
                                  "redis://h:",
                                  "redis://h:0",
                                  "redis://h:65536",
                                  "redis://h:x",
                                  "redis://h/x",
                                  "redis://h/-1",
                                  "redis://h/1/",
                                  "redis://h/1?a=b",
                                  "redis://h?a=b",
                                  "redis://h#1",
                                  "redis://h/99999999999",
                                  "redis://::1",
                                  "redis://[::1",
                                  "redis://[]",
                                  "redis://u:pa/ss@h",
                                  "redis://u:1/2@h",
                                  "redis://u:%@h",
                                  "redis://u:%4@h",
                                  "redis://u:%zz@h",
                                  "redis://u:%-1@h",
                                  "redis://a b",
                                  "redis://h\n",
                                  " redis://h"}) {
        EXPECT_FALSE(parse_redis_url(bad).has_value()) << bad;
    }
}

} // namespace redis_url_test
} // namespace failover
