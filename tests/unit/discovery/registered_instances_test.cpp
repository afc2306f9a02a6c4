// SPDX-License-Identifier: MIT
#include <failover/discovery/consul/registered_instances.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace registered_instances_test {

using namespace failover;
using namespace failover::discovery;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Restored = RegisteredInstances::Restored;

const TimePoint t0{1h};
const std::string agent = "a:8500";

Endpoint endpoint(const std::string& id, std::uint16_t port = 80) {
    return {.id = id, .address = "10.0.0.1", .port = port};
}

ServiceDefinition web(const std::string& id, std::uint16_t port = 80) {
    return {.name = "web", .endpoint = endpoint(id, port)};
}

std::vector<std::string> ids(const std::vector<WantedInstance>& all) {
    std::vector<std::string> out;
    for (const WantedInstance& one : all) {
        out.push_back(one.definition.endpoint.id);
    }
    return out;
}

TEST(RegisteredInstances, are_missing_when_a_list_of_their_service_does_not_name_them) {
    RegisteredInstances all;
    EXPECT_THAT(all.missing_from({}, "web", t0), IsEmpty());
    all.add(web("1"), agent);
    all.add(web("2", 81), agent);
    EXPECT_THAT(ids(all.missing_from({endpoint("1")}, "web", t0)), ElementsAre("2"));
    EXPECT_THAT(ids(all.missing_from({endpoint("1"), endpoint("2", 7)}, "web", t0)),
                ElementsAre("2"))
        << "another node may use the same id";
    EXPECT_THAT(all.missing_from({}, "other", t0), IsEmpty());
}

TEST(RegisteredInstances, are_passing_at_once_only_where_the_agent_may_have_forgotten_them) {
    RegisteredInstances all;
    all.add(web("1"), agent);
    const auto status = [&] {
        return all.missing_from({}, "web", t0).at(0).definition.endpoint.status;
    };
    EXPECT_EQ(status(), EndpointStatus::unknown);
    all.on_loss("other");
    EXPECT_EQ(status(), EndpointStatus::unknown);
    all.on_loss("web");
    EXPECT_EQ(status(), EndpointStatus::healthy);
    EXPECT_THAT(all.missing_from({endpoint("1")}, "web", t0), IsEmpty());
    EXPECT_EQ(status(), EndpointStatus::unknown) << "it came back without help";
}

TEST(RegisteredInstances, that_an_agent_knows_are_not_asked_for_all_the_time) {
    RegisteredInstances all;
    all.add(web("1"), agent);
    all.known(all.missing_from({}, "web", t0).at(0), t0);
    EXPECT_THAT(all.missing_from({}, "web", t0 + 9s), IsEmpty());
    EXPECT_THAT(all.missing_from({}, "web", t0 + 10s), SizeIs(1));
    all.on_loss("web");
    EXPECT_THAT(all.missing_from({}, "web", t0 + 1s), SizeIs(1));
}

TEST(RegisteredInstances, that_are_restored_are_told_of_once_until_they_are_listed) {
    RegisteredInstances all;
    all.add(web("1"), agent);
    EXPECT_EQ(all.restored(all.missing_from({}, "web", t0).at(0), agent), Restored::news);
    EXPECT_EQ(all.restored(all.missing_from({}, "web", t0).at(0), agent), Restored::again);
    EXPECT_THAT(all.missing_from({endpoint("1")}, "web", t0), IsEmpty());
    EXPECT_EQ(all.restored(all.missing_from({}, "web", t0).at(0), agent), Restored::news);
}

TEST(RegisteredInstances, remember_every_agent_that_was_told_of_them) {
    RegisteredInstances all;
    EXPECT_THAT(all.withdraw("1"), IsEmpty());
    all.add(web("1"), agent);
    all.add(web("1"), "b:8500");
    const WantedInstance wanted = all.missing_from({}, "web", t0).at(0);
    EXPECT_EQ(wanted.agent, "b:8500");
    EXPECT_EQ(all.restored(wanted, "c:8500"), Restored::news);
    EXPECT_THAT(all.withdraw("1"), ElementsAre(agent, "b:8500", "c:8500"));
}

TEST(RegisteredInstances, that_are_withdrawn_are_not_wanted_whatever_is_under_way) {
    RegisteredInstances all;
    all.add(web("1"), agent);
    const WantedInstance wanted = all.missing_from({}, "web", t0).at(0);
    all.withdraw("1");
    EXPECT_FALSE(all.current(wanted));
    EXPECT_EQ(all.restored(wanted, agent), Restored::unwanted);
    EXPECT_THAT(all.missing_from({}, "web", t0), IsEmpty());
    EXPECT_THAT(all.withdraw("1"), ElementsAre(agent)) << "it could not be taken back yet";
    all.forget("1");
    EXPECT_THAT(all.withdraw("1"), IsEmpty());
    EXPECT_EQ(all.restored(wanted, agent), Restored::unwanted);
}

TEST(RegisteredInstances, that_were_registered_anew_while_they_were_restored_are_sent_once_more) {
    RegisteredInstances all;
    all.add(web("1", 80), agent);
    const WantedInstance old = all.missing_from({}, "web", t0).at(0);
    all.changing("1");
    all.add(web("1", 90), agent);
    EXPECT_EQ(all.restored(old, agent), Restored::outdated);
    const std::vector<WantedInstance> now = all.missing_from({endpoint("1", 90)}, "web", t0);
    ASSERT_THAT(now, SizeIs(1));
    EXPECT_TRUE(now[0].outdated);
    EXPECT_EQ(now[0].definition.endpoint.port, 90);
    EXPECT_EQ(all.restored(now[0], agent), Restored::news);
    EXPECT_THAT(all.missing_from({endpoint("1", 90)}, "web", t0), IsEmpty());
}

TEST(RegisteredInstances, that_another_agent_knows_now_are_spare_where_they_were) {
    RegisteredInstances all;
    all.add(web("1"), agent);
    EXPECT_THAT(all.spares("web"), IsEmpty());
    all.add(web("1"), "b:8500");
    ASSERT_THAT(all.spares("web"), SizeIs(1));
    EXPECT_EQ(all.spares("web")[0].id, "1");
    EXPECT_EQ(all.spares("web")[0].agent, agent);
    EXPECT_THAT(all.spares("other"), IsEmpty());
    all.left(all.spares("web")[0]);
    EXPECT_THAT(all.spares("web"), IsEmpty());
    EXPECT_THAT(all.withdraw("1"), ElementsAre("b:8500"));

    all.add(web("1"), "b:8500");
    EXPECT_EQ(all.restored(all.missing_from({}, "web", t0).at(0), agent), Restored::news);
    EXPECT_EQ(all.spares("web").at(0).agent, "b:8500");
    static_cast<void>(all.withdraw("1"));
    EXPECT_THAT(all.spares("web"), IsEmpty()) << "it is deregistered everywhere";
}

TEST(RegisteredInstances, that_were_registered_anew_where_they_were_spare_are_registered_again) {
    RegisteredInstances all;
    all.add(web("1"), agent);
    all.add(web("1"), "b:8500");
    const SpareRegistration spare = all.spares("web").at(0);
    all.changing("1");
    all.add(web("1"), agent);
    all.left(spare);
    const std::vector<WantedInstance> missing = all.missing_from({endpoint("1")}, "web", t0);
    ASSERT_THAT(missing, SizeIs(1));
    EXPECT_TRUE(missing[0].outdated);
    EXPECT_EQ(missing[0].agent, agent);
}

} // namespace registered_instances_test
