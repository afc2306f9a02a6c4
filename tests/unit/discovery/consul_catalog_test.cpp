// SPDX-License-Identifier: MIT
#include "discovery/consul_catalog.hpp"

#include "discovery/json_text.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace consul_catalog_test {

using namespace failover;
using namespace failover::discovery;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// One instance; `service` and `checks` as JSON without the outer brackets.
std::string instance(
    std::string_view service, std::string_view checks = {},
    std::string_view node = R"("Node":"n1","Address":"10.0.0.1","Datacenter":"dc1")") {
    return R"({"Node":{)" + std::string{node} + R"(},"Service":{)" + std::string{service} +
           R"(},"Checks":[)" + std::string{checks} + "]}";
}

Endpoint only(const std::string& entry) {
    const CatalogReading reading = read_health_service('[' + entry + ']');
    EXPECT_EQ(reading.problem, "");
    EXPECT_THAT(reading.left_out, IsEmpty());
    return reading.endpoints.empty() ? Endpoint{} : reading.endpoints.front();
}

/// Why the only instance is left out.
std::string refusal(const std::string& entry) {
    const CatalogReading reading = read_health_service('[' + entry + ']');
    EXPECT_EQ(reading.problem, "");
    EXPECT_THAT(reading.endpoints, IsEmpty());
    return reading.left_out.empty() ? "" : reading.left_out.front();
}

std::vector<std::string> ids(const CatalogReading& reading) {
    std::vector<std::string> all;
    for (const Endpoint& one : reading.endpoints) {
        all.push_back(one.id);
    }
    return all;
}

TEST(ConsulCatalog, reads_an_instance) {
    const Endpoint one = only(instance(
        R"("ID":"web-1","Service":"web","Address":"10.1.0.1","Port":8080,"Tags":["v1","blue"],
           "Meta":{"zone":"z1","priority":"2","owner":"x"},"Weights":{"Passing":7,"Warning":2})",
        R"({"CheckID":"service:web-1","Status":"passing"},{"CheckID":"serfHealth","Status":"passing"})"));
    EXPECT_EQ(one.id, "web-1");
    EXPECT_EQ(host_port(one), "10.1.0.1:8080");
    EXPECT_EQ(one.scheme, "http");
    EXPECT_EQ(one.weight, 7U);
    EXPECT_EQ(one.priority, 2U);
    EXPECT_EQ(one.zone, "z1");
    EXPECT_EQ(one.status, EndpointStatus::healthy);
    EXPECT_EQ(one.metadata.at("tags"), "v1,blue");
    EXPECT_EQ(one.metadata.at("owner"), "x");
    EXPECT_EQ(one.metadata.at("node"), "n1");
    EXPECT_EQ(one.metadata.at("datacenter"), "dc1");
}

TEST(ConsulCatalog, falls_back_to_the_node) {
    const Endpoint one =
        only(instance(R"("ID":"a","Address":"","Port":1,"Meta":null,"Tags":null)", {},
                      R"("Address":"fd00::1","Meta":{"availability_zone":"z9"})"));
    EXPECT_EQ(one.address, "fd00::1");
    EXPECT_EQ(one.zone, "z9");
    EXPECT_EQ(one.weight, 1U);
    EXPECT_EQ(only(instance(R"("Port":1)")).id, "10.0.0.1:1");
}

TEST(ConsulCatalog, reads_the_state_of_the_checks) {
    const auto state = [](std::string_view checks) {
        return only(instance(R"("ID":"a","Port":1,"Weights":{"Passing":10,"Warning":3})", checks));
    };
    EXPECT_EQ(state("").status, EndpointStatus::healthy);
    const Endpoint warned = state(R"({"Status":"passing"},{"Status":"warning"})");
    EXPECT_EQ(warned.status, EndpointStatus::healthy);
    EXPECT_EQ(warned.weight, 3U);
    EXPECT_EQ(state(R"({"Status":"critical"},{"Status":"passing"})").status,
              EndpointStatus::unhealthy);
    EXPECT_EQ(state(R"({"Status":"no such state"})").status, EndpointStatus::unhealthy);
    EXPECT_EQ(state(R"({"CheckID":"_service_maintenance:a","Status":"critical"})").status,
              EndpointStatus::draining);
    EXPECT_EQ(state(R"({"CheckID":"_node_maintenance","Status":"critical"})").status,
              EndpointStatus::draining);
}

TEST(ConsulCatalog, learns_the_scheme_from_meta_or_a_tag) {
    EXPECT_EQ(only(instance(R"("Port":1,"Meta":{"scheme":"https"})")).scheme, "https");
    EXPECT_EQ(only(instance(R"("Port":1,"Tags":["https"])")).scheme, "https");
    EXPECT_EQ(only(instance(R"("Port":1,"Tags":["https"],"Meta":{"scheme":"http"})")).scheme,
              "http");
    EXPECT_EQ(only(instance(R"("Port":1,"Meta":{"scheme":"ftp"})")).scheme, "http");
    EXPECT_EQ(only(instance(R"("Port":1,"Meta":{"priority":"high"})")).priority, 0U);
}

TEST(ConsulCatalog, takes_only_instances_with_all_tags) {
    const std::string list = '[' + instance(R"("ID":"a","Port":1,"Tags":["x","y"])") + ',' +
                             instance(R"("ID":"b","Port":1,"Tags":["x"])") + ',' +
                             instance(R"("ID":"c","Port":1)") + ']';
    EXPECT_THAT(ids(read_health_service(list, {"y", "x"})), ElementsAre("a"));
    EXPECT_THAT(ids(read_health_service(list, {"x"})), ElementsAre("a", "b"));
    EXPECT_THAT(ids(read_health_service(list)), ElementsAre("a", "b", "c"));
}

TEST(ConsulCatalog, keeps_ids_apart_that_two_nodes_use) {
    const auto on = [](std::string_view node, std::string_view port) {
        return instance(R"("ID":"web","Address":"10.0.0.5","Port":)" + std::string{port}, {},
                        R"("Node":")" + std::string{node} + '"');
    };
    EXPECT_THAT(ids(read_health_service('[' + on("n1", "1") + ',' + on("n2", "2") + ']')),
                ElementsAre("web@n1", "web@n2"));
    // The same process registered through two agents.
    EXPECT_THAT(ids(read_health_service('[' + on("n1", "1") + ',' + on("n2", "1") + ']')),
                ElementsAre("web"));
}

TEST(ConsulCatalog, leaves_out_what_cannot_be_called_and_says_why) {
    EXPECT_EQ(refusal("5"), "instance 0: instance: expected an object, found number");
    EXPECT_THAT(refusal("{}"), HasSubstr("Service: expected an object, found null"));
    EXPECT_THAT(refusal(instance(R"("ID":"a")")), HasSubstr("instance 0 (a): Service.Port"));
    EXPECT_THAT(refusal(instance(R"("Port":"80")")), HasSubstr("expected a number, found string"));
    for (const char* port : {"0", "-1", "65536", "99999999999999", "18446744073709551615"}) {
        EXPECT_THAT(refusal(instance(R"("Port":)" + std::string{port})), HasSubstr(port));
    }
    EXPECT_THAT(refusal(instance(R"("Port":80.5)")), HasSubstr("Service.Port"));
    EXPECT_THAT(refusal(instance(R"("Port":1)", {}, "")), HasSubstr("Node.Address"));
    EXPECT_THAT(refusal(instance(R"("Port":1,"Address":7)")), HasSubstr("Service.Address"));
    EXPECT_THAT(refusal(instance(R"("Port":1,"Meta":{"a":1})")), HasSubstr("Service.Meta.a"));
    EXPECT_THAT(refusal(instance(R"("Port":1,"Meta":[])")), HasSubstr("Service.Meta"));
    EXPECT_THAT(refusal(instance(R"("Port":1,"Tags":"a")")), HasSubstr("Service.Tags"));
    EXPECT_THAT(refusal(instance(R"("Port":1,"Tags":[1])")), HasSubstr("Service.Tags"));
    EXPECT_THAT(refusal(instance(R"("Port":1,"Weights":{"Passing":-1})")), HasSubstr("negative"));
    EXPECT_THAT(refusal(instance(R"("Port":1,"Weights":{"Passing":"x"})")), HasSubstr("Passing"));
    EXPECT_THAT(refusal(instance(R"("Port":1)", "7")), HasSubstr("Checks"));
    EXPECT_EQ(only(instance(R"("Port":1,"Weights":{"Passing":70000})")).weight, 65535U);
}

TEST(ConsulCatalog, keeps_the_good_ones_beside_bad_ones) {
    const CatalogReading reading = read_health_service(
        "[null," + instance(R"("ID":"a","Port":1)") + "," + instance(R"("ID":"b","Port":0)") + "]");
    EXPECT_THAT(ids(reading), ElementsAre("a"));
    EXPECT_THAT(reading.left_out, SizeIs(2));
}

TEST(ConsulCatalog, of_several_problems_of_an_instance_the_first_is_told) {
    EXPECT_THAT(refusal(instance(R"("Port":0,"Meta":7,"ID":5)", "", R"("Node":5)")),
                HasSubstr("instance 0: Service.ID: expected a string, found number"));
    EXPECT_THAT(refusal(instance(R"("Weights":{"Passing":-1},"Port":1)", "", R"("Meta":7)")),
                HasSubstr("neither Service.Address nor Node.Address"));
    // A weight that does not count is not judged.
    EXPECT_EQ(only(instance(R"("Port":1,"Weights":{"Passing":4,"Warning":-1})")).weight, 4U);
}

TEST(ConsulCatalog, fields_of_those_names_elsewhere_mean_nothing) {
    const Endpoint one = only(instance(
        R"("ID":"a","Port":1,"Proxy":{"Port":"x","ID":7,"Meta":5,"Tags":[{"ID":"b"}],"Checks":1},
           "Connect":[[{"Port":9}],{"Address":7},"Meta"])",
        R"({"Status":"passing","Definition":{"Status":"critical","Port":2}})"));
    EXPECT_EQ(one.id, "a");
    EXPECT_EQ(host_port(one), "10.0.0.1:1");
    EXPECT_EQ(one.status, EndpointStatus::healthy);
    EXPECT_EQ(one.metadata,
              (std::map<std::string, std::string>{{"node", "n1"}, {"datacenter", "dc1"}}));
}

TEST(ConsulCatalog, reading_in_parts_reads_the_same) {
    const std::string list =
        "[null," + instance(R"("ID":"a","Port":1)") + "," + instance(R"("ID":"b","Port":2)") + "]";
    for (std::size_t part = 1; part < 5; ++part) {
        CatalogReader reader{list, {}};
        while (reader.read_some(part)) {
        }
        const CatalogReading reading = reader.finish();
        EXPECT_THAT(ids(reading), ElementsAre("a", "b"));
        EXPECT_THAT(reading.left_out, SizeIs(1));
    }
}

TEST(ConsulCatalog, a_long_list_leaves_the_thread_to_others_and_a_short_one_is_read_at_once) {
    const auto turns_of = [](int count) {
        std::string list = "[";
        for (int i = 0; i < count; ++i) {
            list +=
                (i > 0 ? "," : "") + instance(R"("ID":")" + std::to_string(i) + R"(","Port":1)");
        }
        list += "]";
        boost::asio::io_context context;
        std::optional<CatalogReading> reading;
        boost::asio::co_spawn(
            context, read_health_service_in_turns(list, {}),
            [&](std::exception_ptr, CatalogReading done) { reading = std::move(done); });
        std::size_t turns = 0;
        while (!reading && context.poll_one() > 0) {
            ++turns;
        }
        EXPECT_EQ(reading ? reading->endpoints.size() : 0, static_cast<std::size_t>(count));
        return turns;
    };
    EXPECT_GE(turns_of(2000), 10U);
    EXPECT_LE(turns_of(100), 3U);
}

TEST(ConsulCatalog, says_what_makes_a_whole_answer_unusable) {
    EXPECT_THAT(read_health_service("").problem, HasSubstr("not JSON"));
    EXPECT_THAT(read_health_service("[{]").problem, HasSubstr("column 3"));
    EXPECT_THAT(read_health_service("<html>").problem, HasSubstr("not JSON"));
    EXPECT_THAT(read_health_service("[] x").problem, HasSubstr("not JSON"));
    EXPECT_THAT(read_health_service("[\"\xFF\"]").problem, HasSubstr("not JSON"));
    EXPECT_EQ(read_health_service("{}").problem, "expected a list of instances, found object");
    EXPECT_EQ(read_health_service("null").problem, "expected a list of instances, found null");
    EXPECT_EQ(read_health_service("[]").problem, "");
}

TEST(ConsulCatalog, survives_any_cut_and_any_changed_byte) {
    const std::string whole =
        '[' +
        instance(
            R"("ID":"a\u00e9","Port":80,"Tags":["x"],"Meta":{"k":"v"},"Weights":{"Passing":1})",
            R"({"CheckID":"c","Status":"passing"})") +
        ']';
    for (std::size_t i = 0; i < whole.size(); ++i) {
        EXPECT_NE(read_health_service(whole.substr(0, i)).problem, "") << i;
        for (const char c : {'"', '[', '}', '\\', '\0', '9', '\xFF'}) {
            std::string changed = whole;
            changed[i] = c;
            const CatalogReading reading = read_health_service(changed);
            EXPECT_LE(reading.endpoints.size(), 1U);
        }
    }
}

TEST(JsonText, refuses_deep_nesting_without_recursion) {
    const std::string deep(10'000'000, '[');
    EXPECT_THAT(read_health_service(deep).problem, HasSubstr("10000000 levels deep"));
    EXPECT_EQ(json_depth(R"(["[[[\"[["])"), 1U);
    EXPECT_EQ(json_depth(R"({"a":[{"b":1}],"c":{}})"), 3U);
    EXPECT_EQ(parse_json(std::string(64, '[') + std::string(64, ']')).problem, "");
    EXPECT_NE(parse_json(std::string(65, '[') + std::string(65, ']')).problem, "");
}

} // namespace consul_catalog_test
