// SPDX-License-Identifier: MIT
#include <failover/endpoint/endpoint_node.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <type_traits>

namespace endpoint_node_test {

using failover::EndpointNode;

struct Derived final : EndpointNode {
    explicit Derived(bool& gone) : gone_{gone} {}
    Derived(const Derived&) = delete;
    Derived& operator=(const Derived&) = delete;
    ~Derived() override { gone_ = true; }
    bool& gone_;
};

TEST(EndpointNode, is_one_object_whoever_looks_at_it) {
    static_assert(!std::is_copy_constructible_v<EndpointNode>);
    static_assert(!std::is_copy_assignable_v<EndpointNode>);
    EndpointNode node;
    const EndpointNode& reader = node;
    node.stats().begin();
    EXPECT_EQ(reader.stats().in_flight(), 1U);
}

TEST(EndpointNode, takes_what_is_derived_from_it_along) {
    bool gone = false;
    std::unique_ptr<EndpointNode> node = std::make_unique<Derived>(gone);
    node.reset();
    EXPECT_TRUE(gone);
}

} // namespace endpoint_node_test
