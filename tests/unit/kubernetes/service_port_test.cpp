// SPDX-License-Identifier: MIT
#include "discovery/kube_service_port.hpp"

#include <gtest/gtest.h>

#include <string>

namespace failover::discovery::service_port_test {

std::string name_in(const char* spec, std::uint16_t number, const std::string& otherwise = "x") {
    return service_port_name(Json::parse(spec), number, otherwise);
}

TEST(ServicePort, is_the_one_that_leads_to_the_process) {
    constexpr const char* spec = R"({"ports":[
        {"name":"dns","protocol":"UDP","port":8080,"targetPort":8080},
        {"name":"admin","port":8080,"targetPort":9090},
        {"name":"web","protocol":"TCP","port":80,"targetPort":8080},
        {"name":"pods","port":7000,"targetPort":"by-name"}]})";
    EXPECT_EQ(name_in(spec, 8080), "web");
    EXPECT_EQ(name_in(spec, 9090), "admin");
    EXPECT_EQ(name_in(spec, 80, "web"), "web") << "nothing leads to 80";
    EXPECT_EQ(name_in(spec, 80), "");
    EXPECT_EQ(name_in(spec, 7000), "pods");
}

TEST(ServicePort, is_the_only_one_whatever_its_number) {
    EXPECT_EQ(name_in(R"({"ports":[{"name":"web","port":80,"targetPort":8080}]})", 1), "web");
    EXPECT_EQ(name_in(R"({"ports":[{"port":80}]})", 1), "");
    EXPECT_EQ(name_in(R"({"ports":[{"name":"web","port":80},
                                   {"name":"dns","protocol":"UDP","port":53}]})",
                      1),
              "web");
}

TEST(ServicePort, is_the_configured_one_only_where_the_service_does_not_tell) {
    constexpr const char* two =
        R"({"ports":[{"name":"web","port":80},{"name":"admin","port":81}]})";
    EXPECT_EQ(name_in(two, 8080, "admin"), "admin");
    EXPECT_EQ(name_in(two, 8080, "redis"), "") << "nobody could find it by that name";
    EXPECT_EQ(name_in("{}", 8080, "redis"), "redis");
    EXPECT_EQ(name_in(R"({"ports":null})", 8080, "redis"), "redis");
}

TEST(ServicePort, of_a_wrong_type_is_an_error) {
    EXPECT_THROW(name_in(R"({"ports":{}})", 1), FormatError);
    EXPECT_THROW(name_in(R"({"ports":[1]})", 1), FormatError);
    EXPECT_THROW(name_in(R"({"ports":[{"name":1}]})", 1), FormatError);
}

} // namespace failover::discovery::service_port_test
