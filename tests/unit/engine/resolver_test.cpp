// SPDX-License-Identifier: MIT
#include "support/wait_until.hpp"
#include <failover/engine/resolver.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <pthread.h>

namespace resolver_test {

using namespace failover;
using namespace std::chrono_literals;

/// No thread can be started while one exists: stacks would be larger than all memory there can be.
class NoThreads {
public:
    NoThreads() {
        ::pthread_getattr_default_np(&before_);
        pthread_attr_t huge = before_;
        ::pthread_attr_setstacksize(&huge, std::size_t{1} << 47U);
        ::pthread_setattr_default_np(&huge);
    }
    NoThreads(const NoThreads&) = delete;
    NoThreads& operator=(const NoThreads&) = delete;
    ~NoThreads() {
        ::pthread_setattr_default_np(&before_);
        ::pthread_attr_destroy(&before_);
    }

private:
    pthread_attr_t before_{};
};

TEST(Resolver, an_address_needs_no_look_up) {
    const auto resolver = std::make_shared<Resolver>();
    const auto answer = resolver->known("127.0.0.1");
    ASSERT_TRUE(answer && answer->has_value());
    EXPECT_TRUE(answer->value().at(0).is_loopback());
}

TEST(Resolver, without_a_thread_a_look_up_fails_and_later_ones_are_made) {
    const auto resolver = std::make_shared<Resolver>();
    {
        const NoThreads none;
        for (const char* host : {"one.invalid", "two.invalid", "three.invalid"}) {
            const auto answer = resolver->known(host);
            ASSERT_TRUE(answer && answer->has_error());
            EXPECT_EQ(answer->error(), boost::system::errc::resource_unavailable_try_again);
        }
    }
    const auto found = [&] {
        const auto answer = resolver->known("localhost");
        return answer && answer->has_value();
    };
    EXPECT_TRUE(test::wait_until(found));
    resolver->stop(10s);
}

} // namespace resolver_test
