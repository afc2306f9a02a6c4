// SPDX-License-Identifier: MIT
#include "support/wait_until.hpp"
#include <failover/engine/event_hub.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::event_hub_test {

using test::wait_until;

Event event_of(const std::string& reason) {
    return Event{.kind = EventKind::endpoint_added, .service = "billing", .reason = reason};
}

/// Keeps the lines it is given.
class KeptLog final : public LogSink {
public:
    void write(LogLevel level, std::string_view message,
               std::initializer_list<LogField> fields) override {
        lines.push_back((level == LogLevel::error ? "error " : "other ") + std::string{message});
        for (const LogField& field : fields) {
            lines.back() += ' ' + std::string{field.key} + '=' + std::string{field.value};
        }
    }
    std::vector<std::string> lines;
};

TEST(EventHub, handlers_see_events_in_order_from_their_subscription_on) {
    const auto hub = std::make_shared<EventHub>();
    std::vector<std::string> seen;
    hub->publish(event_of("before"));
    const Subscription subscription =
        hub->subscribe([&](const Event& event) { seen.push_back(event.reason); });
    hub->publish(event_of("1"));
    hub->publish(event_of("2"));
    EXPECT_EQ(seen, (std::vector<std::string>{"1", "2"}));
}

TEST(EventHub, a_dropped_subscription_hears_nothing_more) {
    const auto hub = std::make_shared<EventHub>();
    int first = 0;
    int second = 0;
    Subscription one = hub->subscribe([&](const Event&) { ++first; });
    const Subscription two = hub->subscribe([&](const Event&) { ++second; });
    hub->publish(event_of("1"));
    one.reset();
    hub->publish(event_of("2"));
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 2);
}

TEST(EventHub, a_handler_may_drop_its_own_subscription) {
    const auto hub = std::make_shared<EventHub>();
    int calls = 0;
    Subscription subscription;
    subscription = hub->subscribe([&](const Event&) {
        ++calls;
        subscription.reset();
    });
    hub->publish(event_of("1"));
    hub->publish(event_of("2"));
    EXPECT_EQ(calls, 1);
}

TEST(EventHub, dropping_waits_for_a_handler_that_runs_elsewhere) {
    const auto hub = std::make_shared<EventHub>();
    std::promise<void> entered;
    std::promise<void> leave;
    std::atomic<bool> left{false};
    Subscription subscription = hub->subscribe([&](const Event&) {
        entered.set_value();
        leave.get_future().wait();
        left = true;
    });
    std::thread publisher{[&] { hub->publish(event_of("1")); }};
    entered.get_future().wait();
    std::atomic<bool> dropped{false};
    std::thread dropper{[&] {
        subscription.reset();
        dropped = true;
        EXPECT_TRUE(left);
    }};
    EXPECT_FALSE(wait_until([&] { return dropped.load(); }, std::chrono::milliseconds{20}));
    leave.set_value();
    dropper.join();
    publisher.join();
    EXPECT_TRUE(dropped);
}

TEST(EventHub, after_close_no_handler_runs_and_nobody_can_subscribe) {
    const auto hub = std::make_shared<EventHub>();
    int calls = 0;
    const Subscription before = hub->subscribe([&](const Event&) { ++calls; });
    hub->close();
    hub->publish(event_of("1"));
    const Subscription after = hub->subscribe([&](const Event&) { ++calls; });
    EXPECT_FALSE(after);
    EXPECT_EQ(calls, 0);
    EXPECT_TRUE(hub->since(0).empty());
}

TEST(EventHub, a_handler_may_close_the_hub) {
    const auto hub = std::make_shared<EventHub>();
    int calls = 0;
    const Subscription one = hub->subscribe([&](const Event&) {
        ++calls;
        hub->close();
    });
    const Subscription two = hub->subscribe([&](const Event&) { ++calls; });
    hub->publish(event_of("1"));
    hub->publish(event_of("2"));
    EXPECT_EQ(calls, 1);
}

TEST(EventHub, a_throwing_handler_is_logged_and_does_not_harm_the_others) {
    const auto log = std::make_shared<KeptLog>();
    const auto hub = std::make_shared<EventHub>(log);
    int calls = 0;
    const Subscription bad =
        hub->subscribe([](const Event&) { throw std::runtime_error{"broken"}; });
    const Subscription worse = hub->subscribe([](const Event&) { throw 7; });
    const Subscription good = hub->subscribe([&](const Event&) { ++calls; });
    hub->publish(event_of("1"));
    hub->publish(event_of("2"));
    EXPECT_EQ(calls, 2);
    ASSERT_EQ(log->lines.size(), 4u);
    EXPECT_EQ(log->lines[0], "error an event handler threw what=broken");
}

TEST(EventHub, remembers_the_last_events_and_their_numbers) {
    const auto hub = std::make_shared<EventHub>();
    for (int i = 1; i <= 300; ++i) {
        hub->publish(event_of(std::to_string(i)));
    }
    const auto all = hub->since(0);
    ASSERT_EQ(all.size(), EventHub::remembered);
    EXPECT_EQ(all.front().number, 45u);
    EXPECT_EQ(all.back().number, 300u);
    EXPECT_EQ(all.back().event.reason, "300");
    const auto last = hub->since(298);
    ASSERT_EQ(last.size(), 2u);
    EXPECT_EQ(last.front().number, 299u);
    EXPECT_TRUE(hub->since(300).empty());
}

TEST(EventHub, a_subscription_may_outlive_its_hub) {
    Subscription subscription;
    {
        const auto hub = std::make_shared<EventHub>();
        subscription = hub->subscribe([](const Event&) {});
    }
    EXPECT_TRUE(subscription);
    subscription.reset();
    EXPECT_FALSE(subscription);
}

TEST(EventHub, an_event_published_by_a_handler_comes_after_the_one_it_handles) {
    const auto hub = std::make_shared<EventHub>();
    std::vector<std::string> seen;
    const Subscription first = hub->subscribe([&](const Event& event) {
        if (event.reason == "cause") {
            hub->publish(event_of("effect"));
        }
    });
    const Subscription second =
        hub->subscribe([&](const Event& event) { seen.push_back(event.reason); });
    hub->publish(event_of("cause"));
    EXPECT_EQ(seen, (std::vector<std::string>{"cause", "effect"}));
}

TEST(EventHub, all_handlers_see_the_one_order_of_the_numbers_whoever_publishes) {
    const auto hub = std::make_shared<EventHub>();
    std::vector<std::string> heard;
    const Subscription listener =
        hub->subscribe([&](const Event& event) { heard.push_back(event.reason); });
    for (int round = 0; round < 200; ++round) {
        heard.clear();
        const auto known = hub->since(0);
        const std::uint64_t before = known.empty() ? 0 : known.back().number;
        std::vector<std::thread> publishers;
        for (int publisher = 0; publisher < 3; ++publisher) {
            publishers.emplace_back([&hub, publisher] {
                for (int i = 0; i < 50; ++i) {
                    hub->publish(event_of(std::to_string(publisher) + '.' + std::to_string(i)));
                }
            });
        }
        for (std::thread& publisher : publishers) {
            publisher.join();
        }
        std::vector<std::string> numbered;
        for (const EventHub::Numbered& one : hub->since(before)) {
            numbered.push_back(one.event.reason);
        }
        ASSERT_EQ(heard, numbered) << "round " << round;
    }
}

TEST(EventHub, each_publisher_is_heard_in_its_own_order_while_others_come_and_go) {
    const auto hub = std::make_shared<EventHub>();
    std::vector<std::vector<int>> heard(3);
    const Subscription listener = hub->subscribe([&](const Event& event) {
        heard[std::stoul(event.service)].push_back(std::stoi(event.reason));
    });
    std::atomic<bool> done{false};
    std::thread coming_and_going{[&] {
        while (!done) {
            auto token = std::make_shared<int>(0);
            Subscription passing =
                hub->subscribe([&hub_token = *token](const Event&) { ++hub_token; });
            passing.reset();
            token.reset(); // a handler that still ran would use freed memory
        }
    }};
    std::vector<std::thread> publishers;
    for (int publisher = 0; publisher < 3; ++publisher) {
        publishers.emplace_back([&hub, publisher] {
            for (int i = 0; i < 500; ++i) {
                hub->publish(
                    Event{.service = std::to_string(publisher), .reason = std::to_string(i)});
            }
        });
    }
    for (std::thread& publisher : publishers) {
        publisher.join();
    }
    done = true;
    coming_and_going.join();
    for (const std::vector<int>& one : heard) {
        ASSERT_EQ(one.size(), 500u);
        EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
    }
}

} // namespace failover::event_hub_test
