// SPDX-License-Identifier: MIT
#include <failover/engine/call_registry.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace call_registry_test {

using failover::Abortable;
using failover::CallControl;
using failover::CallRegistry;
using failover::Waiting;

struct Sleeper final : Abortable {
    void abort() noexcept override { ++aborts; }
    int aborts = 0;
};

TEST(CallControl, abort_reaches_what_the_call_waits_in_and_nothing_else) {
    CallControl control;
    Sleeper first;
    Sleeper second;
    { const Waiting waiting{control, first}; }
    const Waiting waiting{control, second};
    control.abort();
    EXPECT_EQ(first.aborts, 0);
    EXPECT_EQ(second.aborts, 1);
}

TEST(CallControl, an_aborted_call_cannot_begin_to_wait) {
    CallControl control;
    control.abort();
    Sleeper sleeper;
    const Waiting waiting{control, sleeper};
    EXPECT_FALSE(waiting.entered());
    control.abort();
    EXPECT_EQ(sleeper.aborts, 0);
}

TEST(CallRegistry, is_idle_only_while_no_call_is_registered) {
    CallRegistry registry;
    EXPECT_TRUE(registry.idle());
    std::optional<CallRegistry::Entry> first;
    std::optional<CallRegistry::Entry> second;
    first.emplace(registry);
    second.emplace(registry);
    EXPECT_FALSE(registry.idle());
    first.reset();
    EXPECT_FALSE(registry.idle());
    second.reset();
    EXPECT_TRUE(registry.wait_idle(std::chrono::seconds{0}));
}

TEST(CallRegistry, refuses_calls_once_closed_and_lets_the_others_go_on) {
    CallRegistry registry;
    CallRegistry::Entry before{registry};
    registry.close();
    CallRegistry::Entry after{registry};
    EXPECT_TRUE(before.open());
    EXPECT_FALSE(after.open());
    EXPECT_FALSE(registry.idle());
    EXPECT_FALSE(before.control().aborted());
    registry.abort_all();
    EXPECT_TRUE(before.control().aborted());
    EXPECT_FALSE(after.control().aborted());
}

} // namespace call_registry_test
